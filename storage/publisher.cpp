#include "storage/publisher.hpp"

#include "storage/digest.hpp"

namespace luna::storage {

namespace {

constexpr size_t max_known_folders = 10000;

std::string path_of(const file_name& name) {
  auto path = name.root;
  if (!name.subfolder.empty())
    path += "/" + name.subfolder;
  return path;
}

/// Syncs every folder from the root down to the last but one, so that the way to it is durable.
io_result<void> sync_way(std::shared_ptr<directory> at, std::string_view relative) {
  while (true) {
    if (auto ok = at->sync(); !ok)
      return ok;
    auto slash = relative.find('/');
    if (slash == relative.npos)
      return {};
    auto next = at->open_directory(relative.substr(0, slash));
    if (!next)
      return io_fail(next);
    at = std::move(*next);
    relative.remove_prefix(slash + 1);
  }
}

io_result<file_identity> fill(file& target, std::span<const std::byte> bytes) {
  if (auto ok = target.write_at(0, bytes); !ok)
    return io_fail(ok);
  if (auto ok = target.sync(); !ok)
    return io_fail(ok);
  auto info = target.info();
  if (!info)
    return io_fail(info);
  return file_identity{info->inode, bytes.size(), sha256::of(bytes)};
}

/// Whether the file has these contents.
io_result<bool> has_contents(file& candidate, const file_identity& wanted) {
  auto info = candidate.info();
  if (!info)
    return io_fail(info);
  if (info->size != wanted.size)
    return false;
  sha256 digest;
  std::vector<std::byte> part(size_t{1} << 20);
  for (uint64_t at = 0; at < wanted.size;) {
    auto got = candidate.read_at(at, part);
    if (!got)
      return io_fail(got);
    if (*got == 0)
      return false;
    digest.add(std::span{part}.first(*got));
    at += *got;
  }
  return digest.finish() == wanted.digest;
}

/// The folder of a staged object.
directory& folder_of(const staged_object& staged) {
  return *static_cast<directory*>(staged.state.get());
}

} // namespace

result<std::shared_ptr<directory>> publisher::make_folder(const file_name& name) {
  // One at a time: a worker that finds a folder must not go on before it is durable.
  std::lock_guard guard{mutex_};
  auto path = path_of(name);
  auto root = files_->open_directory(name.root);
  if (!root)
    return fail_io(root);
  auto folder = make_below(*root, name.subfolder);
  if (!folder)
    return fail_io(folder);
  if (!name.subfolder.empty() && !durable_folders_.contains(path)) {
    if (auto ok = sync_way(std::move(*root), name.subfolder); !ok)
      return fail_io(ok);
    if (durable_folders_.size() >= max_known_folders)
      durable_folders_.clear();
    durable_folders_.insert(path);
  }
  return std::move(*folder);
}

result<staged_object> publisher::write(const publish_request& request,
                                       std::span<const std::byte> bytes) {
  auto folder = make_folder(request.name);
  if (!folder)
    return fail(folder);
  auto removed = (*folder)->remove(request.temporary);
  if (!removed && removed.error().kind != io_kind::not_found)
    return fail_io(removed);
  auto temporary = (*folder)->open(request.temporary, open_mode::create_new);
  if (!temporary)
    return fail_io(temporary);
  auto identity = fill(**temporary, bytes);
  if (!identity) {
    static_cast<void>((*folder)->remove(request.temporary));
    return fail_io(identity);
  }
  return staged_object{*identity, std::move(*folder)};
}

result<void> publisher::reveal(const publish_request& request, const staged_object& staged) {
  auto& folder = folder_of(staged);
  auto& name = request.name.filename;
  auto ok = request.name.overwrite ? folder.rename(request.temporary, name)
                                   : folder.rename_new(request.temporary, name);
  if (!ok && ok.error().kind == io_kind::exists)
    return fail(ec::bad_request, folder.path() + "/" + name
                                   + " was taken by another program after the name had been "
                                     "promised; move that file away and retry the job");
  if (!ok)
    return fail_io(ok);
  if (auto synced = folder.sync(); !synced)
    return fail_io(synced);
  return {};
}

void publisher::discard(const publish_request& request, const staged_object& staged) {
  // Best effort: a temporary file that stays is invisible to people and harmless.
  static_cast<void>(folder_of(staged).remove(request.temporary));
}

result<bool> publisher::is_published(const publish_request& request,
                                     const file_identity& recorded) {
  auto root = files_->open_directory(request.name.root);
  auto folder = root ? open_below(std::move(*root), request.name.subfolder) : root;
  if (!folder && folder.error().kind == io_kind::not_found && root)
    return false;
  if (!folder)
    return fail_io(folder);
  auto there = (*folder)->open(request.name.filename, open_mode::read);
  auto published = false;
  if (there) {
    auto info = (*there)->info();
    if (!info)
      return fail_io(info);
    auto same = info->inode == recorded.inode ? true : has_contents(**there, recorded);
    if (!same)
      return fail_io(same);
    published = *same;
  } else if (there.error().kind != io_kind::not_found && there.error().kind != io_kind::is_link
             && there.error().kind != io_kind::other) {
    return fail_io(there);
  }
  auto removed = (*folder)->remove(request.temporary);
  if (!removed && removed.error().kind != io_kind::not_found)
    return fail_io(removed);
  if (published)
    if (auto synced = (*folder)->sync(); !synced)
      return fail_io(synced);
  return published;
}

} // namespace luna::storage
