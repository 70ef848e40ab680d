#include "actors/gateway/commands/model_commands.hpp"

#include <string>
#include <utility>

#include "actors/gateway/commands/answer_json.hpp"
#include "actors/gateway/commands/token_json.hpp"
#include "messages/work_arguments.hpp"
#include "protocol/body.hpp"

namespace luna::commands {

using namespace session_parts;

namespace {

using model_use = protocol::common_use::model_use;

constexpr size_t max_text_bytes = 16 << 20;
constexpr protocol::int_range layers{-1000, -1};
constexpr protocol::int_range tile_sides{1, 1 << 20};
constexpr protocol::int_range picture_sides{0, 16384}; ///< as ComfyUI's CLIPTextEncodeSDXL

/// What all requests to a model have in common. @param kind of the work.
model_task make_task(const protocol::common_fields& common, const char* kind, model_kind pool) {
  model_task task;
  task.header.kind = kind;
  task.header.pool_kind = pool;
  if (common.model)
    task.header.model = {common.model->files, common.model->type};
  task.header.reply_type = common.reply_type.value_or(dtype::f32);
  task.header.priority = static_cast<int8_t>(common.priority);
  return task;
}

/// A `render` that adds an answer's attributes, which are a `T`.
template <class T, class Add>
auto rendered(Add add) {
  return [add](const task_answer& answer, protocol::json& header) {
    if (answer.attributes.match_elements<T>())
      add(header, answer.attributes.get_as<T>(0));
  };
}

// -- VAE ---

tiling_mode read_tiled(field_reader& in) {
  auto* x = in.value("tiled");
  if (x == nullptr || *x == "auto")
    return tiling_mode::automatic;
  if (x->is_boolean())
    return x->get<bool>() ? tiling_mode::on : tiling_mode::off;
  in.refuse("tiled", "\"auto\", true or false");
  return tiling_mode::automatic;
}

vae_tiling read_tiling(field_reader& in) {
  vae_tiling x;
  x.mode = read_tiled(in);
  x.method = in.choice_or("tiled_method", tiling_method::automatic,
                          {{"exact", tiling_method::exact}, {"comfyui", tiling_method::comfyui}});
  auto both = in.optional_integer("tile_size", tile_sides);
  auto width = in.optional_integer("tile_width", tile_sides);
  auto height = in.optional_integer("tile_height", tile_sides);
  if (both && (width || height))
    in.refuse(failure{ec::bad_request,
                      "'tile_size' says both sides of a tile: send either it, or 'tile_width' and "
                      "'tile_height'",
                      0,
                      {}});
  x.tile_width = static_cast<int32_t>(width.value_or(both.value_or(0)));
  x.tile_height = static_cast<int32_t>(height.value_or(both.value_or(0)));
  x.overlap = static_cast<int32_t>(in.integer_or("overlap", -1, {0, 1 << 20}));
  return x;
}

/// The one tensor of a body, by its name.
result<std::vector<named_tensor>> read_only_tensor(const active_request& request,
                                                   std::string_view name) {
  auto tensors = protocol::read_body(request.in->body);
  if (!tensors)
    return tensors;
  if (auto tensor = protocol::require_tensor(*tensors, name); !tensor)
    return fail(tensor);
  for (auto& x : *tensors)
    if (x.name != name)
      return fail(ec::bad_request, "the body holds a tensor '" + x.name.substr(0, 64)
                                     + "' that this command does not know; it takes '"
                                     + std::string{name} + "' alone");
  return tensors;
}

result<void> run_vae(self_pointer self, uint64_t task, active_request& request, const char* kind,
                     std::string_view input, bool answers_images) {
  field_reader in{request.in->header};
  auto common = read_common(self, request, in, {.model = model_use::required, .dtype = true});
  auto what = make_task(common, kind, model_kind::vae);
  what.header.arguments = caf::make_message(read_tiling(in));
  if (!answers_images && what.header.reply_type == dtype::u8)
    in.refuse("dtype", "\"f32\", \"f16\" or \"bf16\" for latents");
  if (auto ok = in.finish(); !ok)
    return ok;
  auto tensors = read_only_tensor(request, input);
  if (!tensors)
    return fail(tensors);
  what.tensors = std::move(*tensors);
  request.render = rendered<tiling_report>(add_tiling);
  run_model(self, task, std::move(what));
  return {};
}

// -- text ---

protocol::common_fields read_text_common(self_pointer self, active_request& request,
                                         field_reader& in) {
  auto common =
    read_common(self, request, in, {.model = model_use::required, .dtype = true, .loras = true});
  if (common.reply_type == dtype::u8)
    in.refuse("dtype", "\"f32\", \"f16\" or \"bf16\"");
  return common;
}

text_layer read_layer(field_reader& in) {
  text_layer x;
  if (auto layer = in.optional_integer("layer", layers)) {
    x.chosen = true;
    x.layer = static_cast<int32_t>(*layer);
  }
  x.projected = in.boolean_or("projected", true);
  return x;
}

text_cleanup read_cleanup(field_reader& in) {
  return in.choice_or("text_cleanup", text_cleanup::transformers5,
                      {{"transformers5", text_cleanup::transformers5},
                       {"transformers4", text_cleanup::transformers4}});
}

prompt_arguments read_prompts(field_reader& in) {
  prompt_arguments x;
  x.positive = in.string("positive", max_text_bytes);
  x.wants_negative = !in.is_null("negative");
  x.negative = in.string_or("negative", "", max_text_bytes);
  x.cleanup = read_cleanup(in);
  x.layer = read_layer(in);
  return x;
}

/// What SDXL's conditioning carries beside the prompt; the sampler reads it.
protocol::json read_sizes(field_reader& in) {
  protocol::json sizes;
  for (auto [name, value] : {std::pair{"width", 1024},
                             {"height", 1024},
                             {"crop_w", 0},
                             {"crop_h", 0},
                             {"target_width", 1024},
                             {"target_height", 1024}})
    sizes[name] = in.integer_or(name, value, picture_sides);
  return sizes;
}

} // namespace

result<void> model_info(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  auto common = read_common(self, request, in, {.model = model_use::required});
  auto kind = model_kind_of(in.string("kind"));
  if (!kind)
    in.refuse("kind", "\"text\", \"vae\", \"vision\" or \"vlm\"");
  if (auto ok = in.finish(); !ok)
    return ok;
  request.render = rendered<model_description>(add_description);
  run_model(self, task, make_task(common, "model_info", *kind));
  return {};
}

result<void> vae_encode(self_pointer self, uint64_t task, active_request& request) {
  return run_vae(self, task, request, "vae_encode", "pixels", false);
}

result<void> vae_decode(self_pointer self, uint64_t task, active_request& request) {
  return run_vae(self, task, request, "vae_decode", "latents", true);
}

result<void> clip_tokenize(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  auto common = read_common(self, request, in, {.model = model_use::required});
  auto what = make_task(common, "clip_tokenize", model_kind::text);
  tokenize_arguments arguments;
  arguments.text = in.string("text", max_text_bytes);
  arguments.cleanup = read_cleanup(in);
  auto word_ids = in.boolean_or("return_word_ids", false);
  if (auto ok = in.finish(); !ok)
    return ok;
  what.header.arguments = caf::make_message(std::move(arguments));
  request.render = rendered<tokenize_answer>(
    [word_ids](auto& header, auto& x) { header["tokens"] = to_json(x, word_ids); });
  run_model(self, task, std::move(what));
  return {};
}

result<void> clip_encode(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  auto common = read_text_common(self, request, in);
  auto what = make_task(common, "clip_encode", model_kind::text);
  auto arguments = read_prompts(in);
  if (auto ok = in.finish(); !ok)
    return ok;
  what.header.arguments = caf::make_message(std::move(arguments));
  run_model(self, task, std::move(what));
  return {};
}

result<void> clip_encode_sdxl(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  auto common = read_text_common(self, request, in);
  auto what = make_task(common, "clip_encode", model_kind::text);
  auto arguments = read_prompts(in);
  arguments.pair = true;
  arguments.positive_l = in.string_or("positive_l", arguments.positive, max_text_bytes);
  arguments.negative_l = in.string_or("negative_l", arguments.negative, max_text_bytes);
  auto sizes = read_sizes(in);
  if (auto ok = in.finish(); !ok)
    return ok;
  request.render = [sizes, both = arguments.wants_negative](const task_answer&, auto& header) {
    header["positive"] = sizes;
    if (both)
      header["negative"] = sizes;
  };
  what.header.arguments = caf::make_message(std::move(arguments));
  run_model(self, task, std::move(what));
  return {};
}

result<void> clip_encode_from_tokens(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  auto common = read_text_common(self, request, in);
  auto what = make_task(common, "clip_encode_from_tokens", model_kind::text);
  token_arguments arguments;
  read_tokens(in, arguments);
  arguments.layer = read_layer(in);
  if (auto ok = in.finish(); !ok)
    return ok;
  auto tensors = protocol::read_body(request.in->body);
  if (!tensors)
    return fail(tensors);
  what.tensors = std::move(*tensors);
  what.header.arguments = caf::make_message(std::move(arguments));
  run_model(self, task, std::move(what));
  return {};
}

} // namespace luna::commands
