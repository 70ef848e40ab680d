#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "storage/job_types.hpp"

namespace luna::storage {

/// The queued jobs in the order in which they are to run: those that wait for their backoff apart.
/// Higher priority first, then the older id (ids grow with time). Thread rule: one owner.
class work_queue {
public:
  void add(const std::string& id, int8_t priority, time_point due);
  void remove(const std::string& id);

  /// Takes out the first job that is due and not blocked.
  std::optional<std::string> take(time_point now,
                                  const std::function<bool(const std::string&)>& blocked);

  /// When the first of the waiting jobs is due; nothing if none waits.
  std::optional<time_point> next_due() const;

private:
  struct position {
    int8_t priority = 0;
    time_point due{};
  };

  std::set<std::pair<int, std::string>> ready_;          ///< (-priority, id)
  std::set<std::pair<time_point, std::string>> waiting_; ///< by due time
  std::unordered_map<std::string, position> positions_;
};

} // namespace luna::storage
