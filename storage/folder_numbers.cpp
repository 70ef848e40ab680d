#include "storage/folder_numbers.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace luna::storage {

namespace {

constexpr size_t most_folders = 16;
constexpr size_t most_prefixes = 32;

} // namespace

uint64_t number_after(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix))
    return 0;
  name.remove_prefix(prefix.size());
  auto digits = name.substr(0, name.find_first_of("_."));
  uint64_t number = 0;
  auto end = digits.data() + digits.size();
  auto [at, error] = std::from_chars(digits.data(), end, number);
  if (digits.empty() || digits.size() > 18 || error != std::errc{} || at != end)
    return 0;
  return number;
}

void folder_numbers::note(numbers& to, std::string_view name, std::string_view prefix, bool added) {
  auto number = number_after(name, prefix);
  if (number == 0)
    return;
  auto entry = std::pair{number, std::hash<std::string_view>{}(name)};
  if (added)
    to.insert(to.end(), entry);
  else
    to.erase(entry);
}

/// Takes in what has changed. @returns false if that is not known.
bool folder_numbers::follow(known_folder& x) {
  auto changes = x.watch ? x.watch->changes() : std::nullopt;
  if (!changes)
    return false;
  for (auto& change : *changes)
    for (auto& [prefix, found] : x.prefixes)
      note(found, change.name, prefix, change.added);
  return true;
}

folder_numbers::known_folder& folder_numbers::known(directory& folder, const std::string& path) {
  auto id = folder.id().value_or(folder_id{});
  auto i = folders_.find(path);
  if (i != folders_.end() && i->second.id == id && follow(i->second))
    return i->second;
  if (i == folders_.end() && folders_.size() >= most_folders)
    folders_.erase(std::min_element(folders_.begin(), folders_.end(), [](auto& x, auto& y) {
      return x.second.used < y.second.used;
    }));
  auto& fresh = folders_[path];
  fresh = known_folder{id, folder.watch(), {}, 0};
  return fresh;
}

uint64_t folder_numbers::highest(directory& folder, const std::string& path,
                                 const std::string& prefix,
                                 const std::function<bool(const std::string&)>& ignore) {
  auto& here = known(folder, path);
  here.used = ++uses_;
  auto found = here.prefixes.find(prefix);
  if (found == here.prefixes.end()) {
    if (here.prefixes.size() >= most_prefixes)
      here.prefixes.clear();
    found = here.prefixes.try_emplace(prefix).first;
    for (auto& name : folder.list().value_or(std::vector<std::string>{}))
      if (!ignore(name))
        note(found->second, name, prefix, true);
    static_cast<void>(follow(here)); // what came while it was listed, and what was ignored and went
  }
  auto highest = found->second.empty() ? 0 : found->second.rbegin()->first;
  if (!here.watch)
    folders_.erase(path);
  return highest;
}

} // namespace luna::storage
