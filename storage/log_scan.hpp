#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/file_system.hpp"
#include "storage/job_log.hpp"

namespace luna::storage {

/// Everything that can be read from one segment.
struct segment_scan {
  std::vector<found_record> records; ///< in the order of their offsets
  std::vector<log_damage> damages;

  /// The most that its records prove.
  sync_proof synced;
};

/// Reads the records of a segment: headers and payloads, not the pieces. Where a header is not
/// valid it looks for the next one that is, so a damaged record costs only itself.
/// @param number,mark from the segment's file name.
/// @param end where the segment ends, if the next one tells; nothing behind it is read.
/// @returns a failure only if the file cannot be read at all.
io_result<segment_scan> scan_segment(file& segment, uint64_t number, uint64_t mark,
                                     const std::string& path, uint64_t end = UINT64_MAX);

} // namespace luna::storage
