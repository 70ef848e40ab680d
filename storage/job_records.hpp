#pragma once
// filled in next: the payloads of the log's records
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/job_types.hpp"

namespace luna::storage {

/// Everything known of a job whose pixels are still needed.
struct live_job {
  job_status status;
  std::string task;
  std::string plan;
  int8_t priority = 0;
};

} // namespace luna::storage
