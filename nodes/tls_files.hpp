#pragma once

#include <string>

#include "messages/result.hpp"
#include "nodes/configuration.hpp"

namespace luna {

/// Reads what `cluster.tls` names, as the connections will: the authorities' certificates, this
/// node's own, and the key that belongs to it. CAF would only find out at the first connection.
/// Errors: not_permitted for a file that cannot be read, bad_request for one that is not what it
/// should be; both name the key of the configuration and the file. Fine if TLS is off.
result<void> check_tls_files(const tls_configuration& tls);

/// The first line of the passphrase file; empty if there is none.
std::string read_passphrase(const tls_configuration& tls);

} // namespace luna
