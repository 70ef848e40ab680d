#pragma once

#include <string>

#include "base/result.hpp"

namespace luna::storage::s3 {

/// What requests are signed with. Never logged, never part of a message.
struct credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token; ///< of temporary credentials, or empty
};

/// Reads the credentials anew, so that they can be changed while the node runs.
/// @param file lines `aws_access_key_id = ...`, `aws_secret_access_key = ...` and, if need be,
/// `aws_session_token = ...`, as in AWS's own file (of several sections the first). Empty: the
/// variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
/// @returns `not_permitted` with what to do: a key is missing, or others may read the file.
/// Thread rule: any thread, as long as nobody changes the environment.
result<credentials> read_credentials(const std::string& file);

} // namespace luna::storage::s3
