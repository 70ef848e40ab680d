#include "storage/testing/faulty_file_system.hpp"

#include <algorithm>
#include <functional>
#include <span>
#include <utility>

#include "storage/testing/faulty_disk.hpp"

namespace luna::storage::testing {

std::string_view to_string(io_op op) {
  constexpr std::string_view names[] = {
    "open", "create",         "make_directory", "read",   "write", "allocate", "truncate",
    "sync", "sync_directory", "rename",         "remove", "list",  "link"};
  return names[static_cast<size_t>(op)];
}

faulty_file_system::faulty_file_system() : disk_(std::make_shared<disk>()) {}

faulty_file_system::~faulty_file_system() = default;

io_result<std::shared_ptr<directory>> faulty_file_system::open_directory(const std::string& path) {
  std::shared_ptr<directory> root;
  {
    std::lock_guard guard{disk_->mutex};
    if (disk_->cut)
      return io_fail(io_kind::broken, "no power for " + path);
    root = open_faulty_directory(disk_, disk_->root, "/");
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

void faulty_file_system::set_unnamed_files(bool possible) {
  std::lock_guard guard{disk_->mutex};
  disk_->unnamed_files = possible;
}

void faulty_file_system::set_watches(bool possible) {
  std::lock_guard guard{disk_->mutex};
  disk_->watches = possible;
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
  auto name = path.substr(slash + 1);
  at->names[name] = at->durable_names[name] = leaf;
  at->tell({name, true});
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
