#include "storage/dead_letters.hpp"

namespace luna::storage {

void dead_letters::add(const std::string& id, time_point failed, uint64_t bytes) {
  remove(id);
  letters_[id] = {failed, bytes};
  by_age_.emplace(failed, id);
  bytes_ += bytes;
}

void dead_letters::remove(const std::string& id) {
  auto i = letters_.find(id);
  if (i == letters_.end())
    return;
  bytes_ -= i->second.bytes;
  by_age_.erase({i->second.failed, id});
  letters_.erase(i);
}

} // namespace luna::storage
