#include "storage/testing/faulty_file_system.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <unordered_map>
#include <utility>

namespace luna::storage::testing {

std::string_view to_string(io_op op) {
  constexpr std::string_view names[] = {"open",           "create",   "make_directory", "read",
                                        "write",          "allocate", "truncate",       "sync",
                                        "sync_directory", "rename",   "remove",         "list"};
  return names[static_cast<size_t>(op)];
}

namespace {

constexpr uint64_t sector = 512;

using bytes = std::vector<std::byte>;

struct node;
using node_ptr = std::shared_ptr<node>;

/// A change of a file that is not synced.
struct file_change {
  uint64_t offset = 0;
  bytes data; ///< empty: the size becomes `offset`
};

/// A change of a folder that is not synced: names removed, then one added.
struct name_change {
  std::string removed;
  std::string added;
  node_ptr target;
};

struct node {
  file_kind kind = file_kind::regular;
  uint64_t inode = 0;

  bytes now, durable; ///< contents of a file
  std::vector<file_change> file_changes;

  std::map<std::string, node_ptr> names, durable_names;
  std::vector<name_change> name_changes;

  std::weak_ptr<const void> locked_by;
};

void apply_change(bytes& contents, const file_change& x) {
  if (x.data.empty()) {
    contents.resize(x.offset);
    return;
  }
  contents.resize(std::max<size_t>(contents.size(), x.offset + x.data.size()));
  std::copy(x.data.begin(), x.data.end(), contents.begin() + static_cast<ptrdiff_t>(x.offset));
}

void apply_change(std::map<std::string, node_ptr>& names, const name_change& x) {
  if (!x.removed.empty())
    names.erase(x.removed);
  if (!x.added.empty())
    names[x.added] = x.target;
}

/// Each sector shows the file as it was after some of the changes: what a disk may have written.
void keep_some(node& x, std::mt19937_64& random) {
  std::unordered_map<uint64_t, size_t> until;
  auto applies = [&](uint64_t at, size_t change) {
    auto [i, fresh] = until.try_emplace(at / sector, 0);
    if (fresh)
      i->second = random() % (x.file_changes.size() + 1);
    return change < i->second;
  };
  auto result = x.durable;
  for (size_t n = 0; n < x.file_changes.size(); ++n) {
    auto& change = x.file_changes[n];
    if (change.data.empty()) {
      if (random() % 2 == 0)
        result.resize(change.offset);
      continue;
    }
    for (uint64_t i = 0; i < change.data.size();) {
      auto at = change.offset + i;
      auto count = std::min<uint64_t>(sector - at % sector, change.data.size() - i);
      if (applies(at, n)) {
        result.resize(std::max<size_t>(result.size(), at + count));
        std::copy_n(change.data.begin() + static_cast<ptrdiff_t>(i), count,
                    result.begin() + static_cast<ptrdiff_t>(at));
      }
      i += count;
    }
  }
  x.durable = std::move(result);
}

} // namespace

struct faulty_file_system::disk {
  mutable std::mutex mutex;
  node_ptr root = std::make_shared<node>();
  uint64_t next_inode = 2;
  uint64_t generation = 0;
  uint64_t operations = 0;
  uint64_t cut_at = 0; ///< 0: never
  bool cut = false;
  uint64_t capacity = UINT64_MAX;
  std::vector<fault> faults;
  std::vector<std::string> journal;

  disk() {
    root->kind = file_kind::directory;
    root->inode = 1;
  }

  node_ptr make(file_kind kind) {
    auto x = std::make_shared<node>();
    x->kind = kind;
    x->inode = next_inode++;
    return x;
  }

  /// Before an operation: whether it fails.
  /// @returns the failure; `partial` says that it is a power cut which may leave a part of it.
  std::optional<io_failure> begin(io_op op, const std::string& path, uint64_t at_generation,
                                  bool* partial = nullptr) {
    if (cut || at_generation != generation)
      return io_failure{io_kind::broken, "no power for " + path};
    auto changes = op != io_op::read && op != io_op::list && op != io_op::open;
    if (changes) {
      ++operations;
      journal.push_back(std::string{to_string(op)} + " " + path);
      if (operations == cut_at) {
        cut = true;
        if (partial)
          *partial = true;
        return io_failure{io_kind::broken, "the power went at " + path};
      }
    }
    for (auto& x : faults) {
      if (x.op != op || path.find(x.path) == path.npos || x.times == 0)
        continue;
      if (x.skip > 0) {
        --x.skip;
        continue;
      }
      if (x.times != 0xffffffffu)
        --x.times;
      return io_failure{x.kind, "injected " + std::string{to_string(x.kind)} + " at "
                                  + std::string{to_string(op)} + " " + path};
    }
    return std::nullopt;
  }

  uint64_t used() const {
    uint64_t sum = 0;
    std::set<const node*> seen;
    std::function<void(const node&)> visit = [&](const node& x) {
      if (!seen.insert(&x).second)
        return;
      sum += x.now.size();
      for (auto& [name, child] : x.names)
        visit(*child);
    };
    visit(*root);
    return sum;
  }

  node_ptr find(const std::string& path) const {
    auto at = root;
    for (size_t i = 0; i < path.size() && at;) {
      auto slash = std::min(path.find('/', i), path.size());
      if (slash > i) {
        auto child = at->names.find(path.substr(i, slash - i));
        at = child == at->names.end() ? nullptr : child->second;
      }
      i = slash + 1;
    }
    return at;
  }

