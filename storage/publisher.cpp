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
  return file_identity{info->inode, bytes.size(), sha256::of(bytes), info->device};
}

/// Whether the file is the one that was recorded. Its contents alone would not tell: two nodes may
/// save the same picture.
io_result<bool> is_the_file(file& candidate, const file_identity& recorded) {
  auto info = candidate.info();
  if (!info)
    return io_fail(info);
  auto same_device = recorded.device == 0 || info->device == recorded.device;
  if (!same_device || info->inode != recorded.inode || info->size != recorded.size)
    return false;
  sha256 digest;
  std::vector<std::byte> part(size_t{1} << 20);
  for (uint64_t at = 0; at < recorded.size;) {
    auto got = candidate.read_at(at, part);
    if (!got)
      return io_fail(got);
    if (*got == 0)
      return false;
    digest.add(std::span{part}.first(*got));
    at += *got;
  }
  return digest.finish() == recorded.digest;
}

/// Whether the file that was recorded stands under this name.
io_result<bool> stands_there(directory& folder, const std::string& name,
                             const file_identity& recorded) {
  auto there = folder.open(name, open_mode::read);
  if (there)
    return is_the_file(**there, recorded);
  auto kind = there.error().kind;
  if (kind == io_kind::not_found || kind == io_kind::is_link || kind == io_kind::other)
    return false;
  return io_fail(there);
}

/// A staged file, and where it is to be.
struct staged_file {
  std::shared_ptr<directory> folder;
  std::shared_ptr<file> handle;
  bool named = false;    ///< it has its temporary name
  std::string temporary; ///< that name, or the one it would get
};

const staged_file& file_of(const staged_object& staged) {
  return *static_cast<const staged_file*>(staged.state.get());
}

io_result<void> give_name(const staged_file& staged, const file_name& name) {
  auto& folder = *staged.folder;
  if (staged.named)
    return name.overwrite ? folder.rename(staged.temporary, name.filename)
                          : folder.rename_new(staged.temporary, name.filename);
  if (!name.overwrite)
    return folder.link_new(*staged.handle, name.filename);
  // Only a file with a name can replace another.
  if (auto ok = folder.link_new(*staged.handle, staged.temporary); !ok)
    return ok;
  auto ok = folder.rename(staged.temporary, name.filename);
  if (!ok)
    static_cast<void>(folder.remove(staged.temporary));
  return ok;
}

io_result<void> remove_if_there(directory& folder, const std::string& name) {
  auto removed = folder.remove(name);
  return !removed && removed.error().kind != io_kind::not_found ? removed : io_result<void>{};
}

/// Whether the system can give no name to a file without one, as opposed to: not to this one now.
bool is_unable(const io_failure& why) {
  return why.kind == io_kind::not_supported || why.kind == io_kind::no_permission
      || why.kind == io_kind::not_found || why.kind == io_kind::other;
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

/// Older versions named jobs by the clock alone: then the node's name makes it unique.
std::string publisher::temporary_of(const publish_request& request) const {
  return request.unique ? request.temporary : ".luna-" + node_ + request.temporary;
}

result<staged_object> publisher::write(const publish_request& request,
                                       std::span<const std::byte> bytes) {
  auto folder = make_folder(request.name);
  if (!folder)
    return fail(folder);
  if (auto ok = remove_if_there(**folder, temporary_of(request)); !ok)
    return fail_io(ok);
  return stage(request, std::move(*folder), bytes);
}

result<staged_object> publisher::stage(const publish_request& request,
                                       std::shared_ptr<directory> folder,
                                       std::span<const std::byte> bytes) {
  staged_file staged{std::move(folder), nullptr, false, temporary_of(request)};
  auto handle = names_unnamed_ ? staged.folder->create_unnamed()
                               : io_fail(io_kind::not_supported, std::string{});
  if (!handle && handle.error().kind == io_kind::not_supported) {
    staged.named = true;
    handle = staged.folder->open(staged.temporary, open_mode::create_new);
  }
  if (!handle)
    return fail_io(handle);
  auto identity = fill(**handle, bytes);
  if (!identity) {
    if (staged.named)
      static_cast<void>(staged.folder->remove(staged.temporary));
    return fail_io(identity);
  }
  staged.handle = std::move(*handle);
  return staged_object{*identity, std::make_shared<staged_file>(std::move(staged))};
}

result<reveal_outcome> publisher::reveal(const publish_request& request,
                                         const staged_object& staged) {
  auto& x = file_of(staged);
  auto& folder = *x.folder;
  auto& name = request.name.filename;
  auto ok = give_name(x, request.name);
  if (!ok && ok.error().kind == io_kind::exists && request.name.overwrite)
    return fail(ec::bad_request, folder.path() + "/" + name
                                   + " is a folder, which no picture replaces; save under another "
                                     "name");
  if (!ok && ok.error().kind == io_kind::exists) {
    // Perhaps by ourselves: a network file system may lose its first answer.
    auto ours = stands_there(folder, name, staged.identity);
    if (!ours)
      return fail_io(ours);
    if (!*ours)
      return reveal_outcome::taken;
  } else if (!ok) {
    if (!x.named && is_unable(ok.error()))
      names_unnamed_ = false;
    return fail_io(ok);
  }
  // Durable together with the name.
  markers_.remove(folder, request.marker);
  if (auto synced = folder.sync(); !synced)
    return fail_io(synced);
  return reveal_outcome::revealed;
}

void publisher::discard(const publish_request&, const staged_object& staged) {
  // Best effort: a temporary file that stays is invisible to people and harmless.
  auto& x = file_of(staged);
  if (x.named)
    static_cast<void>(x.folder->remove(x.temporary));
}

result<bool> publisher::is_published(const publish_request& request,
                                     const file_identity& recorded) {
  auto root = files_->open_directory(request.name.root);
  auto opened = root ? open_below(std::move(*root), request.name.subfolder) : root;
  if (!opened && opened.error().kind == io_kind::not_found && root)
    return false;
  if (!opened)
    return fail_io(opened);
  auto& folder = **opened;
  auto published = stands_there(folder, request.name.filename, recorded);
  if (!published)
    return fail_io(published);
  if (auto ok = remove_if_there(folder, temporary_of(request)); !ok)
    return fail_io(ok);
  // What an older version has left is removed if it is what was recorded.
  if (!request.unique && !*published)
    if (auto left = stands_there(folder, request.temporary, recorded); left && *left)
      static_cast<void>(folder.remove(request.temporary));
  if (!*published)
    return false;
  markers_.remove(folder, request.marker);
  if (auto synced = folder.sync(); !synced)
    return fail_io(synced);
  return true;
}

} // namespace luna::storage
