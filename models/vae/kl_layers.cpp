#include "models/vae/kl_layers.hpp"

#include <ATen/ops/addcmul.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <algorithm>

#include "models/vae/strips.hpp"

namespace luna::models {

namespace {

int64_t row_bytes(const at::Tensor& x) {
  return x.size(1) * x.size(3) * static_cast<int64_t>(x.element_size());
}

at::Tensor plane(const at::Tensor& like, int64_t channels, int64_t height, int64_t width) {
  return at::empty({1, channels, height, width}, like.options(), at::MemoryFormat::ChannelsLast);
}

/// silu(x * scale + shift) of some rows with a row of zeros for each beyond the plane.
at::Tensor normed_rows(const at::Tensor& x, const group_norm::line& line, int64_t first,
                       int64_t count) {
  auto rows = plane(x, x.size(1), count, x.size(3));
  auto begin = std::max<int64_t>(first, 0);
  auto end = std::min(first + count, x.size(2));
  if (begin > first)
    rows.narrow(2, 0, begin - first).zero_();
  if (end < first + count)
    rows.narrow(2, end - first, first + count - end).zero_();
  auto inside = rows.narrow(2, begin - first, end - begin);
  at::addcmul_out(inside, line.shift, x.narrow(2, begin, end - begin), line.scale);
  at::silu_(inside);
  return rows;
}

} // namespace

at::Tensor normed_convolution::operator()(const at::Tensor& x) const {
  if (!x.device().is_cpu()) {
    auto inner = norm(x);
    return conv(at::silu_(inner));
  }
  auto out = plane(x, conv.channels(), x.size(2), x.size(3));
  auto line = norm.line_of(x);
  strip_convolution on_strip{conv};
  for_each_strip(x.size(2), row_bytes(x), [&](strip s) {
    auto part = on_strip(normed_rows(x, line, s.first - 1, s.count + 2));
    out.narrow(2, s.first, s.count).copy_(part);
  });
  return out;
}

void normed_convolution::add_to(at::Tensor& sum, const at::Tensor& x) const {
  if (!x.device().is_cpu()) {
    sum.add_((*this)(x));
    return;
  }
  auto line = norm.line_of(x);
  strip_convolution on_strip{conv};
  for_each_strip(x.size(2), row_bytes(x), [&](strip s) {
    auto part = sum.narrow(2, s.first, s.count);
    on_strip.add(part, normed_rows(x, line, s.first - 1, s.count + 2));
  });
}

at::Tensor kl_block::operator()(at::Tensor x) const {
  auto inner = first(x);
  if (shortcut)
    x = (*shortcut)(x);
  second.add_to(x, inner);
  return x;
}

// -- doubling -------------------------------------------------------------------------------------

namespace {

/// The doubling of some rows, by the four kernels in the order of `quarters_`.
void double_rows(const at::Tensor& x, at::Tensor& out, strip s,
                 const std::array<strip_convolution, 4>& quarters) {
  for (int64_t row = 0; row < 2; ++row) {
    auto seen = rows_of(x, s.first - 1 + row, s.count + 1);
    for (int64_t column = 0; column < 2; ++column) {
      // One column too many: the kernel is padded on both sides, each place needs one of them.
      auto part = quarters[static_cast<size_t>(2 * row + column)](seen);
      out.slice(2, 2 * s.first + row, 2 * (s.first + s.count), 2)
        .slice(3, column, out.size(3), 2)
        .copy_(part.narrow(3, column, x.size(3)));
    }
  }
}

/// The two rows of a 2x2 kernel from the three of a 3x3 kernel, along one axis: a pair's first
/// place lies in the second half of nothing but itself and its neighbour before it.
at::Tensor folded(const at::Tensor& kernel, int64_t axis, bool second) {
  auto at = [&](int64_t i) { return kernel.narrow(axis, i, 1); };
  auto out_shape = kernel.sizes().vec();
  out_shape[static_cast<size_t>(axis)] = 2;
  auto out = at::empty(out_shape, kernel.options());
  out.narrow(axis, 0, 1).copy_(second ? at(0).add(at(1)) : at(0));
  out.narrow(axis, 1, 1).copy_(second ? at(2) : at(1).add(at(2)));
  return out;
}

} // namespace

result<doubling_convolution> doubling_convolution::load(const std::string& name,
                                                        weight_reader& reader,
                                                        weight_memory& memory, int64_t channels,
                                                        at::ScalarType type) {
  doubling_convolution made;
  auto kernel = at::empty({channels, channels, 3, 3}, at::TensorOptions{}.dtype(at::kFloat));
  if (auto ok = reader.read(name + ".weight", kernel); !ok)
    return fail(ok);
  auto bias = reader.load(name + ".bias", memory, type);
  if (!bias)
    return fail(bias);
  for (size_t i = 0; i < made.quarters_.size(); ++i) {
    auto quarter = folded(folded(kernel, 2, i / 2 == 1), 3, i % 2 == 1);
    made.quarters_[i] = convolution::make(quarter, *bias, memory, type, {1, 1});
  }
  return made;
}

at::Tensor doubling_convolution::operator()(const at::Tensor& x) const {
  auto out = plane(x, x.size(1), 2 * x.size(2), 2 * x.size(3));
  std::array<strip_convolution, 4> quarters{
    strip_convolution{quarters_[0]}, strip_convolution{quarters_[1]},
    strip_convolution{quarters_[2]}, strip_convolution{quarters_[3]}};
  if (!x.device().is_cpu())
    double_rows(x, out, {0, x.size(2)}, quarters);
  else
    for_each_strip(x.size(2), 4 * row_bytes(x), [&](strip s) { double_rows(x, out, s, quarters); });
  return out;
}

at::Tensor halving_convolution::operator()(const at::Tensor& x) const {
  if (!x.device().is_cpu())
    return conv(at::constant_pad_nd(x, {0, 1, 0, 1}));
  auto out = plane(x, conv.channels(), x.size(2) / 2, x.size(3) / 2);
  strip_convolution on_strip{conv};
  for_each_strip(out.size(2), 2 * row_bytes(x), [&](strip s) {
    auto part = on_strip(rows_of(x, 2 * s.first, 2 * s.count + 1, 1));
    out.narrow(2, s.first, s.count).copy_(part);
  });
  return out;
}

} // namespace luna::models
