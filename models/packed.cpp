#include "models/packed.hpp"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linear.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <atomic>
#include <string_view>

#include "models/packing.hpp"

// libtorch exports these for its own compiler and declares them in a header that it does not ship.
namespace at::native {
TORCH_API void* data_ptr_from_mkldnn(const at::Tensor& packed);
TORCH_API int64_t nbytes_from_mkldnn(const at::Tensor& packed);
} // namespace at::native

namespace luna::models {

namespace {

// oneDNN's repacked weights have operators without a C++ function of their own: they are called
// through the dispatcher, by name.
using scalars = c10::List<std::optional<at::Scalar>>;

using linear_pointwise = at::Tensor(const at::Tensor&, const at::Tensor&,
                                    const std::optional<at::Tensor>&, std::string_view, scalars,
                                    std::optional<std::string_view>);

bool can_pack(const at::Device& device) {
  return device.is_cpu() && at::globalContext().hasMKLDNN()
      && at::globalContext().userEnabledMkldnn();
}

/// The weight in oneDNN's layout, and a view of its memory.
weight_window pack(const at::Tensor& weight) {
  torch::jit::Stack stack{weight, c10::IValue{}};
  c10::Dispatcher::singleton()
    .findSchemaOrThrow("mkldnn::_reorder_linear_weight", "")
    .callBoxed(&stack);
  weight_window made;
  made.packed = stack.front().toTensor();
  made.values = at::from_blob(at::native::data_ptr_from_mkldnn(made.packed),
                              {at::native::nbytes_from_mkldnn(made.packed) / int64_t{4}},
                              at::TensorOptions{}.dtype(at::kFloat));
  return made;
}

} // namespace

const std::vector<weight_window>* weight_windows::of(int64_t rows, int64_t columns) {
  auto [place, is_new] = windows_.try_emplace({rows, columns});
  auto& made = place->second;
  for (int i = 0; is_new && i < at::get_num_threads(); ++i)
    made.push_back(pack(at::empty({rows, columns}, at::TensorOptions{}.dtype(at::kFloat))));
  return made.front().values.numel() == rows * columns ? &made : nullptr;
}

std::vector<packed_linear::part> packed_linear::parts_of(weight_windows& windows, int64_t rows,
                                                         int64_t columns) {
  std::vector<part> parts;
  auto step = part_rows(rows, columns, at::get_num_threads());
  for (int64_t first = 0; first < rows; first += step) {
    auto& made = parts.emplace_back();
    made.first = first;
    made.rows = std::min(step, rows - first);
    made.windows = windows.of(made.rows, columns);
    if (made.windows == nullptr)
      return {};
  }
  return parts;
}

result<packed_linear> packed_linear::load(const std::vector<linear_names>& sources,
                                          weight_reader& reader, weight_memory& memory,
                                          weight_windows& windows, int64_t rows, int64_t columns) {
  packed_linear made;
  if (can_pack(memory.device()))
    made.parts_ = parts_of(windows, rows, columns);
  auto weight = made.parts_.empty()
                ? memory.take({rows, columns}, at::kHalf)
                : at::empty({rows, columns}, at::TensorOptions{}.dtype(at::kHalf));
  made.bias_ = memory.take({rows}, at::kFloat);
  auto share = rows / static_cast<int64_t>(sources.size());
  int64_t at = 0;
  for (auto& x : sources) {
    if (auto ok = reader.read(x.weight, weight.narrow(0, at, share)); !ok)
      return fail(ok);
    if (auto ok = reader.read(x.bias, made.bias_.narrow(0, at, share)); !ok)
      return fail(ok);
    at += share;
  }
  for (auto& part : made.parts_) {
    part.weight = memory.take({part.rows * columns}, at::kHalf);
    part.weight.copy_(pack(weight.narrow(0, part.first, part.rows).to(at::kFloat)).values);
  }
  if (made.parts_.empty())
    made.weight_ = weight;
  return made;
}

at::Tensor packed_linear::operator()(const at::Tensor& x) const {
  if (parts_.empty())
    return at::linear(x, weight_.to(at::kFloat), bias_);
  static const auto multiply = c10::Dispatcher::singleton()
                                 .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
                                 .typed<linear_pointwise>();
  auto out = at::empty({x.size(0), bias_.size(0)}, x.options());
  auto threads =
    std::min({parts_.size(), parts_.front().windows->size(), size_t(at::get_num_threads())});
  std::atomic<size_t> next{0};
  at::parallel_for(0, static_cast<int64_t>(threads), 1, [&](int64_t slot, int64_t) {
    c10::InferenceMode mode; // this setting does not follow into the pool's threads
    for (auto i = next++; i < parts_.size(); i = next++) {
      auto& part = parts_[i];
      auto& window = (*part.windows)[static_cast<size_t>(slot)];
      window.values.copy_(part.weight);
      out.narrow(1, part.first, part.rows)
        .copy_(multiply.call(x, window.packed, bias_.narrow(0, part.first, part.rows), "none",
                             scalars{}, ""));
    }
  });
  return out;
}

} // namespace luna::models
