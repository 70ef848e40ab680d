#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <png.h>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

/// Reading PNG with libpng and by hand, to check what luna's own writer wrote.
namespace luna::imaging::testing {

struct decoded {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 0;
  std::vector<uint8_t> pixels;
};

/// Pixels as libpng reads them. libpng checks every chunk's CRC and the Adler-32 of the pixels.
inline decoded read_png(std::span<const std::byte> file) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&image, file.data(), file.size()) == 0)
    throw std::runtime_error{image.message};
  image.format &= ~static_cast<png_uint_32>(PNG_FORMAT_FLAG_LINEAR);
  decoded out{image.width, image.height, PNG_IMAGE_SAMPLE_CHANNELS(image.format), {}};
  out.pixels.resize(PNG_IMAGE_SIZE(image));
  if (png_image_finish_read(&image, nullptr, out.pixels.data(), 0, nullptr) == 0)
    throw std::runtime_error{image.message};
  if (image.warning_or_error != 0)
    throw std::runtime_error{image.message};
  return out;
}

struct raw_chunk {
  std::string type;
  std::string data;
};

/// The chunks in their order.
inline std::vector<raw_chunk> read_chunks(std::span<const std::byte> file) {
  std::vector<raw_chunk> out;
  const auto* bytes = reinterpret_cast<const uint8_t*>(file.data());
  for (size_t at = 8; at + 12 <= file.size();) {
    const size_t n = size_t{bytes[at]} << 24 | size_t{bytes[at + 1]} << 16
                   | size_t{bytes[at + 2]} << 8 | bytes[at + 3];
    const auto* begin = reinterpret_cast<const char*>(bytes + at + 4);
    out.push_back({std::string{begin, 4}, std::string{begin + 4, n}});
    at += 12 + n;
  }
  return out;
}

inline std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in)
    throw std::runtime_error{"no file " + path};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

} // namespace luna::imaging::testing
