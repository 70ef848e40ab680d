#include "imaging/save_names.hpp"

#include <algorithm>

#include "imaging/pixels.hpp"
#include "imaging/safe_names.hpp"

namespace luna::imaging {

namespace {

/// Room in a name for what the store adds when it is taken: "_4294967295".
constexpr size_t room_for_number = 11;

/// More pictures than any batch of a sampler; a bound on what one job may hold.
constexpr size_t most_pictures = 10000;

constexpr size_t longest_path = 4000;

/// The task's output folder, and the allowed one that holds it.
struct output_folder {
  std::string allowed;
  std::string root;
};

result<output_folder> find_output_folder(const std::string& output_dir,
                                         const std::vector<std::string>& allowed) {
  if (allowed.empty())
    return fail(ec::not_permitted, "this node has no folder that it may write pictures to");
  if (!output_dir.empty() && output_dir[0] == '/') {
    const auto root = confine(output_dir, allowed, "output_dir");
    if (!root)
      return fail(root);
    for (const auto& folder : allowed)
      if (confine(*root, {folder}, "output_dir"))
        return output_folder{*confine(folder, {folder}, "output_dir"), *root};
  }
  const auto first = confine(allowed.front(), allowed, "output_dir");
  const auto below = safe_relative_path(output_dir, "output_dir");
  if (!first || !below)
    return fail(!first ? first : below);
  if (below->empty())
    return output_folder{*first, *first};
  return output_folder{*first, *first + (first->ends_with('/') ? "" : "/") + *below};
}

/// A template, or a literal name; a slash that only an empty variable left in front goes.
std::string expanded(const std::string& pattern, bool templates, const template_values& values) {
  if (!templates)
    return pattern;
  auto text = expand_template(pattern, values);
  const bool absolute = !pattern.empty() && (pattern[0] == '/' || pattern[0] == '\\');
  if (!absolute)
    text.erase(0, text.find_first_not_of('/'));
  return text;
}

std::string joined(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : name.empty() ? folder : folder + "/" + name;
}

/// Plans the pictures of one entry of `images`.
class entry_planner {
public:
  entry_planner(const save_task& task, const save_image& image, output_folder output,
                const template_values& values)
    : task_(task), image_(image), output_(std::move(output)), values_(values) {}

  /// The plan without index, row and batch number.
  result<image_plan> plan(const std::vector<std::string>& allowed) {
    auto folder = find_folder(allowed);
    if (!folder)
      return fail(folder);
    auto name = find_name();
    if (!name)
      return fail(name);
    const auto slash = name->rfind('/');
    image_plan plan;
    plan.tensor = image_.tensor;
    plan.allowed = output_.allowed;
    plan.root = output_.root;
    std::string below = slash == std::string::npos ? "" : name->substr(0, slash);
    if (image_.subdir && !image_.save_dir)
      below = joined(below, safe_name(image_.affix));
    plan.subfolder = joined(*folder, below);
    plan.discarded_to = joined(joined(*folder, std::string{discarded_folder}), below);
    plan.stem = slash == std::string::npos ? *name : name->substr(slash + 1);
    plan.extension = extension_of(image_.format);
    plan.collision = task_.collision;
    plan.counter = task_.counter;
    return plan;
  }

private:
  /// Relative to the output folder; an absolute save_dir may choose another one.
  result<std::string> find_folder(const std::vector<std::string>& allowed) {
    if (!image_.save_dir)
      return safe_relative_path(expanded(task_.save_path, task_.templates, values_), "save_path");
    if (image_.save_dir->empty() || (*image_.save_dir)[0] != '/')
      return safe_relative_path(*image_.save_dir, "save_dir");
    const auto folder = confine(*image_.save_dir, allowed, "save_dir");
    if (!folder)
      return fail(folder);
    if (!confine(*folder, {output_.root}, "save_dir"))
      output_ = *find_output_folder(*folder, allowed);
    if (*folder == output_.root)
      return std::string{};
    const auto skip = output_.root == "/" ? 1 : output_.root.size() + 1;
    return safe_relative_path(folder->substr(skip), "save_dir");
  }

  result<std::string> find_name() const {
    const auto given =
      image_.filename ? *image_.filename : expanded(task_.filename, task_.templates, values_);
    auto name = safe_relative_path(given, "filename");
    if (name && name->empty())
      name = safe_relative_path(
        to_string(values_.time) + "_" + split_model_name(values_.model_name).name, "filename");
    if (!name || image_.affix.empty() || image_.filename)
      return name;
    const auto slash = name->rfind('/');
    const auto first = slash == std::string::npos ? 0 : slash + 1;
    return name->substr(0, first) + safe_name(name->substr(first) + "_" + image_.affix);
  }

