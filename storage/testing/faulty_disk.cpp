#include "storage/testing/faulty_disk.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <unordered_map>

namespace luna::storage::testing {

namespace {

constexpr uint64_t sector = 512;

} // namespace

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

void node::tell(const folder_watch::change& x) {
  std::erase_if(watchers, [](auto& watcher) { return watcher.expired(); });
  for (auto& watcher : watchers)
    watcher.lock()->push_back(x);
}

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

faulty_file_system::disk::disk() {
  root->kind = file_kind::directory;
  root->inode = 1;
}

node_ptr faulty_file_system::disk::make(file_kind kind) {
  auto x = std::make_shared<node>();
  x->kind = kind;
  x->inode = next_inode++;
  return x;
}

std::optional<io_failure> faulty_file_system::disk::begin(io_op op, const std::string& path,
                                                          uint64_t at_generation, bool* partial) {
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

uint64_t faulty_file_system::disk::used() const {
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
  for (auto& x : unnamed)
    if (auto alive = x.lock())
      visit(*alive);
  return sum;
}

node_ptr faulty_file_system::disk::find(const std::string& path) const {
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

void faulty_file_system::disk::settle(node& x, survival mode, std::mt19937_64& random) {
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

} // namespace luna::storage::testing
