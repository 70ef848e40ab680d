#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Allocator.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <new>
#include <string>
#include <utility>

#include "base/result.hpp"
#include "base/tensor_block.hpp"

/// Internal to models/: needs libtorch's headers.
namespace luna::models {

at::ScalarType scalar_type_of(dtype type);

/// The block's memory as a tensor that keeps the block alive. Read only.
at::Tensor view_of(const tensor_block& block);

/// The tensor's memory as a block that keeps the tensor alive: no copy for a contiguous one on the
/// CPU.
tensor_block block_of(const at::Tensor& tensor);

/// "cpu" or "cuda:<n>"; `bad_request` for anything else, and for a GPU that is not there.
result<at::Device> device_of(std::string_view name);

failure out_of_memory(const std::string& text);
failure failure_of(const c10::Error& error);

/// Runs `body` (which returns a result) without gradients and turns what libtorch throws into
/// failures.
template <class F>
auto guarded(F&& body) -> decltype(body()) {
  try {
    c10::InferenceMode mode;
    return std::forward<F>(body)();
  } catch (const c10::Error& error) {
    return tl::make_unexpected(failure_of(error));
  } catch (const std::bad_alloc&) {
    return tl::make_unexpected(out_of_memory("the system has no memory left"));
  } catch (const std::exception& error) {
    return fail(ec::internal, std::string{"libtorch failed: "} + error.what());
  }
}

} // namespace luna::models
