#include "models/convolution.hpp"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>

#include <array>
#include <string_view>
#include <utility>

namespace luna::models {

namespace {

// oneDNN's convolutions over repacked weights have operators without a C++ function of their own:
// they are called through the dispatcher, by name.
using scalars = c10::List<std::optional<at::Scalar>>;

using pointwise = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                             at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, int64_t,
                             std::string_view, scalars, std::optional<std::string_view>);

using pointwise_sum = at::Tensor&(at::Tensor&, const at::Tensor&, const at::Tensor&,
                                  const std::optional<at::Tensor>&, at::IntArrayRef,
                                  at::IntArrayRef, at::IntArrayRef, int64_t, std::string_view,
                                  std::optional<at::Scalar>, std::optional<std::string_view>,
                                  scalars, std::optional<std::string_view>);

constexpr std::array<int64_t, 2> no_dilation{1, 1};

bool can_pack(const at::Device& device) {
  return device.is_cpu() && at::globalContext().hasMKLDNN()
      && at::globalContext().userEnabledMkldnn();
}

at::Tensor pack(const at::Tensor& weight, int64_t padding, int64_t stride) {
  auto pair = [](int64_t x) { return std::vector<int64_t>{x, x}; };
  torch::jit::Stack stack{weight, pair(padding), pair(stride), pair(1), int64_t{1}, c10::IValue{}};
  c10::Dispatcher::singleton()
    .findSchemaOrThrow("mkldnn::_reorder_convolution_weight", "")
    .callBoxed(&stack);
  return stack.front().toTensor();
}

} // namespace

convolution convolution::make(const at::Tensor& weight, std::optional<at::Tensor> bias,
                              weight_memory& memory, at::ScalarType type, options how) {
  convolution made;
  made.bias_ = std::move(bias);
  made.channels_ = weight.size(0);
  made.how_ = how;
  if (how.padding < 0)
    made.how_.padding = weight.size(2) / 2;
  made.packed_ = can_pack(memory.device()) && type == at::kFloat;
  if (made.packed_) {
    memory.count(weight.nbytes());
    made.weight_ = pack(weight, made.how_.padding, how.stride);
  } else {
    made.weight_ = memory.take(weight.sizes(), type);
    made.weight_.copy_(weight);
  }
  return made;
}

result<convolution> convolution::load(const std::string& name, weight_reader& reader,
                                      weight_memory& memory, at::IntArrayRef shape,
                                      at::ScalarType type, options how) {
  auto weight = at::empty(shape, at::TensorOptions{}.dtype(at::kFloat));
  if (auto ok = reader.read(name + ".weight", weight); !ok)
    return fail(ok);
  std::optional<at::Tensor> bias;
  if (reader.has(name + ".bias")) {
    auto loaded = reader.load(name + ".bias", memory, type);
    if (!loaded)
      return fail(loaded);
    bias = *loaded;
  }
  return make(weight, std::move(bias), memory, type, how);
}

at::Tensor convolution::run(const at::Tensor& x, at::IntArrayRef padding, bool relu) const {
  std::array<int64_t, 2> stride{how_.stride, how_.stride};
  if (!packed_) {
    auto out = at::conv2d(x, weight_, bias_, stride, padding);
    return relu ? out.relu_() : out;
  }
  static const auto call = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_convolution_pointwise", "")
                             .typed<pointwise>();
  return call.call(x, weight_, bias_, padding, stride, no_dilation, 1, relu ? "relu" : "none",
                   scalars{}, "");
}

at::Tensor convolution::operator()(const at::Tensor& x, bool relu) const {
  std::array<int64_t, 2> padding{how_.padding, how_.padding};
  return run(x, padding, relu);
}

at::Tensor convolution::within(const at::Tensor& x) const {
  std::array<int64_t, 2> padding{0, how_.padding};
  return run(x, padding, false);
}

void convolution::add_within(at::Tensor& sum, const at::Tensor& x) const {
  if (!packed_) {
    sum.add_(within(x));
    return;
  }
  std::array<int64_t, 2> stride{how_.stride, how_.stride};
  std::array<int64_t, 2> padding{0, how_.padding};
  static const auto call = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_convolution_pointwise_", "binary")
                             .typed<pointwise_sum>();
  call.call(sum, x, weight_, bias_, padding, stride, no_dilation, 1, "add", at::Scalar{1.0},
            std::nullopt, scalars{}, std::nullopt);
}

} // namespace luna::models
