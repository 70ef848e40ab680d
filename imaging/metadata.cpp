#include "imaging/metadata.hpp"

#include "imaging/json_dumps.hpp"

namespace luna::imaging {

namespace {

using json = nlohmann::ordered_json;

/// Of a picture's texts: EXIF has no more tags to spare, and no program shows more.
constexpr size_t most_keys = 256;

/// A string verbatim; everything else as Python's json.dumps writes it.
std::string verbatim_or_dumped(const json& value) {
  return value.is_string() ? value.get<std::string>() : json_dumps(value);
}

/// Adds a chunk for each key of an object. @returns the object, or nullptr.
const json* add_object(task_fields& fields, std::string_view key, metadata_fields& out,
                       std::vector<text_chunk>& text) {
  const auto* object = fields.find(key);
  if (object == nullptr)
    return nullptr;
  if (!object->is_object()) {
    fields.wrong(key, "an object");
    return nullptr;
  }
  for (const auto& [name, value] : object->items()) {
    if (name.empty() || name.find('\0') != std::string::npos) {
      out.unwritable.push_back(name);
      continue;
    }
    text.push_back({name, verbatim_or_dumped(value)});
  }
  return object;
}

/// The old Multi Saver's line for readers of EXIF.
std::string luna_line(const metadata_fields& fields, const picture_facts& picture) {
  const auto model = split_model_name(picture.model_name);
  auto line = "Image Type: " + picture.affix + ", Model: " + model.name
            + ", Model Path: " + model.path + ", Timestamp: " + to_string(picture.time)
            + ", Batch: " + std::to_string(picture.batch_index);
  if (!fields.metadata.empty())
    line += ", Generation Metadata: " + fields.metadata_dump;
  else if (!fields.custom.empty())
    line += ", Custom: " + fields.custom;
  return line;
}

void add_luna_chunks(std::vector<text_chunk>& chunks, const metadata_fields& fields,
                     const picture_facts& picture) {
  if (!fields.metadata.empty()) {
    chunks.push_back({"generation_metadata", fields.metadata_dump});
    for (const auto& [key, text] : fields.metadata)
      chunks.push_back({"gen_" + key, text});
  } else if (!fields.custom.empty()) {
    chunks.push_back({"custom_metadata", fields.custom});
  }
  const auto model = split_model_name(picture.model_name);
  chunks.push_back({"image_type", picture.affix});
  chunks.push_back({"model_name", model.name});
  chunks.push_back({"model_path", model.path});
  chunks.push_back({"save_timestamp", to_string(picture.time)});
  chunks.push_back({"batch_index", std::to_string(picture.batch_index)});
}

} // namespace

metadata_fields parse_metadata(task_fields& fields) {
  metadata_fields out;
  if (const auto* prompt = fields.find("prompt"))
    out.workflow.push_back({"prompt", verbatim_or_dumped(*prompt)});
  add_object(fields, "extra_pnginfo", out, out.workflow);
  out.luna = fields.boolean("luna_metadata", false);
  if (const auto* object = add_object(fields, "metadata", out, out.metadata);
      object != nullptr && !object->empty())
    out.metadata_dump = json_dumps(*object);
  if (out.workflow.size() + out.metadata.size() > most_keys)
    fields.wrong(failure{ec::bad_request,
                         "task_data has "
                           + std::to_string(out.workflow.size() + out.metadata.size())
                           + " keys in extra_pnginfo and metadata, a picture takes "
                           + std::to_string(most_keys) + ": put them into one text",
                         0,
                         {}});
  out.custom = fields.text("custom_metadata");
  out.parameters = fields.text("parameters_text");
  out.embed = fields.boolean("embed_workflow", true);
  return out;
}

picture_text text_of(const metadata_fields& fields, const picture_facts& picture) {
  picture_text out;
  out.date = format_time("YYYY:mm:dd HH:MM:SS", picture.time);
  if (!fields.embed)
    return out;
  out.chunks = fields.workflow;
  out.exif = fields.workflow;
  if (fields.luna) {
    add_luna_chunks(out.chunks, fields, picture);
    out.comment = luna_line(fields, picture);
  } else {
    out.chunks.insert(out.chunks.end(), fields.metadata.begin(), fields.metadata.end());
    out.exif.insert(out.exif.end(), fields.metadata.begin(), fields.metadata.end());
    if (!fields.custom.empty()) {
      out.chunks.push_back({"custom_metadata", fields.custom});
      out.exif.push_back({"custom_metadata", fields.custom});
    }
  }
  if (!fields.parameters.empty()) {
    // What A1111 writes; ComfyUI's frontend reads it where there is no workflow.
    out.chunks.push_back({"parameters", fields.parameters});
    if (!out.comment.empty())
      out.exif.push_back({"luna", out.comment});
    out.comment = fields.parameters;
  }
  return out;
}

} // namespace luna::imaging
