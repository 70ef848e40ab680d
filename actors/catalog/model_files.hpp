#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/model_kind.hpp"
#include "base/result.hpp"
#include "messages/cluster.hpp"
#include "models/weights/inspect.hpp"

namespace luna {

/// Kind of folder ("checkpoints", "vae", ...) -> absolute directories; the first that has a name
/// wins.
using model_search_path = std::map<std::string, std::vector<std::string>, std::less<>>;

/// A folder at the time that it was listed. A name that comes or goes changes its time.
struct seen_folder {
  std::filesystem::path path;
  uint64_t inode = 0;      ///< 0: it was not there
  int64_t modified_ns = 0; ///< since 1970

  /// Its time was so recent that another change may have left it as it is.
  bool unsettled = false;
};

/// The kinds of folders that a kind of pool looks into, in order.
const std::vector<std::string>& folders_of(model_kind kind);

/// Lists all model files as ComfyUI does: recursively, links followed, `/` between folders, known
/// extensions only; a name that two directories of one folder have counts once. A pair
/// `<taesd name>_encoder.*` and `_decoder.*` in vae_approx is listed under the short name, too.
/// Ordered by folder and name; `family` is left empty. Unreadable folders are skipped.
/// @param seen if not null, filled with every folder that was looked into.
std::vector<model_row> list_model_files(const model_search_path& folders,
                                        std::vector<seen_folder>* seen = nullptr);

/// Whether a name may have come into a folder or gone since it was seen. Costs a `stat` a folder.
bool may_have_changed(std::span<const seen_folder> folders);

/// A name found on the disk.
struct found_model {
  std::string name;   ///< as it is listed
  std::string folder; ///< kind of folder
  std::vector<models::model_file> files;
};

/// Finds one name: "x", "sub/x", "folder:x" or a taesd name; `\` counts as `/`. The folders of the
/// kind are tried in order and then their directories.
/// @returns `unknown_model` (without hints), `not_permitted` for a name that leaves the folders.
result<found_model> find_model_files(const model_search_path& folders, model_kind kind,
                                     std::string_view name);

} // namespace luna
