#include "imaging/png.hpp"

#include <isa-l/igzip_lib.h>
#include <libdeflate.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "imaging/pixels.hpp"
#include "imaging/png_filter.hpp"

namespace luna::imaging {

namespace {

/// The largest piece of pixel data in one IDAT chunk. A chunk's length has 31 bits.
constexpr size_t largest_idat = size_t{1} << 30;

/// Filtered rows are deflated in bands of about this size, so that they stay in the cache.
constexpr size_t band_bytes = size_t{128} << 10;

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

/// Rows in, a zlib stream out, by ISA-L.
class fast_deflate {
public:
  fast_deflate(uint32_t level, size_t raw_bytes) : out_(raw_bytes / 2 + 4096) {
    isal_deflate_init(&stream_);
    constexpr std::array<uint32_t, 4> sizes = {ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT,
                                               ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT};
    work_.resize(sizes[level]);
    stream_.level = level;
    stream_.level_buf = work_.data();
    stream_.level_buf_size = static_cast<uint32_t>(work_.size());
    stream_.gzip_flag = IGZIP_ZLIB;
  }

  /// False if ISA-L refuses, which only a defect of ours can bring about.
  bool add(std::span<uint8_t> rows, bool last) {
    stream_.next_in = rows.data();
    stream_.avail_in = static_cast<uint32_t>(rows.size());
    stream_.end_of_stream = last ? 1 : 0;
    do {
      if (out_.size() - used_ < 4096)
        out_.resize(out_.size() + out_.size() / 2);
      const auto room = static_cast<uint32_t>(std::min<size_t>(out_.size() - used_, largest_idat));
      stream_.next_out = out_.data() + used_;
      stream_.avail_out = room;
      if (isal_deflate(&stream_) != COMP_OK)
        return false;
      used_ += room - stream_.avail_out;
    } while (stream_.avail_in > 0 || stream_.avail_out == 0
             || (last && stream_.internal_state.state != ZSTATE_END));
    return true;
  }

  std::vector<uint8_t> take() && {
    out_.resize(used_);
    return std::move(out_);
  }

private:
  isal_zstream stream_{};
  std::vector<uint8_t> work_;
  std::vector<uint8_t> out_;
  size_t used_ = 0;
};

struct picture {
  const uint8_t* pixels;
  size_t height;
  size_t row_bytes;
  size_t pixel_bytes;

