#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "imaging/png.hpp"

namespace luna::imaging {

/// The pixels of a PNG as they stand in it: rows without filter bytes, 16-bit samples big-endian.
struct png_rows {
  const uint8_t* pixels = nullptr;
  size_t height = 0;
  size_t row_bytes = 0;
  size_t pixel_bytes = 0; ///< 1 to 8: distance to the pixel on the left

  size_t filtered_bytes() const { return height * (row_bytes + 1); }
};

/// Filters the rows and deflates them: the zlib stream of a PNG's IDAT chunks.
/// @returns `internal` if a library refuses, which only a defect of ours can bring about.
/// Thread rule: any thread; starts `options.threads - 1` more for a large picture and joins them.
result<std::vector<uint8_t>> deflate_rows(const png_rows& rows, const png_options& options);

} // namespace luna::imaging