  void settle(node& x, survival mode, std::mt19937_64& random) {
    if (mode == survival::everything)
      x.durable = x.now;
    else if (mode == survival::random && !x.file_changes.empty())
      keep_some(x, random);
    x.now = x.durable;
    x.file_changes.clear();
    auto keep = mode == survival::everything ? x.name_changes.size()
              : mode == survival::random     ? random() % (x.name_changes.size() + 1)
                                             : 0;
    for (size_t i = 0; i < keep; ++i)
      apply_change(x.durable_names, x.name_changes[i]);
    x.names = x.durable_names;
    x.name_changes.clear();
    x.locked_by.reset();
    for (auto& [name, child] : x.names)
      settle(*child, mode, random);
  }
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
    return file_info{node_->kind, node_->inode, node_->now.size()};
  }

  io_result<void> lock() override {
    std::lock_guard guard{disk_->mutex};
    auto holder = node_->locked_by.lock();
    if (holder && holder.get() != this)
      return io_fail(io_kind::locked, path_ + " is locked");
    node_->locked_by = weak_from_this();
    return {};
  }

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

  io_result<file_info> info(std::string_view name) override {
    std::lock_guard guard{disk_->mutex};
    auto found = look(name);
    if (!found)
      return io_fail(found);
    return file_info{(*found)->kind, (*found)->inode, (*found)->now.size()};
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
    if (target && !replace)
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

// -- the file system and the test's side ---------------------------------------------------------

faulty_file_system::faulty_file_system() : disk_(std::make_shared<disk>()) {}

faulty_file_system::~faulty_file_system() = default;

io_result<std::shared_ptr<directory>> faulty_file_system::open_directory(const std::string& path) {
  std::shared_ptr<directory> root;
  {
    std::lock_guard guard{disk_->mutex};
    if (disk_->cut)
      return io_fail(io_kind::broken, "no power for " + path);
    root = std::make_shared<faulty_directory>(disk_, disk_->root, "/");
  }
  return open_below(std::move(root), std::string_view{path}.substr(1));
}

io_result<std::shared_ptr<directory>>
faulty_file_system::make_directories(const std::string& path) {
  auto root = open_directory("/");
  if (!root)
    return root;
  return make_below(std::move(*root), std::string_view{path}.substr(1));
}

uint64_t faulty_file_system::operations() const {
  std::lock_guard guard{disk_->mutex};
  return disk_->operations;
}

void faulty_file_system::cut_power_at(uint64_t at) {
  std::lock_guard guard{disk_->mutex};
  disk_->cut_at = at;
}

bool faulty_file_system::power_is_cut() const {
  std::lock_guard guard{disk_->mutex};
  return disk_->cut;
}

void faulty_file_system::restart(survival mode, uint64_t seed) {
  std::lock_guard guard{disk_->mutex};
  std::mt19937_64 random{seed};
  ++disk_->generation;
  disk_->cut = false;
  disk_->cut_at = 0;
  disk_->settle(*disk_->root, mode, random);
}

void faulty_file_system::inject(fault x) {
  std::lock_guard guard{disk_->mutex};
  disk_->faults.push_back(std::move(x));
}

void faulty_file_system::clear_faults() {
  std::lock_guard guard{disk_->mutex};
  disk_->faults.clear();
}

void faulty_file_system::set_capacity(uint64_t bytes) {
  std::lock_guard guard{disk_->mutex};
  disk_->capacity = bytes;
}

void faulty_file_system::put(const std::string& path, std::string_view text) {
  std::lock_guard guard{disk_->mutex};
  auto at = disk_->root;
  auto slash = path.rfind('/');
  for (size_t i = 1; i <= slash;) {
    auto end = std::min(path.find('/', i), path.size());
    auto name = path.substr(i, end - i);
    auto& child = at->names[name];
    if (!child)
      child = disk_->make(file_kind::directory);
    at->durable_names[name] = child;
    at = child;
    i = end + 1;
  }
  auto leaf = disk_->make(file_kind::regular);
  auto data = std::as_bytes(std::span{text});
  leaf->now.assign(data.begin(), data.end());
  leaf->durable = leaf->now;
  at->names[path.substr(slash + 1)] = at->durable_names[path.substr(slash + 1)] = leaf;
}

void faulty_file_system::put_link(const std::string& path) {
  put(path, {});
  std::lock_guard guard{disk_->mutex};
  disk_->find(path)->kind = file_kind::link;
}

std::optional<std::string> faulty_file_system::contents(const std::string& path) const {
  std::lock_guard guard{disk_->mutex};
  auto x = disk_->find(path);
  if (!x || x->kind != file_kind::regular)
    return std::nullopt;
  return std::string{reinterpret_cast<const char*>(x->now.data()), x->now.size()};
}

std::vector<std::string> faulty_file_system::files(const std::string& path) const {
  std::lock_guard guard{disk_->mutex};
  std::vector<std::string> found;
  std::function<void(const node&, const std::string&)> visit = [&](const node& x,
                                                                   const std::string& at) {
    for (auto& [name, child] : x.names)
      if (child->kind == file_kind::directory)
        visit(*child, at + "/" + name);
      else
        found.push_back(at + "/" + name);
  };
  if (auto start = disk_->find(path))
    visit(*start, path == "/" ? "" : path);
  return found;
}

std::vector<std::string> faulty_file_system::journal() const {
  std::lock_guard guard{disk_->mutex};
  return disk_->journal;
}

} // namespace luna::storage::testing
