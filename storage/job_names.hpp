#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

/// The names of jobs: unique in the world, and in the order of their time.
///
/// The problem: several nodes that share an output folder or a bucket, or were copied from one data
/// folder, know nothing of each other, and their clocks show the same. What carries a job's name
/// (temporary files, owners of objects) must not be taken for another's.
namespace luna::storage {

/// 128 random bits in 32 hex digits.
std::string random_name(const std::function<uint64_t()>& random);

/// "j-<time in ms, 11 hex digits>-<count within it>-<32 random hex digits>".
std::string job_id(int64_t time_ms, uint32_t count, const std::function<uint64_t()>& random);

/// The time in an id, in ms; 0 if it is none of ours.
int64_t time_of_id(std::string_view id);

/// False for the ids of older versions, which had no random part.
bool is_unique_id(std::string_view id);

} // namespace luna::storage
