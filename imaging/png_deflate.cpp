#include "imaging/png_deflate.hpp"

#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <system_error>
#include <thread>

#include "imaging/png_filter.hpp"

namespace luna::imaging {

namespace {

/// Filtered rows are deflated in bands of about this size, so that they stay in the cache.
constexpr size_t band_bytes = size_t{128} << 10;

/// A thread of its own is worth it from this many filtered bytes on; a join of two parts costs a
/// few bytes and the matches across it.
constexpr size_t least_part_bytes = size_t{4} << 20;

/// A run of rows that is filtered and deflated by itself.
struct part {
  size_t first = 0;
  size_t end = 0;
  bool is_last = false;
  std::vector<uint8_t> deflated; ///< raw deflate, ends at a byte
  uint32_t adler = 1;            ///< of the filtered bytes
  size_t filtered = 0;           ///< their number
  bool done = false;
};

/// Bytes in, raw deflate out, by ISA-L.
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
    stream_.gzip_flag = IGZIP_DEFLATE;
  }

  /// What comes after these bytes.
  enum class after { more, another_part, nothing };

  /// False if ISA-L refuses.
  bool add(std::span<uint8_t> bytes, after next) {
    stream_.next_in = bytes.data();
    stream_.avail_in = static_cast<uint32_t>(bytes.size());
    stream_.end_of_stream = next == after::nothing ? 1 : 0;
    stream_.flush = next == after::another_part ? FULL_FLUSH : NO_FLUSH;
    do {
      if (out_.size() - used_ < 4096)
        out_.resize(out_.size() + out_.size() / 2);
      const auto room =
        static_cast<uint32_t>(std::min<size_t>(out_.size() - used_, size_t{1} << 30));
      stream_.next_out = out_.data() + used_;
      stream_.avail_out = room;
      if (isal_deflate(&stream_) != COMP_OK)
        return false;
      used_ += room - stream_.avail_out;
    } while (stream_.avail_in > 0 || stream_.avail_out == 0
             || (next == after::nothing && stream_.internal_state.state != ZSTATE_END));
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

/// Filters `count` rows from `first` on to `out`.
void filter_rows(const png_rows& rows, row_filter& filter, size_t first, size_t count,
                 uint8_t* out) {
  for (size_t i = 0; i < count; ++i, out += rows.row_bytes + 1)
    filter.filter(rows.pixels + (first + i) * rows.row_bytes, out);
}

row_filter filter_at(const png_rows& rows, size_t row) {
  return {rows.row_bytes, rows.pixel_bytes,
          row == 0 ? nullptr : rows.pixels + (row - 1) * rows.row_bytes};
}

void deflate_part(const png_rows& rows, uint32_t level, part& x) {
  using after = fast_deflate::after;
  const size_t line = rows.row_bytes + 1;
  fast_deflate out{level, (x.end - x.first) * line};
  auto filter = filter_at(rows, x.first);
  const size_t rows_a_band = std::max<size_t>(1, band_bytes / line);
  std::vector<uint8_t> band(std::min(rows_a_band, x.end - x.first) * line);
  for (size_t row = x.first; row < x.end;) {
    const size_t count = std::min(rows_a_band, x.end - row);
    filter_rows(rows, filter, row, count, band.data());
    row += count;
    const std::span filled{band.data(), count * line};
    x.adler = libdeflate_adler32(x.adler, filled.data(), filled.size());
    const auto next = row < x.end ? after::more : x.is_last ? after::nothing : after::another_part;
    if (!out.add(filled, next))
      return;
  }
  x.filtered = (x.end - x.first) * line;
  x.deflated = std::move(out).take();
  x.done = true;
}

std::vector<part> parts_of(const png_rows& rows, unsigned threads) {
  const size_t most = std::max<size_t>(1, rows.filtered_bytes() / least_part_bytes);
  const size_t count = std::min({most, rows.height, std::max<size_t>(1, threads)});
  std::vector<part> parts(count);
  for (size_t i = 0; i < count; ++i) {
    parts[i].first = rows.height * i / count;
    parts[i].end = rows.height * (i + 1) / count;
    parts[i].is_last = i + 1 == count;
  }
  return parts;
}

/// Does `work` for each part, the first on this thread. @returns whether the memory sufficed.
template <class Work>
bool on_threads(std::vector<part>& parts, const Work& work) {
  std::atomic<bool> sufficed = true;
  const auto guarded = [&](part& x) {
    try {
      work(x);
    } catch (const std::bad_alloc&) { // beyond a thread it would end the process
      sufficed = false;
    }
  };
  {
    std::vector<std::jthread> threads;
    threads.reserve(parts.size());
    for (size_t i = 1; i < parts.size(); ++i) {
      try {
        threads.emplace_back([&guarded, &x = parts[i]] { guarded(x); });
      } catch (const std::system_error&) { // no more threads on this machine
        guarded(parts[i]);
      }
    }
    guarded(parts.front());
  }
  return sufficed;
}

failure no_memory() {
  return {ec::out_of_memory, "no memory for the PNG encoder", 0, {}};
}

result<std::vector<uint8_t>> deflate_fast(const png_rows& rows, uint32_t level, unsigned threads) {
  auto parts = parts_of(rows, threads);
  if (!on_threads(parts, [&](part& x) { deflate_part(rows, level, x); }))
    return tl::make_unexpected(no_memory());
  std::vector<uint8_t> out = {0x78, 0x01}; // zlib: deflate with a window of 32 KiB
  uint32_t adler = 1;
  for (const auto& x : parts) {
    if (!x.done)
      return fail(ec::internal, "ISA-L refused to deflate a picture");
    out.insert(out.end(), x.deflated.begin(), x.deflated.end());
    adler =
      static_cast<uint32_t>(adler32_combine(adler, x.adler, static_cast<z_off_t>(x.filtered)));
  }
  for (const int shift : {24, 16, 8, 0})
    out.push_back(static_cast<uint8_t>(adler >> shift));
  return out;
}

/// @param level of libdeflate; 0 stores, and filters nothing.
result<std::vector<uint8_t>> deflate_whole(const png_rows& rows, int level, unsigned threads) {
  std::vector<uint8_t> filtered(rows.filtered_bytes());
  const size_t line = rows.row_bytes + 1;
  if (level > 0) {
    auto parts = parts_of(rows, threads);
    const bool sufficed = on_threads(parts, [&](const part& x) {
      auto filter = filter_at(rows, x.first);
      filter_rows(rows, filter, x.first, x.end - x.first, filtered.data() + x.first * line);
    });
    if (!sufficed)
      return tl::make_unexpected(no_memory());
  } else {
    for (size_t row = 0; row < rows.height; ++row)
      std::memcpy(filtered.data() + row * line + 1, rows.pixels + row * rows.row_bytes,
                  rows.row_bytes);
  }
  const std::unique_ptr<libdeflate_compressor, void (*)(libdeflate_compressor*)> compressor{
    libdeflate_alloc_compressor(level), libdeflate_free_compressor};
  if (!compressor)
    return tl::make_unexpected(no_memory());
  std::vector<uint8_t> out(libdeflate_zlib_compress_bound(compressor.get(), filtered.size()));
  const size_t used = libdeflate_zlib_compress(compressor.get(), filtered.data(), filtered.size(),
                                               out.data(), out.size());
  if (used == 0)
    return fail(ec::internal, "libdeflate refused to deflate a picture");
  out.resize(used);
  return out;
}

} // namespace

result<std::vector<uint8_t>> deflate_rows(const png_rows& rows, const png_options& options) {
  const auto level = options.compression;
  const auto encoder =
    options.encoder.value_or(level <= 4 ? png_encoder::fast : png_encoder::small);
  if (level == 0)
    return deflate_whole(rows, 0, 1);
  if (encoder == png_encoder::fast) {
    constexpr std::array<uint32_t, 10> isal_levels = {0, 1, 1, 1, 1, 2, 2, 3, 3, 3};
    return deflate_fast(rows, isal_levels[static_cast<size_t>(level)], options.threads);
  }
  constexpr std::array<int, 10> libdeflate_levels = {0, 1, 2, 4, 5, 6, 7, 8, 9, 12};
  return deflate_whole(rows, libdeflate_levels[static_cast<size_t>(level)], options.threads);
}

} // namespace luna::imaging
