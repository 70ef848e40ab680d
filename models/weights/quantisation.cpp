#include "models/weights/quantisation.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <string>

namespace luna::models {

namespace {

/// A tensor that is there only beside quantised weights.
struct trace {
  std::string_view ending; ///< of its name; before it stands the layer's
  std::string_view format; ///< empty: the type of the layer's weight tells
};

// What tells most comes first: the formats share some of these names.
constexpr std::array<trace, 12> traces{{
  {".comfy_quant", ""},
  {".weight.quant_state.bitsandbytes__nf4", "nf4 (bitsandbytes)"},
  {".weight.quant_state.bitsandbytes__fp4", "fp4 (bitsandbytes)"},
  {".SCB", "int8 (bitsandbytes)"},
  {".weight.absmax", "4 bits (bitsandbytes)"},
  {".weight_scale_2", "nvfp4"},
  {".weight_scale", ""},
  {".scale_weight", ""},
  {".input_scale", ""},
  {".scale_input", ""},
  {".scaled_fp8", "scaled fp8"},
  {"scaled_fp8", "scaled fp8"}, // at the root of a file
}};

std::string format_of_type(const safetensors_entry& entry) {
  if (!entry.packed_type.empty())
    return "packed values (" + std::string{entry.packed_type} + ")";
  switch (entry.type) {
  case dtype::f8_e4m3:
  case dtype::f8_e5m2:
    return "fp8 (" + std::string{safetensors_name(entry.type)} + ")";
  case dtype::i8:
    return "int8";
  default:
    return "packed values (" + std::string{safetensors_name(entry.type)} + ")";
  }
}

/// The format that ComfyUI wrote beside a layer: {"format": "float8_e4m3fn"}.
std::string comfy_format(const checkpoint& file, const std::string& name) {
  constexpr uint64_t most = 4096;
  auto* entry = file.find(name);
  if (entry == nullptr || entry->end - entry->begin > most)
    return {};
  std::string text(entry->end - entry->begin, '\0');
  if (!file.read(name, 0, std::as_writable_bytes(std::span{text})))
    return {};
  auto json = nlohmann::json::parse(text, nullptr, false);
  auto format = json.is_object() ? json.find("format") : json.end();
  if (!json.is_object() || format == json.end() || !format->is_string())
    return {};
  return format->get<std::string>().substr(0, 40);
}

std::string format_of(const checkpoint& file, const trace& found, const std::string& name,
                      const std::string& layer) {
  if (!found.format.empty())
    return std::string{found.format};
  if (found.ending == ".comfy_quant")
    if (auto told = comfy_format(file, name); !told.empty())
      return told + " (comfy_quant)";
  auto* weight = file.find(layer + ".weight");
  return weight == nullptr ? "scaled values" : format_of_type(*weight) + " with scales";
}

bool is_packed(const std::string& name, const safetensors_entry& entry) {
  auto type = entry.type;
  return !entry.packed_type.empty() || type == dtype::f8_e4m3 || type == dtype::f8_e5m2
      || type == dtype::i8 || (type == dtype::u8 && name.ends_with(".weight"));
}

} // namespace

result<void> check_not_quantised(const checkpoint& file, std::string_view prefix,
                                 std::string_view what) {
  auto rank = traces.size();
  std::string layer;
  std::string format;
  for (auto& [name, place] : file.tensors()) {
    if (!name.starts_with(prefix) && name != "scaled_fp8")
      continue;
    for (size_t i = 0; i < rank; ++i)
      if (name.ends_with(traces[i].ending)) {
        rank = i;
        layer = name.substr(0, name.size() - traces[i].ending.size());
        format = format_of(file, traces[i], name, layer);
      }
    if (layer.empty() && format.empty() && is_packed(name, *place.entry)) {
      layer = name;
      format = format_of_type(*place.entry);
    }
  }
  if (format.empty())
    return {};
  return fail(ec::unsupported_model,
              "the " + std::string{what} + " in " + file.title() + " is quantised: "
                + (layer.empty() ? "it" : "'" + layer + "'") + " is stored as " + format
                + ", which this build does not compute with; name its fp16, bf16 or fp32 file");
}

} // namespace luna::models
