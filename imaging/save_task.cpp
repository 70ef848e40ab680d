#include "imaging/save_task.hpp"

#include <algorithm>

#include "imaging/task_fields.hpp"

namespace luna::imaging {

namespace {

using json = nlohmann::ordered_json;

/// More entries than any node sends; a bound on what one task may hold.
constexpr size_t most_images = 1000;

/// A name or a template of one: longer than any path can be is a mistake, or means harm.
std::string name_text(task_fields& fields, std::string_view key) {
  constexpr size_t longest = 4096;
  auto text = fields.text(key);
  if (text.size() > longest)
    fields.wrong(key, "at most " + std::to_string(longest) + " bytes");
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

encoder_options parse_encoding(task_fields& fields) {
  encoder_options options;
  options.png = parse_png(fields);
  options.bit_depth = static_cast<int>(fields.integer("bit_depth", 8, 0, INT32_MAX));
  if (options.bit_depth != 8 && options.bit_depth != 16)
    fields.wrong("bit_depth", "8 or 16");
  options.lossy_quality = static_cast<int>(fields.integer("lossy_quality", 90, 1, 100));
  options.lossless_webp = fields.boolean("lossless_webp", false);
  return options;
}

std::optional<int64_t> parse_thumbnail(task_fields& fields) {
  const auto* value = fields.find("thumbnail");
  if (value == nullptr)
    return std::nullopt;
  task_fields inner{*value, "task_data.thumbnail"};
  const auto size = inner.integer("size", 256, 16, 4096);
  if (const auto problem = inner.problem())
    fields.wrong(*problem);
  return size;
}

std::optional<std::string> optional_text(task_fields& fields, std::string_view key) {
  if (fields.find(key) == nullptr)
    return std::nullopt;
  return name_text(fields, key);
}

save_image parse_image(const json& value, const std::string& path, task_fields& outer) {
  task_fields fields{value, path};
  save_image image;
  image.tensor = fields.text("tensor");
  if (image.tensor.empty())
    fields.wrong("tensor", "the name of a tensor in the body");
  image.affix = name_text(fields, "affix");
  if (image.affix.find_first_of("/\\") != std::string::npos)
    fields.wrong("affix", "a part of a name, without a slash");
  image.subdir = fields.boolean("subdir", false);
  image.save_dir = optional_text(fields, "save_dir");
  image.filename = optional_text(fields, "filename");
  image.format = static_cast<image_format>(fields.choice("format", 0, format_names()));
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

result<save_task> parse_save_task(const nlohmann::ordered_json& task_data) {
  task_fields fields{task_data, "task_data"};
  save_task task;
  task.output_dir = name_text(fields, "output_dir");
  task.save_path = name_text(fields, "save_path");
  task.filename = name_text(fields, "filename");
  task.filename_index = fields.integer("filename_index", 0, 0, INT64_MAX);
  task.model_name = name_text(fields, "model_name");
  task.templates = fields.boolean("templates", true);
  task.counter = parse_counter(fields);
  task.time = parse_time(fields);
  task.collision =
    static_cast<collision_mode>(fields.choice("collision", 0, {"rename", "overwrite", "fail"}));
  task.target = fields.text("target", "folder");
  task.gate = static_cast<quality_gate>(
    fields.choice("quality_gate", 0, {"disabled", "variance", "edge_density", "both"}));
  task.least_quality = fields.number("min_quality_threshold", 0.3, 0, 1);
  task.encoding = parse_encoding(fields);
  task.metadata = parse_metadata(fields);
  task.thumbnail = parse_thumbnail(fields);
  if (fields.find("archive") != nullptr)
    task.archive = name_text(fields, "archive");
  task.fast_durability = fields.choice("durability", 0, {"full", "fast"}) == 1;
  task.priority = static_cast<int>(fields.integer("priority", 0, -1, 1));
  task.images = parse_images(fields);
  if (const auto problem = fields.problem())
    return tl::make_unexpected(*problem);
  return task;
}

} // namespace luna::imaging
