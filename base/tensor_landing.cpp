#include "base/tensor_landing.hpp"

#include <mutex>
#include <unordered_map>

#include "base/transfer_position.hpp"

namespace luna {

namespace {

struct open_landing {
  std::vector<tensor_landing::area> areas;
  transfer_position position;
};

/// All landings of the process: a deserialiser knows no actor that it could ask.
struct landing_table {
  std::mutex lock;
  std::unordered_map<uint64_t, open_landing> rows;
  uint64_t last = 0;
};

landing_table& table() {
  static auto* forever = new landing_table; // threads may read until the process ends
  return *forever;
}

} // namespace

tensor_landing tensor_landing::open(std::vector<area> areas) {
  std::vector<uint64_t> sizes;
  sizes.reserve(areas.size());
  for (auto& x : areas)
    sizes.push_back(x.bytes.size());
  auto& all = table();
  std::lock_guard guard{all.lock};
  tensor_landing landing;
  landing.number_ = ++all.last;
  all.rows[landing.number_] = {std::move(areas), transfer_position{std::move(sizes)}};
  return landing;
}

tensor_landing::~tensor_landing() {
  if (number_ == 0)
    return;
  auto& all = table();
  std::unordered_map<uint64_t, open_landing>::node_type closed; // destroyed after the guard
  std::lock_guard guard{all.lock};
  closed = all.rows.extract(number_);
}

std::shared_ptr<std::byte> tensor_landing::claim(uint64_t number, uint32_t tensor, uint64_t offset,
                                                 size_t size) {
  if (number == 0)
    return nullptr;
  auto& all = table();
  std::lock_guard guard{all.lock};
  auto row = all.rows.find(number);
  if (row == all.rows.end() || !row->second.position.expects(tensor, offset, size))
    return nullptr;
  auto& area = row->second.areas[tensor];
  row->second.position.advance(size);
  return {area.owner, area.bytes.data() + offset};
}

} // namespace luna
