#include "bench/picture_8bit.hpp"

#include <chrono>
#include <random>
#include <vector>

#include "storage/posix_file_system.hpp"

namespace luna::bench {

namespace {

using clock = std::chrono::steady_clock;

constexpr auto name = "plain-write";

} // namespace

tensor_block noise_picture(int64_t height, int64_t width, uint64_t seed) {
  std::mt19937_64 random{seed};
  std::vector<std::byte> bytes(static_cast<size_t>(height * width * 3));
  for (auto& x : bytes)
    x = static_cast<std::byte>(random());
  return tensor_block::copy_of(dtype::u8, {height, width, 3}, bytes);
}

result<plain_file> plain_file::in(const std::string& folder) {
  auto opened = storage::make_posix_file_system()->open_directory(folder);
  if (!opened)
    return fail(ec::unavailable, opened.error().message);
  return plain_file{*opened};
}

result<double> plain_file::write(const tensor_block& pixels) {
  auto problem = [](const auto& x) { return fail(ec::unavailable, x.error().message); };
  auto start = clock::now();
  auto file = folder_->open(name, storage::open_mode::create_new);
  if (!file)
    return problem(file);
  if (auto ok = (*file)->write_at(0, pixels.bytes()); !ok)
    return problem(ok);
  if (auto ok = (*file)->sync_data(); !ok)
    return problem(ok);
  auto ms = std::chrono::duration<double, std::milli>(clock::now() - start).count();
  if (auto ok = folder_->remove(name); !ok)
    return problem(ok);
  return ms;
}

} // namespace luna::bench
