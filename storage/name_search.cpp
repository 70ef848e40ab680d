#include "storage/name_search.hpp"

#include <algorithm>
#include <chrono>
#include <unordered_set>

namespace luna::storage {

namespace {

using namespace std::chrono_literals;

std::string padded(uint64_t number, uint32_t digits) {
  auto text = std::to_string(number);
  if (text.size() < digits)
    text.insert(0, digits - text.size(), '0');
  return text;
}

class local_folder final : public folder_view {
public:
  /// @param opened nullptr: nothing there
  local_folder(std::shared_ptr<directory> opened, std::string path, naming_world world)
    : opened_(std::move(opened)), path_(std::move(path)), world_(world) {}

  bool has(const std::string& name) override {
    return opened_ && (opened_->info(name).has_value() || is_promised_by_others(name));
  }

  uint64_t highest(const std::string& prefix) override {
    if (!opened_)
      return 0;
    auto& promised = world_.promises[path_];
    auto is_dead = [&](const std::string& name) {
      return remove_dead_marker(*opened_, name, promised, world_.markers);
    };
    return world_.numbers.highest(*opened_, path_, prefix, is_dead);
  }

private:
  bool is_promised_by_others(const std::string& name) {
    auto marker = marker_name(name);
    bool ours = marker.empty();
    for_each_of_stem(world_.promises[path_], name,
                     [&](auto&, auto& promise) { ours = ours || promise.shown; });
    return !ours && opened_->info(marker).has_value() && !world_.markers.is_ours(*opened_, marker);
  }

  std::shared_ptr<directory> opened_;
  std::string path_;
  naming_world world_;
};

class remote_folder final : public folder_view {
public:
  /// @param names nullptr if the target could not be asked.
  explicit remote_folder(const std::vector<std::string>* names) : known_(names != nullptr) {
    if (names)
      names_.insert(names->begin(), names->end());
  }

  bool has(const std::string& name) override { return names_.contains(name); }

  uint64_t highest(const std::string& prefix) override {
    uint64_t highest = 0;
    for (auto& name : names_)
      highest = std::max(highest, number_after(name, prefix));
    return highest;
  }

  bool is_known() const override { return known_; }

private:
  bool known_;
  std::unordered_set<std::string> names_;
};

struct naming {
  folder_view& folder;
  const promised_names& promised;
  const std::string& path;

  bool taken(const std::string& name) const { return promised.contains(name) || folder.has(name); }

  /// The highest number that follows the prefix, in the folder and among the promised names.
  uint64_t highest(const std::string& prefix) const {
    auto highest = folder.highest(prefix);
    for (auto i = promised.lower_bound(prefix); i != promised.end() && i->first.starts_with(prefix);
         ++i)
      highest = std::max(highest, number_after(i->first, prefix));
    return highest;
  }

  std::string counted(const name_request& wanted) const {
    auto prefix = wanted.stem + "_";
    return prefix + padded(highest(prefix) + 1, wanted.counter->digits) + wanted.counter->suffix
         + wanted.extension;
  }

  std::string renamed(const name_request& wanted) const {
    auto name = wanted.stem + wanted.extension;
    // A few names are tried one by one; a long row of them is found by listing the folder.
    for (uint64_t n = 2; n <= 16 && taken(name); ++n)
      name = wanted.stem + "_" + std::to_string(n) + wanted.extension;
    if (taken(name)) {
      auto prefix = wanted.stem + "_";
      name = prefix + std::to_string(highest(prefix) + 1) + wanted.extension;
    }
    return name;
  }

