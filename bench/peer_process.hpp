#pragma once

#include <cstdint>
#include <sstream>
#include <string>

#include "bench/child_process.hpp"

namespace luna::bench {

/// The other process of a measurement: this program again, with another subcommand.
struct peer_process {
  child_process process;
  uint16_t port = 0;       ///< of what is measured
  uint16_t plain_port = 0; ///< of a plain_server beside it

  static result<peer_process> start(const std::string& subcommand) {
    auto process = child_process::start({own_path(), subcommand});
    if (!process)
      return fail(process);
    auto line = process->read_line();
    if (!line)
      return fail(line);
    peer_process peer{std::move(*process)};
    std::istringstream{*line} >> peer.port >> peer.plain_port;
    return peer;
  }
};

} // namespace luna::bench
