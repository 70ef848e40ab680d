#include "actors/save/save_encoder.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "imaging/zip_archive.hpp"
#include "storage/scratch_file.hpp"

namespace luna {

namespace {

using imaging::file_kind;

encoded_file file_of(std::vector<std::byte> bytes, std::string detail) {
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  std::span<const std::byte> view{*owner};
  return {std::move(owner), view, std::move(detail)};
}

} // namespace

save_encoder::save_encoder(const storage::job_work& work, imaging::save_task task,
                           imaging::save_roles roles)
  : work_(&work), task_(std::move(task)), roles_(std::move(roles)) {}

result<save_encoder> save_encoder::open(const storage::job_work& work) {
  auto task = imaging::parse_save_task(nlohmann::ordered_json::parse(work.task, nullptr, false));
  if (!task)
    return fail(task);
  task->encoding.png.threads = std::max(1U, std::thread::hardware_concurrency());
  size_t files = 0;
  for (auto* list : {&work.images, &work.written})
    for (auto& image : *list)
      files = std::max<size_t>(files, image.index + 1);
  auto roles = imaging::parse_roles(work.plan, *task, files);
  if (!roles)
    return fail(roles);
  if (roles->files.size() < files)
    return fail(ec::internal, "the plan of job " + work.id + " has too few files");
  if (work.plan.empty()) // of an older luna, which had pictures alone
    for (auto& image : work.images) {
      auto dot = image.name.filename.rfind('.');
      auto format = imaging::format_of_extension(
        dot == std::string::npos ? "" : image.name.filename.substr(dot + 1));
      if (!format)
        return fail(ec::internal,
                    "the job has a file of an unknown format: " + image.name.filename);
      roles->files[image.index].format = *format;
    }
  return save_encoder{work, std::move(*task), std::move(*roles)};
}

result<encoded_file> save_encoder::encode(const storage::job_work::image& image) {
  auto& role = roles_.files.at(image.index);
  if (role.kind == file_kind::archive)
    return make_archive();
  auto picture = encode_picture(image);
  if (!picture)
    return fail(picture);
  return file_of(std::move(picture->file), imaging::detail_of(role, picture->left_out));
}

storage::image_state save_encoder::outcome(const storage::job_work::image& image) const {
  return roles_.files.at(image.index).discarded ? storage::image_state::discarded
                                                : storage::image_state::done;
}

std::string save_encoder::detail(const storage::job_work::image& image) const {
  return imaging::detail_of(roles_.files.at(image.index), {});
}

result<imaging::picture_bytes> save_encoder::encode_picture(const storage::job_work::image& image) {
  auto pixels = work_->read_pixels(image);
  if (!pixels) {
    if (pixels.error().code == ec::internal)
      damage_ = pixels.error().message;
    return fail(pixels);
  }
  return imaging::encode_file(task_, roles_, image.index, *pixels);
}

result<encoded_file> save_encoder::make_archive() {
  auto pictures = work_->images;
  pictures.insert(pictures.end(), work_->written.begin(), work_->written.end());
  std::erase_if(pictures, [&](auto& image) {
    auto& role = roles_.files.at(image.index);
    return role.kind != file_kind::picture || role.discarded;
  });
  std::sort(pictures.begin(), pictures.end(), [](auto& x, auto& y) { return x.index < y.index; });
  auto scratch = storage::scratch_file::open();
  if (!scratch)
    return fail(scratch);
  auto created =
    std::chrono::duration_cast<std::chrono::seconds>(work_->created.time_since_epoch());
  auto zip = imaging::zip_archive::open(
    [&](std::span<const std::byte> bytes) { return scratch->append(bytes); }, created.count());
  if (!zip)
    return fail(zip);
  for (auto& image : pictures) {
    auto picture = encode_picture(image);
    if (!picture)
      return fail(picture);
    if (auto ok = zip->add(name_in_archive(image.name), picture->file); !ok)
      return tl::make_unexpected(ok.error());
  }
  if (auto ok = zip->finish(); !ok)
    return tl::make_unexpected(ok.error());
  auto view = scratch->map();
  if (!view)
    return fail(view);
  imaging::file_role role;
  role.kind = file_kind::archive;
  return encoded_file{view->owner, view->bytes, imaging::detail_of(role, {})};
}

/// The path below the allowed folder, or the bucket.
std::string save_encoder::name_in_archive(const storage::file_name& name) const {
  return name.subfolder.empty() ? name.filename : name.subfolder + "/" + name.filename;
}

} // namespace luna
