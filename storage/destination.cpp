#include "storage/destination.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace luna::storage {

namespace {

/// Of an S3 key, prefix included.
constexpr size_t max_key_bytes = 1024;

/// A refusal before anything was accepted. Not `unavailable`, which leaves a client in doubt
/// whether it was.
tl::unexpected<failure> refused(const io_failure& problem) {
  auto why = as_failure(problem);
  return fail(why.code == ec::unavailable ? ec::not_permitted : why.code, std::move(why.message));
}

result<std::shared_ptr<directory>> open_root(file_system& files, const std::string& root) {
  auto opened = files.open_directory(root);
  if (opened)
    return std::move(*opened);
  auto kind = opened.error().kind;
  if (kind != io_kind::not_found && kind != io_kind::not_directory)
    return refused(opened.error());
  return fail(ec::not_permitted,
              "the output folder " + root
                + (kind == io_kind::not_found ? " does not exist" : " is not a folder")
                + "; make it again, mount its disk, or save elsewhere");
}

/// The folder, or the deepest one on the way to it that exists.
result<std::shared_ptr<directory>> open_deepest(std::shared_ptr<directory> at,
                                                std::string_view subfolder, bool& whole) {
  for (whole = true; !subfolder.empty();) {
    auto slash = std::min(subfolder.find('/'), subfolder.size());
    auto part = subfolder.substr(0, slash);
    subfolder.remove_prefix(std::min(slash + 1, subfolder.size()));
    auto next = at->open_directory(part);
    if (next) {
      at = std::move(*next);
      continue;
    }
    auto kind = next.error().kind;
    if (kind == io_kind::not_directory)
      return fail(ec::bad_request, at->path() + "/" + std::string{part}
                                     + " is a file, not a folder; choose another save_path");
    if (kind != io_kind::not_found)
      return refused(next.error());
    whole = false;
    break;
  }
  return at;
}

/// What an overwrite would have to replace must be a file.
result<void> check_overwrite(directory& folder, const name_request& name) {
  auto filename = name.stem + name.extension;
  auto there = folder.info(filename);
  if (!there || there->kind != file_kind::directory)
    return {};
  return fail(ec::bad_request, folder.path() + "/" + filename
                                 + " is a folder and cannot be overwritten; choose another name");
}

} // namespace

result<void> check_destination(file_system& files, const std::vector<name_request>& names) {
  struct looked_at {
    std::shared_ptr<directory> folder;
    bool whole = true;
  };
  std::map<std::pair<std::string, std::string>, looked_at> known;
  for (auto& name : names) {
    auto [i, fresh] = known.try_emplace({name.root, name.subfolder});
    auto& [folder, whole] = i->second;
    if (fresh) {
      auto root = open_root(files, name.root);
      if (!root)
        return fail(root);
      auto deepest = open_deepest(std::move(*root), name.subfolder, whole);
      if (!deepest)
        return fail(deepest);
      folder = std::move(*deepest);
      if (auto ok = folder->check_writable(); !ok)
        return refused(ok.error());
    }
    if (whole && name.collision == collision_rule::overwrite && !name.counter)
      if (auto ok = check_overwrite(*folder, name); !ok)
        return ok;
  }
  return {};
}

result<void> check_object_keys(const std::vector<name_request>& names) {
  constexpr std::string_view scheme = "s3://";
  for (auto& name : names) {
    auto prefix = name.root.substr(std::min(scheme.size(), name.root.size()));
    prefix.erase(0, std::min(prefix.find('/'), prefix.size()));
    auto added = name.counter ? 20 + name.counter->suffix.size() : 40; // a number, or the job's id
    auto bytes = prefix.size() + 1 + name.subfolder.size() + 1 + name.stem.size()
               + name.extension.size() + added;
    if (bytes > max_key_bytes)
      return fail(ec::bad_request, "the name of the object '" + name.stem + "' has "
                                     + std::to_string(bytes) + " bytes with its folders, at most "
                                     + std::to_string(max_key_bytes)
                                     + " are possible: shorten save_path or filename");
  }
  return {};
}

} // namespace luna::storage
