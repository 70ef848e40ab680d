#include <algorithm>
#include <utility>

#include "storage/testing/faulty_disk.hpp"

// The handles of files and folders on the faulty disk.

namespace luna::storage::testing {

namespace {

/// There is one file system on the disk.
constexpr uint64_t faulty_device = 77;

} // namespace

class faulty_watch final : public folder_watch {
public:
  using disk = faulty_file_system::disk;

  faulty_watch(std::shared_ptr<disk> on, node& folder)
    : disk_(std::move(on)), generation_(disk_->generation) {
    folder.watchers.push_back(unread_);
  }

  std::optional<std::vector<change>> changes() override {
    std::lock_guard guard{disk_->mutex};
    if (disk_->cut || disk_->generation != generation_ || !disk_->watches)
      return std::nullopt;
    return std::exchange(*unread_, {});
  }

private:
  std::shared_ptr<disk> disk_;
  std::shared_ptr<std::vector<change>> unread_ = std::make_shared<std::vector<change>>();
  uint64_t generation_;
};

class faulty_file final : public file, public std::enable_shared_from_this<faulty_file> {
public:
  using disk = faulty_file_system::disk;

  faulty_file(std::shared_ptr<disk> on, node_ptr what, std::string path)
    : disk_(std::move(on)), node_(std::move(what)), path_(std::move(path)),
      generation_(disk_->generation) {}

  io_result<size_t> read_at(uint64_t offset, std::span<std::byte> into) override {
    std::lock_guard guard{disk_->mutex};
    if (auto bad = disk_->begin(io_op::read, path_, generation_))
      return tl::make_unexpected(std::move(*bad));
    auto& now = node_->now;
    if (offset >= now.size())
      return size_t{0};
    auto count = std::min<size_t>(into.size(), now.size() - offset);
    std::copy_n(now.begin() + static_cast<ptrdiff_t>(offset), count, into.begin());
    return count;
  }

  io_result<void> write_at(uint64_t offset,
                           std::span<const std::span<const std::byte>> pieces) override {
    std::lock_guard guard{disk_->mutex};
    file_change change{offset, {}};
    for (auto& piece : pieces)
      change.data.insert(change.data.end(), piece.begin(), piece.end());
    if (change.data.empty())
      return {};
    bool partial = false;
    if (auto bad = disk_->begin(io_op::write, path_, generation_, &partial)) {
      if (partial)
        keep(std::move(change));
      return tl::make_unexpected(std::move(*bad));
    }
    auto end = offset + change.data.size();
    if (end > node_->now.size() && !fits(end - node_->now.size()))
      return io_fail(io_kind::no_space, "no space left to write " + path_);
    keep(std::move(change));
    return {};
  }

  io_result<void> allocate(uint64_t size) override {
    std::lock_guard guard{disk_->mutex};
    if (auto bad = disk_->begin(io_op::allocate, path_, generation_))
      return tl::make_unexpected(std::move(*bad));
    if (size <= node_->now.size())
      return {};
    if (!fits(size - node_->now.size()))
      return io_fail(io_kind::no_space, "no space left to reserve for " + path_);
    keep({size, {}});
    return {};
  }

  io_result<void> truncate(uint64_t size) override {
    std::lock_guard guard{disk_->mutex};
    if (auto bad = disk_->begin(io_op::truncate, path_, generation_))
      return tl::make_unexpected(std::move(*bad));
    keep({size, {}});
    return {};
  }

  io_result<void> sync_data() override { return sync(); }

  io_result<void> sync() override {
    std::lock_guard guard{disk_->mutex};
    if (auto bad = disk_->begin(io_op::sync, path_, generation_)) {
      if (!disk_->cut) {
        // The pages count as clean now: no later sync writes them. A part got through.
        std::mt19937_64 random{disk_->operations};
        keep_some(*node_, random);
        node_->file_changes.clear();
      }
      return tl::make_unexpected(std::move(*bad));
    }
    for (auto& change : node_->file_changes)
      apply_change(node_->durable, change);
    node_->file_changes.clear();
    return {};
  }

  io_result<file_info> info() override {
    std::lock_guard guard{disk_->mutex};
    if (auto bad = disk_->begin(io_op::open, path_, generation_))
      return tl::make_unexpected(std::move(*bad));
    return file_info{node_->kind, node_->inode, node_->now.size(), faulty_device};
  }

