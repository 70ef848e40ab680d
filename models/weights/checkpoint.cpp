#include "models/weights/checkpoint.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace luna::models {

namespace {

std::string lower_extension(const std::filesystem::path& path) {
  auto text = path.extension().string();
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

result<void> check_format(const std::filesystem::path& path) {
  auto extension = lower_extension(path);
  if (extension == ".safetensors" || extension == ".sft")
    return {};
  static constexpr std::array<std::string_view, 5> pickles{".ckpt", ".pt", ".pth", ".bin", ".pkl"};
  if (std::find(pickles.begin(), pickles.end(), extension) != pickles.end())
    return fail(ec::unsupported_model,
                "the model file " + path.string()
                  + " is a Python pickle, which may run code when it is read: convert it once (load"
                    " it with torch.load(file, weights_only=True), write its tensors with"
                    " safetensors.torch.save_file) and name the safetensors file");
  return fail(ec::unsupported_model,
              "the model file " + path.string() + " is not a safetensors file");
}

/// Bare numbers are layers of an autoencoder's half; only the encoder has one that is numbered 0.
std::string_view half_prefix(const safetensors_header& header) {
  auto encoder = false;
  for (auto& entry : header.entries) {
    if (entry.name.empty() || entry.name.front() < '0' || entry.name.front() > '9')
      return {};
    encoder = encoder || entry.name.starts_with("0.");
  }
  return encoder ? "taesd_encoder." : "taesd_decoder.";
}

constexpr int max_numbered = 10000; ///< layers of one model

bool is_float(dtype type) {
  return type == dtype::f32 || type == dtype::f16 || type == dtype::bf16;
}

std::string_view type_name(const safetensors_entry& entry) {
  return entry.packed_type.empty() ? safetensors_name(entry.type) : entry.packed_type;
}

} // namespace

result<checkpoint> checkpoint::open(std::span<const model_file> files) {
  if (files.empty())
    return fail(ec::bad_request, "a model needs at least one file");
  for (auto& file : files)
    if (auto ok = check_format(file.path); !ok)
      return fail(ok);
  checkpoint opened;
  opened.files_.reserve(files.size());
  for (auto& file : files) {
    auto one = safetensors_file::open(file);
    if (!one)
      return fail(one);
    opened.files_.push_back(std::move(*one));
  }
  for (size_t i = 0; i < files.size(); ++i)
    if (auto ok = opened.add(i); !ok)
      return fail(ok);
  return opened;
}

result<std::vector<checkpoint>> open_text_files(std::span<const model_file> files) {
  std::vector<checkpoint> opened;
  opened.reserve(files.size());
  for (auto& file : files) {
    auto one = checkpoint::open({&file, 1});
    if (!one)
      return fail(one);
    opened.push_back(std::move(*one));
  }
  return opened;
}

result<void> checkpoint::add(size_t index) {
  auto& header = files_[index].header();
  std::string prefix{half_prefix(header)};
  for (auto& entry : header.entries)
    if (!tensors_.emplace(prefix + entry.name, tensor{index, &entry}).second)
      return fail(ec::bad_model_file, "the model files " + title() + " do not belong together: '"
                                        + entry.name + "' is in more than one");
  return {};
}

const safetensors_entry* checkpoint::find(std::string_view name) const {
  auto i = tensors_.find(name);
  return i == tensors_.end() ? nullptr : i->second.entry;
}

bool checkpoint::has_prefix(std::string_view prefix) const {
  auto i = tensors_.lower_bound(prefix);
  return i != tensors_.end() && std::string_view{i->first}.substr(0, prefix.size()) == prefix;
}

int checkpoint::numbered(std::string_view prefix) const {
  int count = 0;
  for (auto i = tensors_.lower_bound(prefix); i != tensors_.end() && i->first.starts_with(prefix);
       ++i) {
    auto* end = i->first.data() + i->first.size();
    int number = 0;
    auto [rest, error] = std::from_chars(i->first.data() + prefix.size(), end, number);
    if (error == std::errc{} && rest != end && *rest == '.' && number >= 0 && number < max_numbered)
      count = std::max(count, number + 1);
  }
  return count;
}

int64_t checkpoint::rows(std::string_view name) const {
  auto* entry = find(name);
  return entry == nullptr || entry->shape.empty() ? 0 : entry->shape.front();
}

result<void> checkpoint::require(std::string_view name) const {
  if (has(name))
    return {};
  return fail(ec::bad_model_file, "the model file " + title() + " is broken: tensor '"
                                    + std::string{name} + "' is missing");
}

result<void> checkpoint::expect(std::string_view name, std::span<const int64_t> shape) const {
  if (auto ok = require(name); !ok)
    return ok;
  auto* entry = find(name);
  auto broken = [&](const std::string& what) {
    return fail(ec::bad_model_file, "the model file " + title() + " is broken: tensor '"
                                      + std::string{name} + "' " + what);
  };
  if (!is_float(entry->type))
    return broken("has the type " + std::string{type_name(*entry)}
                  + "; F32, F16 and BF16 are read");
  if (!std::equal(shape.begin(), shape.end(), entry->shape.begin(), entry->shape.end()))
    return broken("has the shape " + format_shape(entry->shape) + " instead of "
                  + format_shape(shape));
  return {};
}

result<void> checkpoint::read(std::string_view name, uint64_t offset,
                              std::span<std::byte> into) const {
  auto& place = tensors_.find(name)->second;
  return files_[place.file].read(*place.entry, offset, into);
}

result<void> checkpoint::check_unchanged() const {
  for (auto& file : files_)
    if (auto ok = file.check_unchanged(); !ok)
      return fail(ok);
  return {};
}

std::string checkpoint::title() const {
  std::string text;
  for (auto& file : files_)
    text += (text.empty() ? "" : " + ") + file.path().string();
  return text;
}

} // namespace luna::models
