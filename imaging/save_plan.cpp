#include "imaging/save_plan.hpp"

#include <nlohmann/json.hpp>

#include "imaging/general_formats.hpp"
#include "imaging/pixels.hpp"

namespace luna::imaging {

namespace {

using json = nlohmann::ordered_json;

constexpr int thumbnail_quality = 80;

std::string dump(const json& x) {
  return x.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// Judges a picture, and sends it elsewhere if it does not pass.
void apply_gate(const save_task& task, planned_file& file) {
  if (task.gate == quality_gate::disabled)
    return;
  const auto verdict = judge(to_u8(file.pixels), task.gate, task.least_quality);
  file.role.score = verdict.score;
  if (!verdict.passes) {
    file.role.discarded = true;
    file.place.subfolder = file.place.discarded_to;
  }
}

result<planned_file> picture_file_of(const save_task& task, image_plan place,
                                     const tensor_block& picture) {
  const auto& entry = task.images[place.entry];
  // resolve_names has looked: it is a picture.
  if (const auto fits = check_sides(entry.format, task.encoding, *picture_shape_of(picture)); !fits)
    return fail(fits.error().code,
                "images[" + std::to_string(place.entry) + "]: " + fits.error().message);
  planned_file file;
  file.role.format = entry.format;
  file.role.affix = entry.affix;
  file.role.batch_index = place.row;
  file.role.left_out = keys_left_out(entry.format, task.metadata);
  auto kept = pixels_to_keep(entry.format, task.encoding, picture);
  file.role.non_finite = kept.non_finite;
  file.pixels = std::move(kept.pixels);
  file.place = std::move(place);
  apply_gate(task, file);
  return file;
}

/// Adds the thumbnails of all pictures that pass, already small: so they take little room until
/// they are written.
result<void> add_thumbnails(const save_task& task, save_plan& plan) {
  const auto pictures = plan.files.size();
  for (size_t i = 0; i < pictures; ++i) {
    if (plan.files[i].role.discarded)
      continue;
    auto small = shrunk(to_u8(plan.files[i].pixels), *task.thumbnail);
    if (!small)
      return tl::make_unexpected(small.error());
    planned_file file;
    file.role.kind = file_kind::thumbnail;
    file.role.format = image_format::webp;
    file.role.affix = plan.files[i].role.affix;
    file.role.of = static_cast<uint32_t>(i);
    file.place = thumbnail_plan(plan.files[i].place);
    file.pixels = std::move(*small);
    plan.files.push_back(std::move(file));
  }
  return {};
}

std::string_view name_of(file_kind kind) {
  switch (kind) {
  case file_kind::thumbnail:
    return "thumbnail";
  case file_kind::archive:
    return "archive";
  default:
    return "picture";
  }
}

json object_of(const file_role& role) {
  json x{{"kind", name_of(role.kind)},
         {"format", format_names()[static_cast<size_t>(role.format)]},
         {"affix", role.affix},
         {"batch", role.batch_index},
         {"of", role.of}};
  if (role.score)
    x["score"] = *role.score;
  if (role.discarded)
    x["discarded"] = true;
  if (role.non_finite > 0)
    x["non_finite"] = role.non_finite;
  if (!role.left_out.empty())
    x["left_out"] = role.left_out;
  return x;
}

/// @throws what nlohmann throws for another object.
file_role role_of(const json& x) {
  file_role role;
  const auto& kind = x.at("kind").get_ref<const std::string&>();
  role.kind = kind == "thumbnail" ? file_kind::thumbnail
            : kind == "archive"   ? file_kind::archive
                                  : file_kind::picture;
  const auto format = format_of_extension(x.at("format").get_ref<const std::string&>());
  role.format = format.value();
  x.at("affix").get_to(role.affix);
  x.at("batch").get_to(role.batch_index);
  x.at("of").get_to(role.of);
  if (x.contains("score"))
    role.score = x["score"].get<double>();
  role.discarded = x.value("discarded", false);
  role.non_finite = x.value("non_finite", uint64_t{0});
  role.left_out = x.value("left_out", std::vector<std::string>{});
  return role;
}

} // namespace

save_roles save_plan::roles() const {
  save_roles out{time, {}};
  for (const auto& file : files)
    out.files.push_back(file.role);
  return out;
}

std::string to_text(const save_roles& roles) {
  json x{{"time", to_string(roles.time)}, {"files", json::array()}};
  for (const auto& role : roles.files)
    x["files"].push_back(object_of(role));
  return dump(x);
}

result<save_roles> parse_roles(std::string_view text, const save_task& task, size_t files) {
  save_roles roles;
  roles.time = task.time.value_or(timestamp{});
  if (text.empty()) {
    roles.files.resize(files);
    return roles;
  }
  try {
    const auto x = json::parse(text);
    roles.time = parse_timestamp(x.at("time").get_ref<const std::string&>()).value();
    for (const auto& file : x.at("files"))
      roles.files.push_back(role_of(file));
  } catch (const std::exception& e) {
    return fail(ec::internal, std::string{"the job's plan cannot be read: "} + e.what());
  }
  return roles;
}

result<save_plan> plan_save(const save_task& task, std::span<const named_tensor> tensors,
                            std::chrono::system_clock::time_point now,
                            const std::vector<std::string>& allowed) {
  auto places = resolve_names(task, tensors, now, allowed);
  if (!places)
    return fail(places);
  save_plan plan{task.time.value_or(local_timestamp(now)), {}};
  for (auto& place : *places) {
    // resolve_names has looked: the tensor is there and has a picture in this row.
    const auto picture = picture_of(*find_tensor(tensors, place.tensor), place.row);
    auto file = picture_file_of(task, std::move(place), picture);
    if (!file)
      return fail(file);
    plan.files.push_back(std::move(*file));
  }
  if (task.thumbnail)
    if (const auto added = add_thumbnails(task, plan); !added)
      return tl::make_unexpected(added.error());
  if (task.archive) {
    auto place = resolve_archive_name(task, now, allowed);
    if (!place)
      return fail(place);
    planned_file file;
    file.role.kind = file_kind::archive;
    file.place = std::move(*place);
    file.pixels = tensor_block::copy_of(dtype::u8, {0}, {});
    plan.files.push_back(std::move(file));
  }
  return plan;
}

result<picture_bytes> encode_file(const save_task& task, const save_roles& roles, size_t index,
                                  const tensor_block& pixels) {
  const auto& role = roles.files.at(index);
  if (role.kind == file_kind::thumbnail) {
    encoder_options options;
    options.lossy_quality = thumbnail_quality;
    return encode_picture(image_format::webp, options, {}, pixels);
  }
  const picture_facts facts{role.affix, task.model_name, roles.time, role.batch_index};
  return encode_picture(role.format, task.encoding, text_of(task.metadata, facts), pixels);
}

std::string detail_of(const file_role& role, const std::vector<std::string>& left_out) {
  json x = json::object();
  if (role.kind != file_kind::picture)
    x["kind"] = name_of(role.kind);
  if (role.kind == file_kind::thumbnail)
    x["of"] = role.of;
  if (role.score)
    x["score"] = *role.score;
  if (role.non_finite > 0)
    x["non_finite"] = role.non_finite;
  auto keys = role.left_out;
  keys.insert(keys.end(), left_out.begin(), left_out.end());
  if (!keys.empty())
    x["left_out"] = keys;
  return x.empty() ? std::string{} : dump(x);
}

} // namespace luna::imaging
