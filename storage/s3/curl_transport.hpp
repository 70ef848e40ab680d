#pragma once

#include <memory>
#include <string>

#include "storage/s3/http.hpp"

namespace luna::storage::s3 {

/// HTTP and HTTPS by libcurl. Connections are kept and used again; TLS certificates are checked.
/// @param ca_file PEM of the authorities to trust instead of the system's, or empty.
std::shared_ptr<http_transport> make_curl_transport(std::string ca_file);

} // namespace luna::storage::s3
