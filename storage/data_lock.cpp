#include "storage/data_lock.hpp"

#include <array>

namespace luna::storage {

namespace {

constexpr auto lock_name = "lock";

/// The process id that the holder wrote, for the message; empty if it cannot be read.
std::string holder_of(file& handle) {
  std::array<std::byte, 32> text;
  auto got = handle.read_at(0, text);
  if (!got)
    return {};
  std::string digits;
  for (auto x : std::span{text}.first(*got))
    if (auto c = static_cast<char>(x); c >= '0' && c <= '9')
      digits += c;
    else
      break;
  return digits;
}

} // namespace

result<data_lock> data_lock::take(directory& data, int64_t process_id) {
  auto handle = data.open(lock_name, open_mode::create);
  if (!handle)
    return fail_io(handle);
  if (auto ok = (*handle)->lock(); !ok) {
    if (ok.error().kind != io_kind::locked)
      return fail_io(ok);
    auto holder = holder_of(**handle);
    return fail(ec::unavailable, "the data folder " + data.path() + " is in use by "
                                   + (holder.empty() ? "another process" : "process " + holder)
                                   + "; stop it or start this node with another data folder");
  }
  auto text = std::to_string(process_id) + "\n";
  auto ok = (*handle)->truncate(0);
  if (ok)
    ok = (*handle)->write_at(0, std::as_bytes(std::span{text}));
  if (!ok)
    return fail_io(ok);
  return data_lock{std::move(*handle)};
}

} // namespace luna::storage
