#pragma once

#include <chrono>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/result.hpp"

namespace luna::bench {

/// A program that this one started.
///
/// Contract: its standard output is read here line by line, its standard error is ours, its
/// standard input ends when this object or this process does. It is ended by its id when the object
/// goes, and by the kernel when this process dies. One thread at a time.
class child_process {
public:
  /// Starts a program: its path, then its arguments. @returns `unavailable` with the reason.
  static result<child_process> start(const std::vector<std::string>& line);

  child_process(child_process&& other) noexcept;
  child_process& operator=(child_process&& other) noexcept;
  ~child_process();

  /// The next line of its standard output, without the end of line. `timeout`; `unavailable` if it
  /// ended.
  result<std::string> read_line(std::chrono::milliseconds patience = std::chrono::seconds{60});

  pid_t pid() const noexcept { return pid_; }

  /// Asks it to stop (the end of its input, SIGTERM), waits, and kills it if it does not.
  void stop(std::chrono::milliseconds patience = std::chrono::seconds{30});

private:
  child_process() = default;

  pid_t pid_ = -1;
  int input_ = -1;  ///< what it reads
  int output_ = -1; ///< what it says
  std::string said_;
};

/// CPU time of all threads of a process so far.
double cpu_seconds_of(pid_t pid);

/// This program's own path.
std::string own_path();

/// Blocks until standard input ends: for a child whose parent ends it.
void wait_for_end_of_input();

} // namespace luna::bench
