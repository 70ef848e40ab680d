#pragma once

#include <cstdint>
#include <string>

namespace luna {

/// Which process listens on a TCP port of this machine: "luna-node (process 4711)", or "" if that
/// cannot be seen: /proc shows the sockets of one's own processes, and to root all.
std::string port_owner(uint16_t port);

} // namespace luna
