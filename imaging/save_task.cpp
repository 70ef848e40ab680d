#include "imaging/save_task.hpp"

#include <algorithm>
#include <set>

#include "imaging/json_dumps.hpp"
#include "imaging/pixels.hpp"
#include "imaging/task_fields.hpp"

namespace luna::imaging {

namespace {

using json = nlohmann::ordered_json;

/// More entries than any node sends; a bound on what one task may hold.
constexpr size_t most_images = 1000;

/// A string verbatim; everything else as Python's json.dumps writes it.
std::string verbatim_or_dumped(const json& value) {
  return value.is_string() ? value.get<std::string>() : json_dumps(value);
}

/// Adds a chunk for each key of an object.
void add_object(task_fields& fields, std::string_view key, std::vector<text_chunk>& text) {
  const auto* object = fields.find(key);
  if (object == nullptr)
    return;
  if (!object->is_object()) {
    fields.wrong(key, "an object");
    return;
  }
  for (const auto& [name, value] : object->items()) {
    if (!is_png_keyword(name))
      fields.wrong(
        failure{ec::bad_request,
                std::string{key} + " has the key '" + name.substr(0, 100)
                  + "': a key of a picture's metadata has 1 to 79 printable Latin-1 characters",
                0,
                {}});
    text.push_back({name, verbatim_or_dumped(value)});
  }
}

std::vector<text_chunk> parse_text(task_fields& fields) {
  std::vector<text_chunk> text;
  if (const auto* prompt = fields.find("prompt"))
    text.push_back({"prompt", verbatim_or_dumped(*prompt)});
  add_object(fields, "extra_pnginfo", text);
  add_object(fields, "metadata", text);
  // What A1111 writes; ComfyUI's frontend reads it where there is no workflow.
  if (const auto parameters = fields.text("parameters_text"); !parameters.empty())
    text.push_back({"parameters", parameters});
  return text;
}

png_options parse_png(task_fields& fields) {
  png_options options;
  options.compression = static_cast<int>(fields.integer("png_compression", 4, 0, 9));
  switch (fields.choice("png_encoder", 2, {"fast", "small"})) {
  case 0:
    options.encoder = png_encoder::fast;
    break;
  case 1:
    options.encoder = png_encoder::small;
    break;
  default:
    break;
  }
  return options;
}

std::optional<counter_spec> parse_counter(task_fields& fields) {
  const auto* value = fields.find("counter");
  if (value == nullptr)
    return std::nullopt;
  task_fields inner{*value, "task_data.counter"};
  counter_spec counter;
  counter.digits = static_cast<int>(inner.integer("digits", 5, 1, 18));
  counter.suffix = inner.text("suffix", "_");
  const bool plain = std::none_of(counter.suffix.begin(), counter.suffix.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f
        || std::string_view{"/\\<>:\"|?*"}.find(c) != std::string_view::npos;
  });
  if (!plain || counter.suffix.size() > 64)
    inner.wrong("suffix", "at most 64 characters that may stand in a file name");
  if (const auto problem = inner.problem())
    fields.wrong(*problem);
  return counter;
}

std::optional<timestamp> parse_time(task_fields& fields) {
  const auto text = fields.text("timestamp");
  if (text.empty())
    return std::nullopt;
  const auto time = parse_timestamp(text);
  if (!time)
    fields.wrong("timestamp", "a time like 2026-11-22T10:00:00 or 2026_11_22_100000");
  return time;
}

/// Parts that have their own issue: nothing may answer success without doing it.
void refuse_what_is_not_built(task_fields& fields) {
  fields.not_built("target", "folder");
  fields.not_built("quality_gate", "disabled");
  fields.not_built("min_quality_threshold", 0.3);
  fields.not_built("bit_depth", 8);
  fields.not_built("lossy_quality", 90);
  fields.not_built("lossless_webp", false);
  fields.not_built("custom_metadata", "");
  fields.not_built("luna_metadata", false);
  fields.not_built("thumbnail", nullptr);
  fields.not_built("archive", nullptr);
}

std::optional<std::string> optional_text(task_fields& fields, std::string_view key) {
  if (fields.find(key) == nullptr)
    return std::nullopt;
  return fields.text(key);
}

save_image parse_image(const json& value, const std::string& path, task_fields& outer) {
  task_fields fields{value, path};
  save_image image;
  image.tensor = fields.text("tensor");
  if (image.tensor.empty())
    fields.wrong("tensor", "the name of a tensor in the body");
  image.affix = fields.text("affix");
  if (image.affix.find_first_of("/\\") != std::string::npos)
    fields.wrong("affix", "a part of a name, without a slash");
  image.subdir = fields.boolean("subdir", false);
  image.save_dir = optional_text(fields, "save_dir");
  image.filename = optional_text(fields, "filename");
  const auto format =
    fields.choice("format", 0, {"png", "webp", "jpeg", "avif", "jxl", "tiff", "exr"});
  if (format != 0)
    fields.not_built("format", "png");
  if (const auto problem = fields.problem())
    outer.wrong(*problem);
  return image;
}

std::vector<save_image> parse_images(task_fields& fields) {
  std::vector<save_image> images;
  const auto* list = fields.find("images");
  if (list == nullptr || !list->is_array() || list->empty() || list->size() > most_images) {
    fields.wrong("images", "a list of 1 to " + std::to_string(most_images) + " images");
    return images;
  }
  for (size_t i = 0; i < list->size(); ++i)
    images.push_back(
      parse_image((*list)[i], "task_data.images[" + std::to_string(i) + "]", fields));
  return images;
}

} // namespace

std::string_view extension_of(image_format format) {
  switch (format) {
  case image_format::png:
    return "png";
  }
  return "";
}

std::optional<image_format> format_of_extension(std::string_view extension) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  std::string text{extension};
  std::transform(text.begin(), text.end(), text.begin(), lower);
  return text == "png" ? std::optional{image_format::png} : std::nullopt;
}

result<save_task> parse_save_task(const nlohmann::ordered_json& task_data) {
  task_fields fields{task_data, "task_data"};
  save_task task;
  task.output_dir = fields.text("output_dir");
  task.save_path = fields.text("save_path");
  task.filename = fields.text("filename");
  task.filename_index = fields.integer("filename_index", 0, 0, INT64_MAX);
  task.model_name = fields.text("model_name");
  task.templates = fields.boolean("templates", true);
  task.counter = parse_counter(fields);
  task.time = parse_time(fields);
  task.collision =
    static_cast<collision_mode>(fields.choice("collision", 0, {"rename", "overwrite", "fail"}));
  task.png = parse_png(fields);
  task.embed_workflow = fields.boolean("embed_workflow", true);
  task.text = parse_text(fields);
  if (!task.embed_workflow)
    task.text.clear();
  task.fast_durability = fields.choice("durability", 0, {"full", "fast"}) == 1;
  task.priority = static_cast<int>(fields.integer("priority", 0, -1, 1));
  refuse_what_is_not_built(fields);
  task.images = parse_images(fields);
  if (const auto problem = fields.problem())
    return tl::make_unexpected(*problem);
  return task;
}

result<std::vector<std::byte>> encode(const save_task& task, image_format format,
                                      const tensor_block& picture) {
  switch (format) {
  case image_format::png:
    return encode_png(to_u8(picture), task.png, task.text);
  }
  return fail(ec::internal, "a picture has no known format");
}

} // namespace luna::imaging
