#include "models/vae/convolution.hpp"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>

#include <array>
#include <string_view>
#include <utility>

namespace luna::models {

namespace {

// oneDNN's convolutions that take packed weights have operators without a C++ function of their
// own: they are called through the dispatcher, by name.
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

bool has_onednn(const at::Device& device) {
  return device.is_cpu() && at::globalContext().hasMKLDNN()
      && at::globalContext().userEnabledMkldnn();
}

/// The weight in the layout that oneDNN likes best for inputs like `x` on the threads of the
/// caller.
at::Tensor pack(const at::Tensor& weight, const at::Tensor& x, at::IntArrayRef padding,
                at::IntArrayRef stride) {
  torch::jit::Stack stack{weight,     padding.vec(),  stride.vec(), std::vector<int64_t>{1, 1},
                          int64_t{1}, x.sizes().vec()};
  c10::Dispatcher::singleton()
    .findSchemaOrThrow("mkldnn::_reorder_convolution_weight", "")
    .callBoxed(&stack);
  return stack.front().toTensor();
}

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight,
                    const std::optional<at::Tensor>& bias, at::IntArrayRef padding,
                    at::IntArrayRef stride, bool relu) {
  static const auto call = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_convolution_pointwise", "")
                             .typed<pointwise>();
  return call.call(x, weight, bias, padding, stride, no_dilation, 1, relu ? "relu" : "none",
                   scalars{}, "");
}

} // namespace

convolution convolution::make(const at::Tensor& weight, std::optional<at::Tensor> bias,
                              weight_memory& memory, at::ScalarType type, options how) {
  convolution made;
  made.bias_ = std::move(bias);
  made.how_ = how;
  if (how.padding < 0)
    made.how_.padding = weight.size(2) / 2;
  made.by_onednn_ = has_onednn(memory.device()) && type == at::kFloat;
  auto half = made.by_onednn_ && weight.to(at::kHalf).to(at::kFloat).equal(weight);
  auto kept = half ? at::kHalf : type;
  if (memory.device().is_cpu())
    made.weight_ =
      memory.take({weight.size(0), weight.size(2), weight.size(3), weight.size(1)}, kept)
        .permute({0, 3, 1, 2});
  else
    made.weight_ = memory.take(weight.sizes(), kept);
  made.weight_.copy_(weight);
  return made;
}

at::Tensor convolution::wide_weight() const {
  return by_onednn_ ? weight_.to(at::kFloat) : weight_;
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

at::Tensor convolution::operator()(const at::Tensor& x, bool relu) const {
  std::array<int64_t, 2> stride{how_.stride, how_.stride};
  std::array<int64_t, 2> padding{how_.padding, how_.padding};
  if (by_onednn_)
    return convolve(x, wide_weight(), bias_, padding, stride, relu);
  auto out = at::conv2d(x, weight_, bias_, stride, padding);
  return relu ? out.relu_() : out;
}

at::Tensor strip_convolution::weight_for(const at::Tensor& x) const {
  std::lock_guard guard{mutex_};
  auto& packed = packed_[x.size(2)];
  if (!packed.defined())
    packed = pack(of_.wide_weight(), x, std::array<int64_t, 2>{0, of_.how_.padding},
                  std::array<int64_t, 2>{of_.how_.stride, of_.how_.stride});
  return packed;
}

at::Tensor strip_convolution::operator()(const at::Tensor& x) const {
  std::array<int64_t, 2> stride{of_.how_.stride, of_.how_.stride};
  std::array<int64_t, 2> padding{0, of_.how_.padding};
  if (of_.by_onednn_)
    return convolve(x, weight_for(x), of_.bias_, padding, stride, false);
  return at::conv2d(x, of_.weight_, of_.bias_, stride, padding);
}

void strip_convolution::add(at::Tensor& sum, const at::Tensor& x) const {
  if (!of_.by_onednn_) {
    sum.add_((*this)(x));
    return;
  }
  std::array<int64_t, 2> stride{of_.how_.stride, of_.how_.stride};
  std::array<int64_t, 2> padding{0, of_.how_.padding};
  static const auto call = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_convolution_pointwise_", "binary")
                             .typed<pointwise_sum>();
  call.call(sum, x, weight_for(x), of_.bias_, padding, stride, no_dilation, 1, "add",
            at::Scalar{1.0}, std::nullopt, scalars{}, std::nullopt);
}

} // namespace luna::models
