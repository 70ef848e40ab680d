#include "actors/catalog/model_files.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <optional>
#include <set>
#include <sys/stat.h>
#include <system_error>
#include <utility>

namespace luna {

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 6> extensions{".safetensors", ".sft", ".ckpt",
                                                     ".pt",          ".pth", ".bin"};
constexpr std::array<std::string_view, 5> taesd_names{"taesd", "taesdxl", "taesd3", "taef1",
                                                      "taef2"};
constexpr std::string_view taesd_folder = "vae_approx";
constexpr std::array all_kinds{model_kind::text, model_kind::vae, model_kind::vision,
                               model_kind::vlm};

constexpr size_t deepest_folder = 32;

/// File systems keep times as coarse as this.
constexpr int64_t coarsest_time_ns = 2'000'000'000;

bool is_model_file(const fs::path& path) {
  auto extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

std::vector<model_kind> kinds_of(const std::string& folder) {
  std::vector<model_kind> kinds;
  for (auto kind : all_kinds) {
    auto& folders = folders_of(kind);
    if (std::find(folders.begin(), folders.end(), folder) != folders.end())
      kinds.push_back(kind);
  }
  return kinds;
}

int64_t nanoseconds(const timespec& t) {
  return static_cast<int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

/// @param status null: there is no such folder.
seen_folder seen_now(const fs::path& path, const struct stat* status) {
  if (status == nullptr)
    return {path, 0, 0, false};
  auto now = std::chrono::system_clock::now().time_since_epoch();
  auto modified = nanoseconds(status->st_mtim);
  auto age = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() - modified;
  return {path, static_cast<uint64_t>(status->st_ino), modified, age < coarsest_time_ns};
}

/// One walk through a directory tree that may hold links, also in circles.
class walk {
public:
  /// @param seen may be null.
  walk(std::map<std::string, model_row>& found, std::vector<seen_folder>* seen)
    : found_(found), seen_(seen) {}

  void into(const fs::path& directory, const std::string& prefix, size_t depth) {
    struct stat status{};
    if (depth > deepest_folder)
      return;
    // Its time before its names: what comes in between is found by the next look.
    auto there = ::stat(directory.c_str(), &status) == 0;
    if (seen_ != nullptr)
      seen_->push_back(seen_now(directory, there ? &status : nullptr));
    if (!there)
      return;
    auto identity = std::pair{status.st_dev, status.st_ino};
    if (!S_ISDIR(status.st_mode) || !above_.insert(identity).second)
      return;
    std::error_code problem;
    for (fs::directory_iterator i{directory, problem}, end; !problem && i != end;
         i.increment(problem)) {
      auto name = i->path().filename().string();
      std::error_code ignored;
      if (i->is_directory(ignored)) {
        if (name != ".git")
          into(i->path(), prefix + name + "/", depth + 1);
      } else if (is_model_file(i->path()) && i->is_regular_file(ignored)) {
        add(i->path(), prefix + name);
      }
    }
    above_.erase(identity);
  }

private:
  void add(const fs::path& path, const std::string& name) {
    auto file = models::stat_model_file(path);
    if (!file || found_.count(name) > 0)
      return;
    auto& row = found_[name];
    row.name = name;
    row.bytes = file->bytes;
    row.modified_ns = file->modified_ns;
  }

  std::map<std::string, model_row>& found_;
  std::vector<seen_folder>* seen_;
  std::set<std::pair<dev_t, ino_t>> above_; ///< folders that we are in
};

/// The first model file of a directory (not its sub-folders) that begins so, by name.
std::optional<fs::path> first_with_prefix(const fs::path& directory, const std::string& prefix) {
  std::optional<fs::path> best;
  std::error_code problem;
  for (fs::directory_iterator i{directory, problem}, end; !problem && i != end;
       i.increment(problem)) {
    auto name = i->path().filename().string();
    std::error_code ignored;
    if (name.rfind(prefix, 0) == 0 && is_model_file(i->path()) && i->is_regular_file(ignored)
        && (!best || name < best->filename().string()))
      best = i->path();
  }
  return best;
}

std::optional<models::model_file> taesd_part(const model_search_path& folders,
                                             std::string_view name, std::string_view part) {
  auto approx = folders.find(taesd_folder);
  if (approx == folders.end())
    return std::nullopt;
  for (auto& directory : approx->second)
    if (auto path = first_with_prefix(directory, std::string{name} + "_" + std::string{part} + "."))
      if (auto file = models::stat_model_file(*path))
        return *file;
  return std::nullopt;
}

std::optional<found_model> find_taesd(const model_search_path& folders, std::string_view name) {
  if (std::find(taesd_names.begin(), taesd_names.end(), name) == taesd_names.end())
    return std::nullopt;
  auto encoder = taesd_part(folders, name, "encoder");
  auto decoder = taesd_part(folders, name, "decoder");
  if (!encoder || !decoder)
    return std::nullopt;
  return found_model{std::string{name}, std::string{taesd_folder}, {*encoder, *decoder}};
}

bool stays_inside(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.find('\0') != name.npos)
    return false;
  for (size_t begin = 0; begin <= name.size();) {
    auto end = std::min(name.find('/', begin), name.size());
    auto part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..")
      return false;
    begin = end + 1;
  }
  return true;
}

std::optional<found_model> find_in(const model_search_path& folders, const std::string& folder,
                                   const std::string& name) {
  if (folder == taesd_folder)
    if (auto pair = find_taesd(folders, name))
      return pair;
  auto directories = folders.find(folder);
  if (directories == folders.end() || !is_model_file(name))
    return std::nullopt;
  for (auto& directory : directories->second) {
    std::error_code problem;
    auto path = fs::path{directory} / name;
    if (!fs::is_regular_file(path, problem))
      continue;
    if (auto file = models::stat_model_file(path))
      return found_model{name, folder, {*file}};
  }
  return std::nullopt;
}

} // namespace

const std::vector<std::string>& folders_of(model_kind kind) {
  static const std::vector<std::string> text{"text_encoders", "clip", "checkpoints"};
  static const std::vector<std::string> vae{"vae", "vae_approx", "checkpoints"};
  static const std::vector<std::string> vision{"clip_vision"};
  static const std::vector<std::string> vlm{"text_encoders", "clip"};
  switch (kind) {
  case model_kind::text:
    return text;
  case model_kind::vae:
    return vae;
  case model_kind::vision:
    return vision;
  default:
    return vlm;
  }
}

std::vector<model_row> list_model_files(const model_search_path& folders,
                                        std::vector<seen_folder>* seen) {
  std::vector<model_row> rows;
  for (auto& [folder, directories] : folders) {
    auto kinds = kinds_of(folder);
    if (kinds.empty())
      continue;
    std::map<std::string, model_row> found; // by name; a name of an earlier directory stays
    for (auto& directory : directories)
      walk{found, seen}.into(directory, "", 0);
    if (folder == taesd_folder)
      for (auto name : taesd_names)
        if (auto pair = find_taesd(folders, name)) {
          auto& row = found[std::string{name}];
          row.name = name;
          row.bytes = pair->files[0].bytes + pair->files[1].bytes;
          row.modified_ns = std::max(pair->files[0].modified_ns, pair->files[1].modified_ns);
        }
    for (auto& [name, row] : found) {
      row.folder = folder;
      row.kinds = kinds;
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

bool may_have_changed(std::span<const seen_folder> folders) {
  return std::any_of(folders.begin(), folders.end(), [](auto& x) {
    struct stat status{};
    auto there = ::stat(x.path.c_str(), &status) == 0;
    auto now = seen_now(x.path, there ? &status : nullptr);
    return x.unsettled || now.inode != x.inode || now.modified_ns != x.modified_ns;
  });
}

result<found_model> find_model_files(const model_search_path& folders, model_kind kind,
                                     std::string_view asked) {
  auto name = with_slashes(std::string{asked});
  auto order = folders_of(kind);
  auto colon = name.find(':');
  if (colon != std::string::npos) {
    auto folder = name.substr(0, colon);
    if (std::find(order.begin(), order.end(), folder) != order.end()) {
      order = {folder};
      name.erase(0, colon + 1);
    }
  }
  if (!stays_inside(name))
    return fail(ec::not_permitted, "the model name '" + std::string{asked}
                                     + "' leaves the model folders; use a name as list_models "
                                       "tells it");
  for (auto& folder : order)
    if (auto found = find_in(folders, folder, name))
      return std::move(*found);
  return fail(ec::unknown_model, "there is no " + std::string{to_string(kind)} + " model '"
                                   + std::string{asked} + "' in " + order.front());
}

} // namespace luna