  result<std::string> literal(const name_request& wanted) const {
    auto name = wanted.stem + wanted.extension;
    auto promise = promised.find(name);
    auto overwrite = wanted.collision == collision_rule::overwrite;
    if (overwrite && promise != promised.end() && !promise->second.overwrite)
      return fail(ec::unavailable,
                  path + "/" + name + " is promised to job " + promise->second.jobs.front()
                    + ", which has not written it yet; submit again later or use another name",
                  1000ms);
    if (!overwrite && taken(name))
      return fail(ec::bad_request,
                  path + "/" + name + " is taken; use another name or collision \"rename\"");
    return name;
  }
};

} // namespace

std::string folder_of(std::string_view root, std::string_view subfolder) {
  while (root.size() > 1 && root.ends_with('/'))
    root.remove_suffix(1);
  std::string path{root};
  if (!subfolder.empty())
    (path += '/') += subfolder;
  return path;
}

bool remove_dead_marker(directory& folder, const std::string& name, const promised_names& promised,
                        const promise_markers& markers, const std::set<std::string>& once_ours) {
  if (!name.ends_with(".luna"))
    return false;
  bool stands_for_one = false;
  for_each_of_stem(promised, name, [&](auto&, auto&) { stands_for_one = true; });
  auto is_dead = !stands_for_one
              && (markers.is_ours(folder, name)
                  || (once_ours.contains(name) && markers.is_empty(folder, name)));
  if (is_dead)
    static_cast<void>(folder.remove(name));
  return is_dead;
}

result<file_name> name_search::find(const name_request& wanted) {
  auto path = folder_of(wanted.root, wanted.subfolder);
  auto folder = open(wanted, path);
  if (!folder)
    return fail(folder);
  naming here{**folder, world_.promises[path], path};
  auto free_choice = wanted.counter || wanted.collision == collision_rule::rename;
  auto chosen = free_choice && !here.folder.is_known() ? unseen(wanted, here.promised)
              : wanted.counter                         ? here.counted(wanted)
              : free_choice                            ? here.renamed(wanted)
                                                       : here.literal(wanted);
  if (!chosen)
    return fail(chosen);
  if (!is_component(*chosen))
    return fail(ec::bad_request, "\"" + *chosen
                                   + "\" cannot be a file name: use 1 to 255 bytes "
                                     "without \"/\"");
  return file_name{wanted.root, wanted.subfolder, std::move(*chosen),
                   !wanted.counter && wanted.collision == collision_rule::overwrite};
}

result<folder_view*> name_search::open(const name_request& wanted, const std::string& path) {
  auto known = folders_.find(path);
  if (known != folders_.end())
    return known->second.get();
  auto fresh = files_ ? open_local(wanted, path) : open_remote(wanted);
  if (!fresh)
    return fail(fresh);
  return (folders_[path] = std::move(*fresh)).get();
}

result<std::unique_ptr<folder_view>> name_search::open_local(const name_request& wanted,
                                                             const std::string& path) {
  auto root = files_->open_directory(wanted.root);
  auto folder = root ? open_below(std::move(*root), wanted.subfolder) : root;
  if (!folder
      && (folder.error().kind == io_kind::is_link || folder.error().kind == io_kind::bad_name))
    return fail_io(folder);
  return std::make_unique<local_folder>(folder ? std::move(*folder) : nullptr, path, world_);
}

result<std::unique_ptr<folder_view>> name_search::open_remote(const name_request& wanted) {
  for (std::string_view left = wanted.subfolder; !left.empty();) {
    auto part = left.substr(0, left.find('/'));
    if (!is_component(part))
      return fail(ec::bad_request, "\"" + wanted.subfolder + "\" cannot be a folder: \""
                                     + std::string{part} + "\" is no name");
    left.remove_prefix(std::min(part.size() + 1, left.size()));
  }
  auto names = there_->find(wanted.subfolder);
  return std::make_unique<remote_folder>(names == there_->end() ? nullptr : &names->second);
}

/// A name that nobody else can have, in a folder that could not be looked at.
std::string name_search::unseen(const name_request& wanted, const promised_names& promised) const {
  auto stem = wanted.stem + "_" + job_id_;
  auto name = stem + wanted.extension;
  for (uint64_t n = 2; promised.contains(name); ++n)
    name = stem + "_" + std::to_string(n) + wanted.extension;
  return name;
}

} // namespace luna::storage
