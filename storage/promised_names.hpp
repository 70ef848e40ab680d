#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

// INTERNAL to name_reservations: the promises of one folder.

namespace luna::storage {

struct name_promise {
  std::vector<std::string> jobs; ///< in the order in which they got the name
  bool overwrite = false;
  bool shown = true; ///< there is to be a marker
};

using promised_names = std::map<std::string, name_promise, std::less<>>; ///< by filename

/// "a" of "a.png".
inline std::string_view stem_of(std::string_view filename) {
  auto dot = filename.rfind('.');
  return filename.substr(0, dot == 0 ? filename.npos : dot);
}

/// Calls `with` for each promise whose marker would be that of `filename`, itself included.
template <class With>
void for_each_of_stem(const promised_names& names, std::string_view filename, With with) {
  auto stem = std::string{stem_of(filename)};
  auto visit = [&](auto i) {
    if (i != names.end() && stem_of(i->first) == stem)
      with(i->first, i->second);
  };
  visit(names.find(stem));
  auto beginning = stem + ".";
  for (auto i = names.lower_bound(beginning); i != names.end() && i->first.starts_with(beginning);
       ++i)
    visit(i);
}

} // namespace luna::storage
