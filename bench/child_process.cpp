#include "bench/child_process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace luna::bench {

namespace {

using clock = std::chrono::steady_clock;

void close_once(int& descriptor) {
  if (descriptor >= 0)
    ::close(std::exchange(descriptor, -1));
}

/// Only calls that are safe between fork and exec.
[[noreturn]] void become(char* const* arguments, int input, int output, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent)
    ::_exit(127);
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

bool has_ended(pid_t pid, int options) {
  return ::waitpid(pid, nullptr, options) != 0;
}

} // namespace

result<child_process> child_process::start(const std::vector<std::string>& line) {
  std::vector<char*> arguments;
  for (auto& x : line)
    arguments.push_back(const_cast<char*>(x.c_str()));
  arguments.push_back(nullptr);
  if (::access(arguments[0], X_OK) != 0)
    return fail(ec::unavailable, "cannot run " + line[0] + ": " + std::strerror(errno));
  std::array<int, 2> in{-1, -1}, out{-1, -1};
  child_process child;
  if (::pipe2(in.data(), O_CLOEXEC) == 0 && ::pipe2(out.data(), O_CLOEXEC) == 0) {
    auto parent = ::getpid();
    child.pid_ = ::fork();
    if (child.pid_ == 0)
      become(arguments.data(), in[0], out[1], parent);
  }
  auto problem = errno;
  child.input_ = in[1];
  child.output_ = out[0];
  close_once(in[0]);
  close_once(out[1]);
  if (child.pid_ < 0)
    return fail(ec::unavailable, "cannot start " + line[0] + ": " + std::strerror(problem));
  return child;
}

child_process::child_process(child_process&& other) noexcept
  : pid_(std::exchange(other.pid_, -1)), input_(std::exchange(other.input_, -1)),
    output_(std::exchange(other.output_, -1)), said_(std::move(other.said_)) {}

child_process& child_process::operator=(child_process&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(input_, other.input_);
  std::swap(output_, other.output_);
  std::swap(said_, other.said_);
  return *this;
}

child_process::~child_process() {
  stop(std::chrono::milliseconds{0});
  close_once(output_);
}

result<std::string> child_process::read_line(std::chrono::milliseconds patience) {
  auto deadline = clock::now() + patience;
  for (;;) {
    if (auto end = said_.find('\n'); end != std::string::npos) {
      auto line = said_.substr(0, end);
      said_.erase(0, end + 1);
      return line;
    }
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now()).count();
    pollfd waiting{output_, POLLIN, 0};
    if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) == 0)
      return fail(ec::timeout, "a child process said nothing in time");
    std::array<char, 4096> buffer;
    auto n = ::read(output_, buffer.data(), buffer.size());
    if (n == 0)
      return fail(ec::unavailable, "a child process ended before it was ready");
    if (n > 0)
      said_.append(buffer.data(), static_cast<size_t>(n));
  }
}

void child_process::stop(std::chrono::milliseconds patience) {
  if (pid_ < 0)
    return;
  close_once(input_);
  auto deadline = clock::now() + patience;
  if (patience.count() > 0)
    ::kill(pid_, SIGTERM);
  while (!has_ended(pid_, WNOHANG)) {
    if (clock::now() >= deadline) {
      ::kill(pid_, SIGKILL);
      has_ended(pid_, 0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  pid_ = -1;
}

double cpu_seconds_of(pid_t pid) {
  double nanoseconds = 0;
  std::error_code ignored;
  auto threads = "/proc/" + std::to_string(pid) + "/task";
  for (auto& thread : std::filesystem::directory_iterator{threads, ignored}) {
    double x = 0;
    std::ifstream{thread.path() / "schedstat"} >> x;
    nanoseconds += x;
  }
  return nanoseconds / 1e9;
}

std::string own_path() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).string();
}

void wait_for_end_of_input() {
  std::array<char, 64> buffer;
  for (;;) {
    auto n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n == 0 || (n < 0 && errno != EINTR))
      return;
  }
}

} // namespace luna::bench
