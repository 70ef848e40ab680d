#include "protocol/request_fields.hpp"

#include <algorithm>

namespace luna::protocol {

namespace {

constexpr size_t longest_model_name = 1024;
constexpr size_t most_model_files = 8;
constexpr int64_t longest_deadline_ms = 24 * 3600 * 1000;

constexpr word<dtype> reply_types[] = {
  {"f32", dtype::f32}, {"f16", dtype::f16}, {"bf16", dtype::bf16}, {"u8", dtype::u8}};

bool is_model_name(std::string_view text) {
  return !text.empty() && text.size() <= longest_model_name
      && std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

std::string with_slashes(std::string text) {
  std::replace(text.begin(), text.end(), '\\', '/');
  return text;
}

void read_files(field_reader& outer, std::string_view name, const json& x, model_field& model) {
  field_reader in{x, outer.full_name(name)};
  model.type = in.string("type", 64);
  model.files = in.strings_or_empty("files", most_model_files, longest_model_name);
  if (model.files.empty() || !std::all_of(model.files.begin(), model.files.end(), is_model_name))
    in.refuse("files", "an array of 1 to 8 file names");
  if (auto ok = in.finish(); !ok)
    return outer.refuse(ok.error());
  for (auto& file : model.files)
    file = with_slashes(std::move(file));
}

/// LoRA are applied or refused, never left out in silence.
void refuse_loras(field_reader& in) {
  auto* loras = in.array("loras");
  if (loras != nullptr && !loras->empty())
    in.refuse(failure{ec::bad_request,
                      "this server does not apply LoRA yet: send the request without 'loras', or "
                      "apply them in ComfyUI",
                      0,
                      {}});
}

} // namespace

std::optional<model_field> read_model_field(field_reader& in, std::string_view name) {
  auto* x = in.value(name);
  if (x == nullptr)
    return std::nullopt;
  model_field model;
  if (x->is_object())
    read_files(in, name, *x, model);
  else if (x->is_string() && is_model_name(x->get_ref<const std::string&>()))
    model.files = {with_slashes(x->get<std::string>())};
  else
    in.refuse(name, "the name of a model, or an object with 'type' and 'files'");
  return model;
}

common_fields read_common_fields(field_reader& in, const common_use& use) {
  using model_use = common_use::model_use;
  common_fields common;
  common.cmd = in.string("cmd", 256);
  if (use.model != model_use::none) {
    common.model = read_model_field(in, "model");
    if (!common.model && use.model == model_use::required)
      in.refuse("model", "the name of a model, or an object with 'type' and 'files'");
  }
  common.deadline = std::chrono::milliseconds{
    in.integer_or("deadline_ms", common.deadline.count(), {1, longest_deadline_ms})};
  common.priority = static_cast<int>(in.integer_or("priority", 0, {-1, 1}));
  common.progress = in.boolean_or("progress", false);
  if (use.dtype && in.value("dtype") != nullptr)
    common.reply_type = in.choice_or("dtype", dtype::f32, reply_types);
  if (use.loras)
    refuse_loras(in);
  return common;
}

result<std::string_view> command_of(const json& header) {
  auto cmd = header.find("cmd");
  if (cmd == header.end() || !cmd->is_string())
    return fail(ec::bad_request, "'cmd' must be the name of a command; it is "
                                   + (cmd == header.end() ? "missing" : describe(*cmd)));
  return std::string_view{cmd->get_ref<const std::string&>()};
}

} // namespace luna::protocol