  size_t filtered_bytes() const { return height * (row_bytes + 1); }
};

result<std::vector<uint8_t>> deflate_fast(const picture& image, uint32_t level) {
  fast_deflate out{level, image.filtered_bytes()};
  row_filter filter{image.row_bytes, image.pixel_bytes};
  const size_t rows_a_band = std::max<size_t>(1, band_bytes / (image.row_bytes + 1));
  std::vector<uint8_t> band(std::min(rows_a_band, image.height) * (image.row_bytes + 1));
  for (size_t row = 0; row < image.height;) {
    const size_t end = std::min(image.height, row + rows_a_band);
    uint8_t* to = band.data();
    for (; row < end; ++row, to += image.row_bytes + 1)
      filter.filter(image.pixels + row * image.row_bytes, to);
    const auto filled = static_cast<size_t>(to - band.data());
    if (!out.add({band.data(), filled}, row == image.height))
      return fail(ec::internal, "ISA-L refused to deflate a picture");
  }
  return std::move(out).take();
}

/// @param level of libdeflate; 0 stores, and filters nothing.
result<std::vector<uint8_t>> deflate_whole(const picture& image, int level) {
  std::vector<uint8_t> filtered(image.filtered_bytes());
  row_filter filter{image.row_bytes, image.pixel_bytes};
  uint8_t* to = filtered.data();
  for (size_t row = 0; row < image.height; ++row, to += image.row_bytes + 1) {
    const uint8_t* from = image.pixels + row * image.row_bytes;
    if (level > 0)
      filter.filter(from, to);
    else
      std::memcpy(to + 1, from, image.row_bytes);
  }
  const std::unique_ptr<libdeflate_compressor, void (*)(libdeflate_compressor*)> compressor{
    libdeflate_alloc_compressor(level), libdeflate_free_compressor};
  if (!compressor)
    return fail(ec::internal, "no memory for libdeflate");
  std::vector<uint8_t> out(libdeflate_zlib_compress_bound(compressor.get(), filtered.size()));
  const size_t used = libdeflate_zlib_compress(compressor.get(), filtered.data(), filtered.size(),
                                               out.data(), out.size());
  if (used == 0)
    return fail(ec::internal, "libdeflate refused to deflate a picture");
  out.resize(used);
  return out;
}

result<std::vector<uint8_t>> deflate_picture(const picture& image, const png_options& options) {
  const auto level = options.compression;
  const auto encoder =
    options.encoder.value_or(level <= 4 ? png_encoder::fast : png_encoder::small);
  if (level == 0)
    return deflate_whole(image, 0);
  if (encoder == png_encoder::fast) {
    constexpr std::array<uint32_t, 10> isal_levels = {0, 1, 1, 1, 1, 2, 2, 3, 3, 3};
    return deflate_fast(image, isal_levels[static_cast<size_t>(level)]);
  }
  constexpr std::array<int, 10> libdeflate_levels = {0, 1, 2, 4, 5, 6, 7, 8, 9, 12};
  return deflate_whole(image, libdeflate_levels[static_cast<size_t>(level)]);
}

/// UTF-8 to Latin-1; nothing if a character is beyond it or the bytes are no UTF-8.
std::optional<std::string> latin1_of(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte < 0x80) {
      out += text[i];
    } else if ((byte == 0xc2 || byte == 0xc3) && i + 1 < text.size()
               && (static_cast<uint8_t>(text[i + 1]) & 0xc0) == 0x80) {
      ++i;
      out += static_cast<char>(((byte & 3) << 6) | (static_cast<uint8_t>(text[i]) & 0x3f));
    } else {
      return std::nullopt;
    }
  }
  return out;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

result<void> write_text(png_file& file, const text_chunk& chunk) {
  if (!is_png_keyword(chunk.key))
    return fail(ec::bad_request, "'" + chunk.key
                                   + "' cannot be the name of a PNG text: 1 to 79 printable "
                                     "Latin-1 characters are allowed");
  if (chunk.text.size() > largest_idat)
    return fail(ec::bad_request, "the text '" + chunk.key + "' is too long for a PNG chunk");
  std::string data = *latin1_of(chunk.key);
  data += '\0';
  const bool ascii = is_ascii(chunk.text);
  if (!ascii)
    data.append(4, '\0'); // not compressed, method 0, no language, no translated keyword
  data += chunk.text;
  const std::span<const uint8_t> bytes{reinterpret_cast<const uint8_t*>(data.data()), data.size()};
  if (ascii)
    file.chunk("tEXt", bytes);
  else
    file.chunk("iTXt", bytes);
  return {};
}

std::array<uint8_t, 13> header_of(const picture_shape& shape) {
  const auto w = static_cast<uint32_t>(shape.width);
  const auto h = static_cast<uint32_t>(shape.height);
  const uint8_t colour = shape.channels == 1 ? 0 : shape.channels == 3 ? 2 : 6;
  const auto byte = [](uint32_t x, int shift) { return static_cast<uint8_t>(x >> shift); };
  return {byte(w, 24), byte(w, 16), byte(w, 8), byte(w, 0), byte(h, 24),
          byte(h, 16), byte(h, 8),  byte(h, 0), 8,          colour,
          0,           0,           0};
}

} // namespace

bool is_png_keyword(std::string_view key) {
  const auto latin1 = latin1_of(key);
  if (!latin1 || latin1->empty() || latin1->size() > 79)
    return false;
  return std::all_of(latin1->begin(), latin1->end(), [](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return (byte >= 0x20 && byte < 0x7f) || byte >= 0xa1;
  });
}

result<std::vector<std::byte>> encode_png(const tensor_block& image, const png_options& options,
                                          std::span<const text_chunk> text) {
  const auto shape = picture_shape_of(image);
  if (!shape)
    return fail(shape.error().code, "the picture " + shape.error().message);
  if (image.type() != dtype::u8 || image.rank() != 3)
    return fail(ec::bad_request, "a PNG is made of one u8 picture [H, W, C]");
  if (options.compression < 0 || options.compression > 9)
    return fail(ec::bad_request, "a PNG's compression is 0 to 9");
  const auto channels = static_cast<size_t>(shape->channels);
  if (shape->height > INT32_MAX || static_cast<uint64_t>(shape->width) > largest_idat / channels)
    return fail(ec::bad_request, "the picture is too large for a PNG");

  const picture pixels{image.as<uint8_t>().data(), static_cast<size_t>(shape->height),
                       static_cast<size_t>(shape->width) * channels, channels};
  auto data = deflate_picture(pixels, options);
  if (!data)
    return fail(data);

  size_t expected = data->size() + 256;
  for (const auto& chunk : text)
    expected += chunk.key.size() + chunk.text.size() + 32;
  png_file file{expected};
  file.chunk("IHDR", header_of(*shape));
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
