#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "storage/job_types.hpp"

namespace luna::storage {

/// Which job of a lane may be taken now.
enum class lane_turn : uint8_t {
  none,
  first, ///< the first in order
  next,  ///< the one behind that which was taken last, so that all are tried in turn
};

/// The queued jobs in the order in which they are to run, by lane: those that wait for their
/// backoff apart. Higher priority first, then the older id (ids grow with time), over all lanes
/// that may run. Thread rule: one owner.
class work_queue {
public:
  void add(const std::string& id, const std::string& lane, int8_t priority, time_point due);
  void remove(const std::string& id);

  /// Nothing waits for its time any more.
  void make_all_due();

  /// Takes out the first job that is due, not blocked, and of a lane that may run.
  std::optional<std::string> take(time_point now,
                                  const std::function<lane_turn(const std::string&)>& turn_of,
                                  const std::function<bool(const std::string&)>& blocked);

  /// When the next job is due that is not yet; nothing if there is none.
  /// @param held_until of a lane: nothing in it runs before.
  std::optional<time_point>
  next_due(time_point now,
           const std::function<std::optional<time_point>(const std::string&)>& held_until) const;

private:
  struct position {
    std::string lane;
    int8_t priority = 0;
    time_point due{};
  };

  using place = std::pair<int, std::string>; ///< (-priority, id)

  struct line {
    std::set<place> ready;
    std::set<std::pair<time_point, std::string>> waiting; ///< by due time
    place taken;                                          ///< last
  };

  void wake(line& x, time_point now);
  static std::optional<place> first_of(const line& x, lane_turn turn,
                                       const std::function<bool(const std::string&)>& blocked);

  std::map<std::string, line> lines_; ///< by lane
  std::unordered_map<std::string, position> positions_;
};

} // namespace luna::storage
