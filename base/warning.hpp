#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace luna {

/// What an answer says beside its result: the result is there, but it may not be what was meant.
struct warning {
  std::string code;    ///< for programs: "non_finite", "tiled", "evicted", "embedding"
  std::string message; ///< one sentence for people
  uint64_t count = 0;  ///< how many there are of what the code names; 0: nothing was counted

  friend bool operator==(const warning&, const warning&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, warning& x) {
  return f(x.code, x.message, x.count);
}

/// Adds it unless it is there already.
inline void add_warning(std::vector<warning>& to, warning x) {
  for (auto& known : to)
    if (known == x)
      return;
  to.push_back(std::move(x));
}

inline void add_warnings(std::vector<warning>& to, std::vector<warning> more) {
  for (auto& x : more)
    add_warning(to, std::move(x));
}

} // namespace luna