  io_result<void> lock() override {
    std::lock_guard guard{disk_->mutex};
    auto holder = node_->locked_by.lock();
    if (holder && holder.get() != this)
      return io_fail(io_kind::locked, path_ + " is locked");
    node_->locked_by = weak_from_this();
    return {};
  }

  const node_ptr& what() const noexcept { return node_; }

private:
  bool fits(uint64_t more) const {
    return disk_->capacity == UINT64_MAX || disk_->used() + more <= disk_->capacity;
  }

  void keep(file_change change) {
    apply_change(node_->now, change);
    node_->file_changes.push_back(std::move(change));
  }

  std::shared_ptr<disk> disk_;
  node_ptr node_;
  std::string path_;
  uint64_t generation_;
};

class faulty_directory final : public directory {
public:
  using disk = faulty_file_system::disk;

  faulty_directory(std::shared_ptr<disk> on, node_ptr what, std::string path)
    : disk_(std::move(on)), node_(std::move(what)), path_(std::move(path)),
      generation_(disk_->generation) {}

  io_result<std::shared_ptr<directory>> open_directory(std::string_view name) override {
    std::lock_guard guard{disk_->mutex};
    auto found = look(name);
    if (!found)
      return io_fail(found);
    auto path = below(name);
    if ((*found)->kind == file_kind::link)
      return io_fail(io_kind::is_link, "cannot open the folder " + path + ": it is a link");
    if ((*found)->kind != file_kind::directory)
      return io_fail(io_kind::not_directory, path + " is not a folder");
    return std::make_shared<faulty_directory>(disk_, *found, std::move(path));
  }

  io_result<void> make_directory(std::string_view name) override {
    std::lock_guard guard{disk_->mutex};
    return add(io_op::make_directory, name, file_kind::directory);
  }

  io_result<std::shared_ptr<file>> open(std::string_view name, open_mode mode) override {
    std::lock_guard guard{disk_->mutex};
    auto found = look(name);
    if (!found && found.error().kind != io_kind::not_found)
      return io_fail(found);
    if (found && mode == open_mode::create_new)
      return io_fail(io_kind::exists, below(name) + " exists");
    if (!found && (mode == open_mode::read || mode == open_mode::read_write))
      return io_fail(found);
    if (!found) {
      if (auto ok = add(io_op::create, name, file_kind::regular); !ok)
        return io_fail(ok);
      found = look(name);
      if (!found)
        return io_fail(found);
    }
    if ((*found)->kind == file_kind::link)
      return io_fail(io_kind::is_link, "cannot open " + below(name) + ": it is a link");
    if ((*found)->kind != file_kind::regular)
      return io_fail(io_kind::other, below(name) + " is not a regular file");
    return std::make_shared<faulty_file>(disk_, *found, below(name));
  }

  io_result<std::shared_ptr<file>> create_unnamed() override {
    std::lock_guard guard{disk_->mutex};
    auto path = below("(unnamed)");
    if (!disk_->unnamed_files)
      return io_fail(io_kind::not_supported, "cannot make " + path);
    if (auto bad = disk_->begin(io_op::create, path, generation_))
      return tl::make_unexpected(std::move(*bad));
    auto fresh = disk_->make(file_kind::regular);
    std::erase_if(disk_->unnamed, [](auto& x) { return x.expired(); });
    disk_->unnamed.push_back(fresh);
    return std::make_shared<faulty_file>(disk_, std::move(fresh), std::move(path));
  }

  io_result<void> link_new(file& unnamed, std::string_view name) override {
    std::lock_guard guard{disk_->mutex};
    auto found = look(name);
    if (found)
      return io_fail(io_kind::exists, below(name) + " exists");
    if (found.error().kind != io_kind::not_found)
      return io_fail(found);
    return change(io_op::link, below(name),
                  {{}, std::string{name}, static_cast<faulty_file&>(unnamed).what()});
  }

  io_result<folder_id> id() override { return folder_id{faulty_device, node_->inode}; }

  std::unique_ptr<folder_watch> watch() override {
    std::lock_guard guard{disk_->mutex};
    return disk_->watches ? std::make_unique<faulty_watch>(disk_, *node_) : nullptr;
  }

  io_result<file_info> info(std::string_view name) override {
    std::lock_guard guard{disk_->mutex};
    auto found = look(name);
    if (!found)
      return io_fail(found);
    return file_info{(*found)->kind, (*found)->inode, (*found)->now.size(), 0};
  }

