#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

/// Internal to models/: needs libtorch's headers.
namespace luna::models {

/// Rows `first` to `first + count` of a plane.
struct strip {
  int64_t first = 0;
  int64_t count = 0;
};

/// Runs `body` for strips that cover `rows` rows, on all cores of the calling thread's pool.
///
/// The problem: the planes of a large picture do not fit a core's cache, so a net that works plane
/// by plane waits for memory, and holds more planes than it needs. In strips a core does several
/// steps on the same few rows while they are near.
/// Contract: each strip once, in any order, each on one core; `body` must not throw anything but
/// what libtorch throws, which comes out of this call.
/// @param row_bytes of what the body keeps near for a row: decides the height of a strip.
void for_each_strip(int64_t rows, int64_t row_bytes, const std::function<void(strip)>& body);

/// Rows `first` to `first + count` of [1, C, H, W], zeros outside: a view where it can be one.
/// @param right columns of zeros beside them.
at::Tensor rows_of(const at::Tensor& x, int64_t first, int64_t count, int64_t right = 0);

} // namespace luna::models
