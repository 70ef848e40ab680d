#pragma once

#include <optional>
#include <string>
#include <vector>

#include "storage/job_store.hpp"
#include "storage/job_types.hpp"

namespace luna {

/// The answers of the save queue, as docs/protocol.md, section 5 has them. `subfolder` counts from
/// the allowed folder that holds the file; `path` is absolute and there once the file is.

/// job_status, job_wait, job_cancel, job_retry, job_discard.
/// @param changed whether a request to change the job did so.
std::string job_json(const storage::job_status& job, std::optional<bool> changed = std::nullopt);

/// The event frame of a job that changed.
std::string job_event_json(const storage::job_status& job);

/// job_list.
std::string job_list_json(const std::vector<storage::job_status>& jobs);

/// submit_async. @param queued jobs that are not at an end.
/// @param durable false: answered before a power cut could not undo it.
std::string submit_json(const storage::job_status& job, size_t queued, bool durable);

/// The part "save_queue" of get_status.
std::string counters_json(const storage::store_counters& counters, size_t workers,
                          storage::time_point now);

} // namespace luna