  const save_task& task_;
  const save_image& image_;
  output_folder output_;
  const template_values& values_;
};

/// Whether the finished name fits: what the store may add to it included.
result<void> check_length(const image_plan& plan) {
  size_t added = plan.extension.size() + 1;
  added += plan.counter ? 20 + plan.counter->suffix.size() : room_for_number;
  if (plan.stem.size() + added > longest_name)
    return fail(ec::bad_request, "the file name '" + plan.stem + "' has "
                                   + std::to_string(plan.stem.size())
                                   + " bytes, with number and extension at most 255 are possible: "
                                     "shorten filename, affix or model name");
  const auto folders = std::max(plan.subfolder.size(), plan.discarded_to.size());
  if (plan.root.size() + folders + thumbnail_folder.size() + 1 + longest_name > longest_path)
    return fail(ec::bad_request,
                "the path of the file '" + plan.stem + "' is too long: shorten save_path");
  return {};
}

/// The shape of the pictures that an entry names.
result<picture_shape> find_shape(const save_image& image, size_t entry,
                                 std::span<const named_tensor> tensors) {
  const auto* tensor = find_tensor(tensors, image.tensor);
  if (tensor == nullptr)
    return fail(ec::bad_request, "images[" + std::to_string(entry) + "] names the tensor '"
                                   + image.tensor + "', which is not in the body");
  auto shape = picture_shape_of(*tensor);
  if (!shape)
    return fail(ec::bad_request, "the tensor '" + image.tensor + "' " + shape.error().message);
  return shape;
}

template_values values_of(const save_task& task, std::chrono::system_clock::time_point now) {
  return {task.model_name, task.filename_index, task.time.value_or(local_timestamp(now)), 0, 0, 0};
}

} // namespace

result<std::vector<image_plan>> resolve_names(const save_task& task,
                                              std::span<const named_tensor> tensors,
                                              std::chrono::system_clock::time_point now,
                                              const std::vector<std::string>& allowed) {
  const auto output = find_output_folder(task.output_dir, allowed);
  if (!output)
    return fail(output);
  auto values = values_of(task, now);
  std::vector<image_plan> plans;
  for (size_t entry = 0; entry < task.images.size(); ++entry) {
    const auto& image = task.images[entry];
    const auto shape = find_shape(image, entry, tensors);
    if (!shape)
      return fail(shape);
    if (static_cast<uint64_t>(shape->count) > most_pictures - plans.size())
      return fail(ec::bad_request, "a job may save at most " + std::to_string(most_pictures)
                                     + " pictures: submit them in several jobs");
    values.width = shape->width;
    values.height = shape->height;
    for (int64_t row = 0; row < shape->count; ++row) {
      values.batch = row;
      auto plan = entry_planner{task, image, *output, values}.plan(allowed);
      if (!plan)
        return fail(plan);
      plan->index = static_cast<uint32_t>(plans.size());
      plan->entry = static_cast<uint32_t>(entry);
      plan->row = row;
      if (shape->count > 1 && !task.counter)
        plan->stem += "_" + std::to_string(row);
      if (const auto fits = check_length(*plan); !fits)
        return tl::make_unexpected(fits.error());
      plans.push_back(std::move(*plan));
    }
  }
  return plans;
}

result<image_plan> resolve_archive_name(const save_task& task,
                                        std::chrono::system_clock::time_point now,
                                        const std::vector<std::string>& allowed) {
  constexpr std::string_view ending = ".zip";
  save_image entry;
  entry.filename = expanded(task.archive.value(), task.templates, values_of(task, now));
  if (entry.filename->ends_with(ending))
    entry.filename->resize(entry.filename->size() - ending.size());
  const auto name = safe_relative_path(*entry.filename, "archive");
  if (!name || name->empty())
    return name ? fail(ec::bad_request, "task_data.archive must be the name of a ZIP file")
                : fail(name);
  const auto output = find_output_folder(task.output_dir, allowed);
  if (!output)
    return fail(output);
  auto plan = entry_planner{task, entry, *output, values_of(task, now)}.plan(allowed);
  if (!plan)
    return fail(plan);
  plan->extension = ending.substr(1);
  plan->counter.reset();
  if (const auto fits = check_length(*plan); !fits)
    return tl::make_unexpected(fits.error());
  return std::move(*plan);
}

image_plan thumbnail_plan(const image_plan& picture) {
  auto plan = picture;
  plan.subfolder = joined(picture.subfolder, std::string{thumbnail_folder});
  plan.extension = extension_of(image_format::webp);
  return plan;
}

} // namespace luna::imaging