  io_result<std::vector<std::string>> list() override {
    std::lock_guard guard{disk_->mutex};
    if (auto bad = disk_->begin(io_op::list, path_, generation_))
      return tl::make_unexpected(std::move(*bad));
    std::vector<std::string> names;
    for (auto& [name, child] : node_->names)
      names.push_back(name);
    return names;
  }

  io_result<void> rename(std::string_view from, std::string_view to) override {
    return move(from, to, true);
  }

  io_result<void> rename_new(std::string_view from, std::string_view to) override {
    return move(from, to, false);
  }

  io_result<void> remove(std::string_view name) override {
    std::lock_guard guard{disk_->mutex};
    auto found = look(name);
    if (!found)
      return io_fail(found);
    if ((*found)->kind == file_kind::directory)
      return io_fail(io_kind::exists, below(name) + " is a folder");
    return change(io_op::remove, below(name), {std::string{name}, {}, nullptr});
  }

  io_result<void> sync() override {
    std::lock_guard guard{disk_->mutex};
    if (auto bad = disk_->begin(io_op::sync_directory, path_, generation_))
      return tl::make_unexpected(std::move(*bad));
    for (auto& x : node_->name_changes)
      apply_change(node_->durable_names, x);
    node_->name_changes.clear();
    return {};
  }

  /// What would refuse a new name for as long as nobody changes the folder.
  io_result<void> check_writable() override {
    std::lock_guard guard{disk_->mutex};
    for (auto& x : disk_->faults) {
      auto makes = x.op == io_op::create || x.op == io_op::make_directory;
      auto refuses = x.kind == io_kind::no_permission || x.kind == io_kind::read_only;
      if (makes && refuses && x.times > 0 && (path_ + "/").find(x.path) != std::string::npos)
        return io_fail(x.kind, "cannot write to the folder " + path_);
    }
    return {};
  }

  io_result<uint64_t> free_bytes() override {
    std::lock_guard guard{disk_->mutex};
    return disk_->capacity - std::min(disk_->capacity, disk_->used());
  }

  const std::string& path() const override { return path_; }

private:
  std::string below(std::string_view name) const {
    return (path_ == "/" ? std::string{"/"} : path_ + "/").append(name);
  }

  io_result<node_ptr> look(std::string_view name) const {
    if (!is_component(name))
      return io_fail(io_kind::bad_name, "\"" + std::string{name} + "\" is not a usable name");
    if (auto bad = disk_->begin(io_op::open, below(name), generation_))
      return tl::make_unexpected(std::move(*bad));
    auto i = node_->names.find(std::string{name});
    if (i == node_->names.end())
      return io_fail(io_kind::not_found, below(name) + " does not exist");
    return i->second;
  }

  io_result<void> add(io_op op, std::string_view name, file_kind kind) {
    auto found = look(name);
    if (found)
      return io_fail(io_kind::exists, below(name) + " exists");
    if (found.error().kind != io_kind::not_found)
      return io_fail(found);
    return change(op, below(name), {{}, std::string{name}, disk_->make(kind)});
  }

  io_result<void> move(std::string_view from, std::string_view to, bool replace) {
    std::lock_guard guard{disk_->mutex};
    auto source = look(from);
    if (!source)
      return io_fail(source);
    auto target = look(to);
    if (target && (!replace || (*target)->kind == file_kind::directory))
      return io_fail(io_kind::exists, below(to) + " exists");
    if (!target && target.error().kind != io_kind::not_found)
      return io_fail(target);
    return change(io_op::rename, below(to), {std::string{from}, std::string{to}, *source});
  }

  io_result<void> change(io_op op, const std::string& path, name_change x) {
    bool partial = false;
    auto bad = disk_->begin(op, path, generation_, &partial);
    if (!bad || partial) {
      apply_change(node_->names, x);
      if (!x.removed.empty())
        node_->tell({x.removed, false});
      if (!x.added.empty())
        node_->tell({x.added, true});
      node_->name_changes.push_back(std::move(x));
    }
    if (bad)
      return tl::make_unexpected(std::move(*bad));
    return {};
  }

  std::shared_ptr<disk> disk_;
  node_ptr node_;
  std::string path_;
  uint64_t generation_;
};

std::shared_ptr<directory> open_faulty_directory(std::shared_ptr<faulty_file_system::disk> disk,
                                                 node_ptr what, std::string path) {
  return std::make_shared<faulty_directory>(std::move(disk), std::move(what), std::move(path));
}

} // namespace luna::storage::testing
