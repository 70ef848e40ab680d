#include "models/packed.hpp"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <string_view>

namespace luna::models {

namespace {

// oneDNN's repacked weights have operators without a C++ function of their own: they are called
// through the dispatcher, by name.
using scalars = c10::List<std::optional<at::Scalar>>;

using linear_pointwise = at::Tensor(const at::Tensor&, const at::Tensor&,
                                    const std::optional<at::Tensor>&, std::string_view, scalars,
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

} // namespace luna::models
