#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "storage/job_types.hpp"

namespace luna::storage {

/// The failed jobs whose pictures are kept for a retry, and what these hold of the spool.
/// Thread rule: one owner, the store.
class dead_letters {
public:
  void add(const std::string& id, time_point failed, uint64_t bytes);

  /// One that is none is ignored.
  void remove(const std::string& id);

  /// That which failed first. @pre size() > 0
  const std::string& oldest() const { return by_age_.begin()->second; }

  size_t size() const noexcept { return by_age_.size(); }
  uint64_t bytes() const noexcept { return bytes_; }

private:
  struct letter {
    time_point failed{};
    uint64_t bytes = 0;
  };

  std::unordered_map<std::string, letter> letters_;
  std::set<std::pair<time_point, std::string>> by_age_;
  uint64_t bytes_ = 0;
};

} // namespace luna::storage
