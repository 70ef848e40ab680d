#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "nodes/configuration.hpp"
#include "tls/tls_identity.hpp"

namespace luna {

/// Reads what `cluster.tls` names, as the connections will: the authorities' certificates, this
/// node's own, which must carry its name, and the key that belongs to it.
/// Errors: not_permitted for a file that cannot be read, bad_request for one that is not what it
/// should be; both name the key of the configuration and the file. Fine if TLS is off.
result<void> check_tls_files(const tls_configuration& tls, const std::string& node);

/// The same, for a node that goes on with it: later changes of the files are read, too, and what is
/// wrong with them is logged. What an operator should know of the dates is logged now.
/// @returns null if TLS is off.
result<std::shared_ptr<tls::identity_source>> open_tls(const tls_configuration& tls,
                                                       const std::string& node);

} // namespace luna
