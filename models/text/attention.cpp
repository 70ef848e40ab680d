#include "models/text/attention.hpp"

#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/device.hpp"

namespace luna::models {

namespace {

/// Scores of one slice never take more than this: what "bounded" means for split attention.
constexpr int64_t slice_bytes = int64_t{64} << 20;

at::Tensor flash(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal,
                 const std::optional<at::Tensor>& mask) {
  return std::get<0>(at::_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal, mask));
}

/// The scores of queries [from, from + count), softmaxed and applied to the values.
at::Tensor slice(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal,
                 const std::optional<at::Tensor>& mask, int64_t from, int64_t count) {
  auto keys = causal ? std::min(k.size(2), from + count) : k.size(2);
  auto scale = 1.0 / std::sqrt(static_cast<double>(q.size(3)));
  auto rows = q.narrow(2, from, count).mul(scale);
  auto scores = at::matmul(rows, k.narrow(2, 0, keys).transpose(-2, -1)).to(at::kFloat);
  if (causal) {
    auto column = at::arange(keys, q.device());
    auto row = at::arange(from, from + count, q.device()).unsqueeze(1);
    scores.masked_fill_(column.gt(row), -std::numeric_limits<float>::infinity());
  }
  if (mask) {
    auto part = mask->size(-2) == 1 ? *mask : mask->narrow(-2, from, count);
    scores.add_(part);
  }
  return at::matmul(at::softmax(scores, -1).to(q.scalar_type()), v.narrow(2, 0, keys));
}

at::Tensor split(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal,
                 const std::optional<at::Tensor>& mask) {
  auto queries = q.size(2);
  auto row_bytes = q.size(0) * q.size(1) * k.size(2) * 4;
  auto step = std::clamp<int64_t>(slice_bytes / std::max<int64_t>(row_bytes, 1), 1, queries);
  if (step == queries)
    return slice(q, k, v, causal, mask, 0, queries);
  auto out = at::empty(q.sizes(), q.options());
  for (int64_t from = 0; from < queries; from += step) {
    auto count = std::min(step, queries - from);
    out.narrow(2, from, count).copy_(slice(q, k, v, causal, mask, from, count));
  }
  return out;
}

} // namespace

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal,
                     attention_mode mode, const std::optional<at::Tensor>& mask) {
  TORCH_CHECK(!(causal && mask), "attention takes a mask or causal, not both");
  if (mode == attention_mode::split)
    return split(q, k, v, causal, mask);
  // luna's own choice on a CPU is the fused kernel: never slower there, and no L x S memory.
  auto fused = mode == attention_mode::flash || mode == attention_mode::automatic;
  if (fused && q.device().is_cpu())
    return flash(q, k, v, causal, mask);
  return at::scaled_dot_product_attention(q, k, v, mask, 0.0, causal);
}

} // namespace luna::models
