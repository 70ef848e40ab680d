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

} // namespace

std::string temporary_name(std::string_view job_id, uint32_t image) {
  return ".luna-" + std::string{job_id} + "-" + std::to_string(image) + ".tmp";
}

result<std::shared_ptr<directory>> publisher::open_folder(const file_name& name) {
  auto root = files_->open_directory(name.root);
  auto folder = root ? open_below(std::move(*root), name.subfolder) : root;
  if (!folder)
    return fail_io(folder);
  return std::move(*folder);
}

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

result<temporary_file> publisher::write(const publish_request& request,
                                        std::span<const std::byte> bytes) {
  auto folder = make_folder(request.name);
  if (!folder)
    return fail(folder);
  auto removed = (*folder)->remove(request.temporary);
  if (!removed && removed.error().kind != io_kind::not_found)
    return fail_io(removed);
  auto target = (*folder)->open(request.temporary, open_mode::create_new);
  if (!target)
    return fail_io(target);
  auto identity = fill(**target, bytes);
  if (!identity) {
    static_cast<void>((*folder)->remove(request.temporary));
    return fail_io(identity);
  }
  return temporary_file{std::move(*folder), *identity};
}

result<void> publisher::reveal(const publish_request& request, const temporary_file& written) {
  auto& folder = *written.folder;
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

void publisher::discard(const publish_request& request) {
  // Best effort: a temporary file that stays is invisible to people and harmless.
  if (auto folder = open_folder(request.name))
    static_cast<void>((*folder)->remove(request.temporary));
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

result<void> publisher::publish(const publish_request& request, std::span<const std::byte> bytes,
                                const std::optional<file_identity>& recorded,
                                const std::function<result<void>(const file_identity&)>& record) {
  if (recorded) {
    auto done = is_published(request, *recorded);
    if (!done)
      return fail(done);
    if (*done)
      return {};
  }
  auto written = write(request, bytes);
  if (!written)
    return fail(written);
  auto outcome = record(written->identity);
  if (outcome)
    outcome = reveal(request, *written);
  if (!outcome)
    discard(request);
  return outcome;
}

} // namespace luna::storage
