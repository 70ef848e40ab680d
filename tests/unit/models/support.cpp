#include "support.hpp"

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <unistd.h>

#include "models/device.hpp"

namespace luna::test {

namespace fs = std::filesystem;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
constexpr bool sanitized = __has_feature(address_sanitizer);
#else
constexpr bool sanitized = false;
#endif

} // namespace

temporary_folder::temporary_folder() {
  auto name = (fs::temp_directory_path() / "luna-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw std::runtime_error("no temporary folder");
  path_ = name;
}

temporary_folder::~temporary_folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string read_text(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in)
    throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_text(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream out{path, std::ios::binary | std::ios::trunc};
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  if (!out.flush())
    throw std::runtime_error("cannot write " + path.string());
}

const tensor_block& golden_file::at(std::string_view name) const {
  if (auto* found = find_tensor(tensors, name))
    return *found;
  throw std::runtime_error("the golden file has no " + std::string{name});
}

golden_file read_golden(const fs::path& path) {
  golden_file file;
  file.bytes = std::make_shared<std::string>(read_text(path));
  std::span<const std::byte> view{reinterpret_cast<const std::byte*>(file.bytes->data()),
                                  file.bytes->size()};
  file.tensors = value(read_safetensors(view, file.bytes));
  file.cases = value(parse_safetensors(view, view.size())).metadata.at("luna.cases");
  return file;
}

double largest_error(const tensor_block& got, const tensor_block& want) {
  if (got.shape() != want.shape() || got.type() != want.type())
    return std::numeric_limits<double>::infinity();
  auto x = got.as<float>();
  auto y = want.as<float>();
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    auto error = std::abs(static_cast<double>(x[i]) - static_cast<double>(y[i]));
    if (!(error <= worst))
      worst = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
  }
  return worst;
}

tensor_block floats(std::vector<int64_t> shape, const std::vector<float>& values) {
  return tensor_block::copy_of(dtype::f32, std::move(shape), std::as_bytes(std::span{values}));
}

tensor_block noise(std::vector<int64_t> shape, uint64_t seed, double size) {
  std::vector<float> values(element_count(shape).value());
  auto state = seed * 0x9E3779B97F4A7C15U + 1;
  for (auto& value : values) {
    // SplitMix64; the sum of four uniform pieces is bell-shaped enough.
    state += 0x9E3779B97F4A7C15U;
    auto z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    z ^= z >> 31;
    double sum = 0;
    for (int i = 0; i < 4; ++i)
      sum += static_cast<double>((z >> (16 * i)) & 0xFFFFU);
    value = static_cast<float>((sum / 65535.0 - 2.0) * size * std::sqrt(3.0));
  }
  return floats(std::move(shape), values);
}

std::vector<float> values_of(const tensor_block& block) {
  auto view = block.as<float>();
  return {view.begin(), view.end()};
}

tensor_block pattern_image(int64_t height, int64_t width, int64_t channels, int64_t seed) {
  std::vector<uint8_t> bytes;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < channels; ++c)
        bytes.push_back(static_cast<uint8_t>(
          ((3 * x * x + 5 * y * y + 7 * x * y) / 64 + 60 * c + 17 * seed + (x / 8 + y / 8) % 2 * 40)
          % 256));
  return tensor_block::copy_of(dtype::u8, {height, width, channels},
                               std::as_bytes(std::span{bytes}));
}

models::model_file file_of(const fs::path& path) {
  return value(models::stat_model_file(path));
}

boost::test_tools::assertion_result memory_can_be_measured(boost::unit_test::test_unit_id) {
  if (!sanitized)
    return true;
  boost::test_tools::assertion_result no{false};
  no.message() << "AddressSanitizer keeps freed memory; the system tests measure a real node";
  return no;
}

namespace {

/// The model as what it is.
template <class Model>
result<std::unique_ptr<Model>> narrow(result<std::unique_ptr<models::loaded_model>> model) {
  if (!model)
    return fail(model);
  BOOST_REQUIRE(dynamic_cast<Model*>(model->get()) != nullptr);
  return std::unique_ptr<Model>{static_cast<Model*>(model->release())};
}

} // namespace

result<std::unique_ptr<models::text_encoder>>
load_text_encoder(std::span<const models::model_file> files, const models::model_facts& facts,
                  const models::load_options& options, const models::run_context& context) {
  return narrow<models::text_encoder>(models::load_model(files, facts, options, context));
}

result<std::unique_ptr<models::vae>> load_vae(std::span<const models::model_file> files,
                                              const models::model_facts& facts,
                                              const models::load_options& options,
                                              const models::run_context& context) {
  return narrow<models::vae>(models::load_model(files, facts, options, context));
}

std::unique_ptr<models::text_encoder> load_text(const std::vector<models::model_file>& files) {
  models::init_worker_thread(1);
  auto facts = value(models::inspect_model(model_kind::text, files));
  return value(load_text_encoder(files, facts, {}, {}));
}

std::unique_ptr<models::text_encoder> load_clip(std::string_view name) {
  return load_text({file_of(fs::path{LUNA_TEST_MODELS} / name)});
}

models::text_job job_of(const models::tokenized_text& text) {
  models::text_job job;
  job.tokens = text.tokens;
  for (auto& x : text.embeddings)
    job.embeddings.push_back(x.tensor);
  return job;
}

} // namespace luna::test
