#pragma once

#include "bench/child_process.hpp"
#include "bench/figure.hpp"
#include "bench/temporary_folder.hpp"
#include "protocol/client.hpp"

namespace luna::bench {

/// A luna-node on loopback without models, on a free port, with folders of its own. Ends, and the
/// folders go, with the object.
class node_process {
public:
  /// Starts a node and waits for its ready line.
  static result<node_process> start(const options& with);

  /// A client that has said hello.
  result<protocol::client> connect() const;

  /// CPU time of all its threads so far.
  double cpu_seconds() const { return cpu_seconds_of(process_.pid()); }

  const std::string& folder() const noexcept { return folder_.path(); }

  /// Asks it to stop and waits.
  void stop() { process_.stop(); }

private:
  node_process(temporary_folder folder, child_process process)
    : folder_(std::move(folder)), process_(std::move(process)) {}

  temporary_folder folder_;
  child_process process_; ///< ends before its folder does
  uint16_t port_ = 0;
};

} // namespace luna::bench
