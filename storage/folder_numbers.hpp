#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "storage/file_system.hpp"

namespace luna::storage {

/// The number between a prefix and the next "_" or "."; 0 if there is none. ComfyUI's rule.
uint64_t number_after(std::string_view name, std::string_view prefix);

/// The highest numbers in folders, without listing them each time.
///
/// The problem: a counter is one above all numbers in its folder, and a folder of a hundred
/// thousand pictures takes long to list. So a folder is listed once for each prefix and watched
/// from then on; what others write and remove is seen as well.
///
/// Contract: where a folder cannot be watched it is listed each time. A folder that cannot be
/// listed is empty. What is kept is bounded: beyond that the folder used longest ago is listed
/// anew. Thread rule: one owner.
class folder_numbers {
public:
  /// @param path only what the folder is kept under. @param on_list sees all names when the folder
  /// is first listed, and those that it answers true for do not count.
  uint64_t highest(directory& folder, const std::string& path, const std::string& prefix,
                   const std::function<bool(const std::string&)>& ignore);

private:
  /// Number and hash of each name: one name counts once, however often it comes.
  using numbers = std::set<std::pair<uint64_t, size_t>>;

  struct known_folder {
    folder_id id;
    std::unique_ptr<folder_watch> watch;
    std::map<std::string, numbers, std::less<>> prefixes;
    uint64_t used = 0;
  };

  known_folder& known(directory& folder, const std::string& path);
  static bool follow(known_folder& x);
  static void note(numbers& to, std::string_view name, std::string_view prefix, bool added);

  std::map<std::string, known_folder> folders_;
  uint64_t uses_ = 0;
};

} // namespace luna::storage
