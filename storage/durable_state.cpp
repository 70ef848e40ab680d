#include "storage/durable_state.hpp"

#include <array>
#include <cstdio>

#include "storage/log_format.hpp"

namespace luna::storage {

namespace {

constexpr auto control_name = "control";
constexpr uint64_t max_control_bytes = 4096;

/// The text of the file; its last line is the checksum of the lines before.
std::string format(const control_state& state) {
  auto text = "luna control 1\nepoch " + std::to_string(state.epoch) + "\nmode "
            + std::string{to_string(state.mode)} + "\n";
  std::array<char, 32> check;
  std::snprintf(check.data(), check.size(), "check %08x\n", crc32c(std::as_bytes(std::span{text})));
  return text + check.data();
}

/// Every text that `format` can make is read back; nothing else is.
std::optional<control_state> parse(const std::string& text) {
  std::array<char, 16> mode;
  unsigned long long epoch = 0;
  if (std::sscanf(text.c_str(), "luna control 1\nepoch %llu\nmode %15s\n", &epoch, mode.data())
      != 2)
    return std::nullopt;
  auto known = attention_mode_of(mode.data());
  if (!known)
    return std::nullopt;
  control_state state{epoch, *known};
  if (format(state) != text)
    return std::nullopt;
  return state;
}

} // namespace

result<void> replace_file(directory& folder, std::string_view name, std::string_view text) {
  auto fresh = std::string{name} + ".new";
  auto steps = [&]() -> io_result<void> {
    auto removed = folder.remove(fresh);
    if (!removed && removed.error().kind != io_kind::not_found)
      return removed;
    auto handle = folder.open(fresh, open_mode::create_new);
    if (!handle)
      return io_fail(handle);
    if (auto ok = (*handle)->write_at(0, std::as_bytes(std::span{text})); !ok)
      return ok;
    if (auto ok = (*handle)->sync(); !ok)
      return ok;
    if (auto ok = folder.rename(fresh, name); !ok)
      return ok;
    return folder.sync();
  };
  if (auto ok = steps(); !ok)
    return fail_io(ok);
  return {};
}

result<control_state> durable_state::load() const {
  auto text = read_file(*data_, control_name, max_control_bytes);
  if (!text && text.error().kind == io_kind::not_found)
    return control_state{};
  if (!text)
    return fail_io(text);
  auto state = parse(*text);
  if (!state)
    return fail(ec::internal, data_->path() + "/" + control_name
                                + " is damaged; remove it to start with epoch 0 and mode auto");
  return *state;
}

result<void> durable_state::save(const control_state& state) {
  return replace_file(*data_, control_name, format(state));
}

} // namespace luna::storage
