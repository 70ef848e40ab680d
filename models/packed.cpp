#include "models/packed.hpp"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <array>
#include <string_view>

namespace luna::models {

namespace {

// oneDNN's repacked weights have operators without a C++ function of their own: they are called
// through the dispatcher, by name.
using scalars = c10::List<std::optional<at::Scalar>>;

using linear_pointwise = at::Tensor(const at::Tensor&, const at::Tensor&,
                                    const std::optional<at::Tensor>&, std::string_view, scalars,
                                    std::optional<std::string_view>);

using convolution_pointwise = at::Tensor(const at::Tensor&, const at::Tensor&,
                                         const std::optional<at::Tensor>&, at::IntArrayRef,
                                         at::IntArrayRef, at::IntArrayRef, int64_t,
                                         std::string_view, scalars,
                                         std::optional<std::string_view>);

template <class Signature>
c10::TypedOperatorHandle<Signature> operator_of(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

at::Tensor call_boxed(const char* name, torch::jit::Stack stack) {
  c10::Dispatcher::singleton().findSchemaOrThrow(name, "").callBoxed(&stack);
  return stack.front().toTensor();
}

bool can_pack(const at::Device& device) {
  return device.is_cpu() && at::globalContext().hasMKLDNN()
      && at::globalContext().userEnabledMkldnn();
}

at::Tensor pack_linear(const at::Tensor& weight) {
  return call_boxed("mkldnn::_reorder_linear_weight", {weight, c10::IValue{}});
}

at::Tensor pack_convolution(const at::Tensor& weight, int64_t padding, int64_t stride) {
  auto pair = [](int64_t x) { return std::vector<int64_t>{x, x}; };
  return call_boxed("mkldnn::_reorder_convolution_weight",
                    {weight, pair(padding), pair(stride), pair(1), int64_t{1}, c10::IValue{}});
}

uint64_t bytes_of(at::IntArrayRef shape) {
  return static_cast<uint64_t>(c10::multiply_integers(shape)) * sizeof(float);
}

} // namespace

result<packed_linear> packed_linear::load(const std::vector<linear_names>& sources,
                                          weight_reader& reader, weight_memory& memory,
                                          int64_t rows, int64_t columns) {
  packed_linear made;
  auto share = rows / static_cast<int64_t>(sources.size());
  auto pack = can_pack(memory.device());
  auto type = memory.device().is_cpu() ? at::kFloat : at::kHalf;
  auto weight = pack ? at::empty({rows, columns}, at::TensorOptions{}.dtype(type))
                     : memory.take({rows, columns}, type);
  made.bias_ = memory.take({rows}, at::kFloat);
  int64_t at = 0;
  for (auto& x : sources) {
    if (auto ok = reader.read(x.weight, weight.narrow(0, at, share)); !ok)
      return fail(ok);
    if (auto ok = reader.read(x.bias, made.bias_.narrow(0, at, share)); !ok)
      return fail(ok);
    at += share;
  }
  if (pack)
    memory.count(bytes_of(weight.sizes()));
  made.weight_ = pack ? pack_linear(weight) : weight;
  made.packed_ = pack;
  return made;
}

at::Tensor packed_linear::operator()(const at::Tensor& x) const {
  if (!packed_)
    return at::linear(x, weight_.to(at::kFloat), bias_);
  static const auto call = operator_of<linear_pointwise>("mkldnn::_linear_pointwise");
  return call.call(x, weight_, bias_, "none", scalars{}, "");
}

result<packed_convolution> packed_convolution::load(const std::string& name, weight_reader& reader,
                                                    weight_memory& memory, at::IntArrayRef shape,
                                                    at::ScalarType type, int64_t stride) {
  packed_convolution made;
  made.stride_ = stride;
  made.padding_ = shape[2] / 2;
  auto pack = can_pack(memory.device());
  auto weight = pack ? at::empty(shape, at::TensorOptions{}.dtype(type)) : memory.take(shape, type);
  if (auto ok = reader.read(name + ".weight", weight); !ok)
    return fail(ok);
  if (reader.has(name + ".bias")) {
    auto bias = memory.take({shape[0]}, type);
    if (auto ok = reader.read(name + ".bias", bias); !ok)
      return fail(ok);
    made.bias_ = bias;
  }
  if (pack)
    memory.count(bytes_of(shape));
  made.weight_ = pack ? pack_convolution(weight, made.padding_, stride) : weight;
  made.packed_ = pack;
  return made;
}

at::Tensor packed_convolution::operator()(const at::Tensor& x, bool relu) const {
  std::array<int64_t, 2> stride{stride_, stride_};
  std::array<int64_t, 2> padding{padding_, padding_};
  std::array<int64_t, 2> dilation{1, 1};
  if (!packed_) {
    auto out = at::conv2d(x, weight_, bias_, stride, padding);
    return relu ? out.relu_() : out;
  }
  static const auto call = operator_of<convolution_pointwise>("mkldnn::_convolution_pointwise");
  return call.call(x, weight_, bias_, padding, stride, dilation, 1, relu ? "relu" : "none",
                   scalars{}, "");
}

} // namespace luna::models
