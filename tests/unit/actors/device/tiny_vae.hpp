#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/safetensors.hpp"
#include "models/vae/taesd_layout.hpp"

namespace luna::testing {

/// A file in TAESD's layout with four channels in its body and four in its latents. Its weights are
/// computed: good for answers that are finite and repeatable, not for pictures.
class tiny_vae {
public:
  tiny_vae() {
    half("taesd_encoder.", models::taesd_encoder_steps(), 3, 4);
    half("taesd_decoder.", models::taesd_decoder_steps(), 4, 3);
  }

  std::string file() const { return write_safetensors(tensors_); }

private:
  static constexpr int64_t width = 4;

  void half(const std::string& prefix, std::span<const models::taesd_step> steps, int64_t first,
            int64_t last) {
    for (auto& step : steps) {
      auto name = prefix + std::to_string(step.index);
      if (step.kind == models::taesd_step::what::block)
        for (auto part : {".conv.0", ".conv.2", ".conv.4"})
          convolution(name + part, width, width);
      else
        convolution(name, &step == &steps.back() ? last : width,
                    &step == &steps.front() ? first : width);
    }
  }

  void convolution(const std::string& name, int64_t rows, int64_t columns) {
    add(name + ".weight", {rows, columns, 3, 3});
    add(name + ".bias", {rows});
  }

  void add(const std::string& name, std::vector<int64_t> shape) {
    std::vector<float> values(element_count(shape).value());
    for (auto& value : values) {
      random_ = random_ * 6364136223846793005u + 1442695040888963407u;
      value = (static_cast<float>(random_ >> 40) / 16777216.0f - 0.5f) * 0.4f;
    }
    tensors_.push_back({name, tensor_block::copy_of(dtype::f32, std::move(shape),
                                                    std::as_bytes(std::span{values}))});
  }

  std::vector<named_tensor> tensors_;
  uint64_t random_ = 1;
};

} // namespace luna::testing
