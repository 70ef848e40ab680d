#pragma once

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/safetensors.hpp"
#include "base/tensor_block.hpp"
#include "models/family.hpp"
#include "models/run_context.hpp"
#include "models/text/text_encoder.hpp"
#include "models/tokenizers/tokenizer.hpp"
#include "models/vae/vae.hpp"
#include "models/weights/inspect.hpp"

/// What the tests of models/ share.
namespace luna::test {

/// A folder of its own that goes with the object.
class temporary_folder {
public:
  temporary_folder();
  ~temporary_folder();
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;

  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

private:
  std::filesystem::path path_;
};

std::string read_text(const std::filesystem::path& path);
void write_text(const std::filesystem::path& path, std::string_view text);

/// A golden file: its tensors and the cases of its metadata, as JSON text.
struct golden_file {
  std::shared_ptr<std::string> bytes;
  std::vector<named_tensor> tensors;
  std::string cases;

  const tensor_block& at(std::string_view name) const;
};

golden_file read_golden(const std::filesystem::path& path);

/// Largest |got - want|; infinite if shapes differ or a value is not a number.
double largest_error(const tensor_block& got, const tensor_block& want);

/// f32 values as a block, and deterministic noise of about unit size.
tensor_block floats(std::vector<int64_t> shape, const std::vector<float>& values);
tensor_block noise(std::vector<int64_t> shape, uint64_t seed, double size = 1.0);
std::vector<float> values_of(const tensor_block& block);

/// The test image of make_models.py: [H, W, C] bytes.
tensor_block pattern_image(int64_t height, int64_t width, int64_t channels, int64_t seed);

/// The file as it is now.
models::model_file file_of(const std::filesystem::path& path);

/// The value of a result, or a failed test that tells the failure.
template <class T>
T value(result<T> x) {
  if (!x)
    throw std::runtime_error(std::string{to_string(x.error().code)} + ": " + x.error().message);
  return std::move(*x);
}

/// A loaded text encoder or VAE, or why not.
result<std::unique_ptr<models::text_encoder>>
load_text_encoder(std::span<const models::model_file> files, const models::model_facts& facts,
                  const models::load_options& options, const models::run_context& context);
result<std::unique_ptr<models::vae>> load_vae(std::span<const models::model_file> files,
                                              const models::model_facts& facts,
                                              const models::load_options& options,
                                              const models::run_context& context);

/// A text encoder of those files, loaded on the CPU.
std::unique_ptr<models::text_encoder> load_text(const std::vector<models::model_file>& files);

/// AddressSanitizer keeps freed memory for a while, so there is nothing to measure.
boost::test_tools::assertion_result memory_can_be_measured(boost::unit_test::test_unit_id);

/// The tiny CLIP-L of the golden vectors, loaded.
std::unique_ptr<models::text_encoder> load_clip(std::string_view name = "clip_l.safetensors");

/// A job from tokens.
models::text_job job_of(const models::tokenized_text& text);

} // namespace luna::test
