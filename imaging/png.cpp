#include "imaging/png.hpp"

#include <libdeflate.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "imaging/pixels.hpp"
#include "imaging/png_deflate.hpp"
#include "imaging/side_limits.hpp"
#include "imaging/text_keys.hpp"

namespace luna::imaging {

namespace {

/// The largest piece of pixel data in one IDAT chunk. A chunk's length has 31 bits.
constexpr size_t largest_idat = size_t{1} << 30;

/// A PNG file while it is written.
class png_file {
public:
  explicit png_file(size_t expected_bytes) {
    bytes_.reserve(expected_bytes);
    append({0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'});
  }

  void chunk(const char (&type)[5], std::span<const uint8_t> data) {
    number(static_cast<uint32_t>(data.size()));
    const size_t begin = bytes_.size();
    append({reinterpret_cast<const uint8_t*>(type), 4});
    append(data);
    number(libdeflate_crc32(0, bytes_.data() + begin, bytes_.size() - begin));
  }

  std::vector<std::byte> take() && { return std::move(bytes_); }

private:
  void append(std::span<const uint8_t> data) {
    const auto* begin = reinterpret_cast<const std::byte*>(data.data());
    bytes_.insert(bytes_.end(), begin, begin + data.size());
  }
  void append(std::initializer_list<uint8_t> data) {
    append(std::span<const uint8_t>{data.begin(), data.size()});
  }
  void number(uint32_t x) {
    append({static_cast<uint8_t>(x >> 24), static_cast<uint8_t>(x >> 16),
            static_cast<uint8_t>(x >> 8), static_cast<uint8_t>(x)});
  }

  std::vector<std::byte> bytes_;
};

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

result<void> write_text(png_file& file, const text_chunk& chunk) {
  if (chunk.text.size() > largest_idat || chunk.key.size() > largest_idat)
    return fail(ec::bad_request,
                "the text '" + chunk.key.substr(0, 100) + "' is too long for a PNG chunk");
  if (chunk.key.empty() || chunk.key.find('\0') != std::string::npos)
    return fail(ec::bad_request, "a PNG text cannot have an empty name or one with a NUL");
  const bool named = is_png_keyword(chunk.key);
  const bool plain = named && is_ascii(chunk.text);
  std::string data = latin1_of_keyword(png_keyword_of(chunk.key));
  data += '\0';
  if (!plain) {
    data.append(3, '\0'); // not compressed, method 0, no language
    if (!named)
      data += chunk.key; // as the "translated keyword"
    data += '\0';
  }
  data += chunk.text;
  const std::span<const uint8_t> bytes{reinterpret_cast<const uint8_t*>(data.data()), data.size()};
  if (plain)
    file.chunk("tEXt", bytes);
  else
    file.chunk("iTXt", bytes);
  return {};
}

std::array<uint8_t, 13> header_of(const picture_shape& shape, uint8_t bit_depth) {
  const auto w = static_cast<uint32_t>(shape.width);
  const auto h = static_cast<uint32_t>(shape.height);
  const uint8_t colour = shape.channels == 1 ? 0 : shape.channels == 3 ? 2 : 6;
  const auto byte = [](uint32_t x, int shift) { return static_cast<uint8_t>(x >> shift); };
  return {byte(w, 24), byte(w, 16), byte(w, 8), byte(w, 0), byte(h, 24),
          byte(h, 16), byte(h, 8),  byte(h, 0), bit_depth,  colour,
          0,           0,           0};
}

/// What `encode_png` takes: u8 or u16.
result<picture_shape> shape_of(const tensor_block& image) {
  if (image.type() != dtype::u16)
    return shape_of_u8_picture(image, "PNG", max_png_side);
  // The shapes are those of u8: its upper bytes stand for it here.
  auto half = image.bytes().first(image.size_bytes() / 2);
  return shape_of_u8_picture({dtype::u8, image.shape(), half, image.owner()}, "PNG", max_png_side);
}

/// The rows of a PNG, and the bytes of them if they had to be made.
struct owned_rows {
  png_rows view;
  std::vector<uint8_t> swapped;
};

owned_rows rows_of(const tensor_block& image, const picture_shape& shape) {
  const size_t pixel_bytes = static_cast<size_t>(shape.channels) * size_of(image.type());
  owned_rows rows;
  rows.view = {reinterpret_cast<const uint8_t*>(image.bytes().data()),
               static_cast<size_t>(shape.height), static_cast<size_t>(shape.width) * pixel_bytes,
               pixel_bytes};
  if (image.type() == dtype::u16) {
    rows.swapped.reserve(image.size_bytes());
    for (const auto x : image.as<uint16_t>()) {
      rows.swapped.push_back(static_cast<uint8_t>(x >> 8));
      rows.swapped.push_back(static_cast<uint8_t>(x));
    }
    rows.view.pixels = rows.swapped.data();
  }
  return rows;
}

} // namespace

result<std::vector<std::byte>> encode_png(const tensor_block& image, const png_options& options,
                                          std::span<const text_chunk> text) {
  if (options.compression < 0 || options.compression > 9)
    return fail(ec::bad_request, "a PNG's compression is 0 to 9");
  const auto shape = shape_of(image);
  if (!shape)
    return fail(shape);
  const auto rows = rows_of(image, *shape);
  auto data = deflate_rows(rows.view, options);
  if (!data)
    return fail(data);

  size_t expected = data->size() + 256;
  for (const auto& chunk : text)
    expected += chunk.key.size() + chunk.text.size() + 32;
  png_file file{expected};
  file.chunk("IHDR", header_of(*shape, image.type() == dtype::u16 ? 16 : 8));
  for (const auto& chunk : text)
    if (const auto written = write_text(file, chunk); !written)
      return tl::make_unexpected(written.error());
  std::span<const uint8_t> rest{*data};
  while (!rest.empty()) {
    const auto piece = rest.first(std::min(rest.size(), largest_idat));
    file.chunk("IDAT", piece);
    rest = rest.subspan(piece.size());
  }
  file.chunk("IEND", {});
  return std::move(file).take();
}

} // namespace luna::imaging
