#include "storage/io_result.hpp"

namespace luna::storage {

std::string_view to_string(io_kind kind) {
  switch (kind) {
  case io_kind::not_found:
    return "not_found";
  case io_kind::exists:
    return "exists";
  case io_kind::no_space:
    return "no_space";
  case io_kind::no_permission:
    return "no_permission";
  case io_kind::read_only:
    return "read_only";
  case io_kind::is_link:
    return "is_link";
  case io_kind::not_directory:
    return "not_directory";
  case io_kind::bad_name:
    return "bad_name";
  case io_kind::locked:
    return "locked";
  case io_kind::broken:
    return "broken";
  case io_kind::not_supported:
    return "not_supported";
  case io_kind::other:
    break;
  }
  return "other";
}

failure as_failure(const io_failure& problem) {
  switch (problem.kind) {
  case io_kind::no_space:
    return failure{ec::overloaded, problem.message + "; free space on that disk", 5000, {}};
  case io_kind::no_permission:
    return failure{ec::not_permitted,
                   problem.message + "; give the node's user the right to write there",
                   0,
                   {}};
  case io_kind::read_only:
    return failure{
      ec::not_permitted, problem.message + "; mount it writable or save elsewhere", 0, {}};
  case io_kind::is_link:
    return failure{
      ec::not_permitted,
      problem.message
        + "; links below an allowed folder are not followed, allow their target itself",
      0,
      {}};
  case io_kind::bad_name:
    return failure{ec::bad_request, problem.message, 0, {}};
  default:
    return failure{ec::unavailable, problem.message, 1000, {}};
  }
}

} // namespace luna::storage
