#include "storage/s3/s3_target.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "storage/digest.hpp"

namespace luna::storage::s3 {

namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 9> types{
  {{".png", "image/png"},
   {".webp", "image/webp"},
   {".jpg", "image/jpeg"},
   {".jpeg", "image/jpeg"},
   {".avif", "image/avif"},
   {".jxl", "image/jxl"},
   {".tiff", "image/tiff"},
   {".exr", "image/x-exr"},
   {".zip", "application/zip"}}};

std::string type_of(const std::string& filename) {
  for (auto& [extension, type] : types)
    if (filename.ends_with(extension))
      return std::string{type};
  return "application/octet-stream";
}

std::string with_slash(std::string text) {
  if (!text.empty() && !text.ends_with('/'))
    text += '/';
  return text;
}

} // namespace

/// An image that is complete and not visible. `bytes` are the worker's.
struct s3_target::staged_state {
  object_spec spec;
  std::span<const std::byte> bytes;
  bool in_parts = false;
  s3_client::upload upload;
  std::vector<std::string> etags;
};

s3_target::s3_target(std::string name, s3_options options, s3_surroundings world)
  : name_(std::move(name)), bucket_root_("s3://" + options.bucket), root_(bucket_root_),
    client_(std::move(options), std::move(world)) {
  std::string_view prefix = client_.options().prefix;
  while (prefix.starts_with('/'))
    prefix.remove_prefix(1);
  while (prefix.ends_with('/'))
    prefix.remove_suffix(1);
  if (!prefix.empty())
    (root_ += '/') += prefix;
}

bool s3_target::is_outage(const failure& why) const {
  return why.code == ec::unavailable || why.code == ec::not_permitted;
}

/// From the root that the job was given, so that a prefix changed in the configuration moves
/// nothing.
result<std::string> s3_target::key_of(const file_name& name) const {
  if (name.root != bucket_root_ && !name.root.starts_with(bucket_root_ + "/"))
    return fail(ec::unavailable, "the job is for " + name.root + ", but the target \"" + name_
                                   + "\" is " + root_
                                   + " now; put its bucket back, or cancel the job");
  auto prefix = name.root.substr(std::min(bucket_root_.size() + 1, name.root.size()));
  return with_slash(prefix) + with_slash(name.subfolder) + name.filename;
}

result<object_spec> s3_target::spec_of(const publish_request& request,
                                       const file_identity& identity) const {
  auto key = key_of(request.name);
  if (!key)
    return fail(key);
  // The temporary name is that of this job and image alone.
  return object_spec{std::move(*key), type_of(request.name.filename), hex(identity.digest),
                     request.temporary, !request.name.overwrite};
}

result<std::vector<std::string>> s3_target::names(const std::string& subfolder,
                                                  const std::string& prefix) {
  auto folder = key_of({root_, subfolder, {}, false});
  if (!folder)
    return fail(folder);
  auto keys = client_.list(*folder + prefix);
  if (!keys)
    return fail(keys);
  for (auto& key : *keys)
    key.erase(0, folder->size());
  return std::move(*keys);
}

// -- writing -------------------------------------------------------------------------------------

result<staged_object> s3_target::write(const publish_request& request,
                                       std::span<const std::byte> bytes) {
  file_identity identity{0, bytes.size(), sha256::of(bytes)};
  auto spec = spec_of(request, identity);
  if (!spec)
    return fail(spec);
  auto staged = std::make_shared<staged_state>();
  staged->spec = std::move(*spec);
  staged->bytes = bytes;
  staged->in_parts = bytes.size() > client_.options().multipart_above;
  if (staged->in_parts)
    if (auto ok = upload(*staged); !ok)
      return fail(ok);
  identity.upload = staged->upload.id;
  return staged_object{identity, std::move(staged)};
}

result<void> s3_target::upload(staged_state& staged) {
  auto begun = client_.begin_upload(staged.spec);
  if (!begun)
    return fail(begun);
  staged.upload = std::move(*begun);
  auto part = static_cast<size_t>(client_.options().part_bytes);
  for (size_t at = 0; at < staged.bytes.size(); at += part) {
    auto bytes = staged.bytes.subspan(at, std::min(part, staged.bytes.size() - at));
    auto number = static_cast<uint32_t>(staged.etags.size() + 1);
    auto etag = client_.upload_part(staged.upload, number, bytes);
    if (!etag) {
      // Best effort: what stays is removed by the bucket's lifecycle rule.
      static_cast<void>(client_.abort_upload(staged.upload));
      return fail(etag);
    }
    staged.etags.push_back(std::move(*etag));
  }
  return {};
}

result<put_outcome> s3_target::show(const staged_state& staged) const {
  auto& spec = staged.spec;
  if (spec.exclusive && !client_.options().conditional_puts) {
    auto there = client_.head(spec.key);
    if (!there)
      return fail(there);
    if (*there)
      return put_outcome::taken;
  }
  if (staged.in_parts)
    return client_.complete_upload(staged.upload, staged.etags, spec.exclusive);
  return client_.put(spec, staged.bytes);
}

result<reveal_outcome> s3_target::reveal(const publish_request&, const staged_object& object) {
  auto& staged = *static_cast<const staged_state*>(object.state.get());
  auto shown = show(staged);
  if (!shown)
    return fail(shown);
  if (*shown == put_outcome::written)
    return reveal_outcome::revealed;
  // Taken, perhaps by ourselves: the first answer may have been lost on its way.
  auto ours = is_there(staged.spec, object.identity.size);
  if (!ours)
    return fail(ours);
  if (*ours)
    return reveal_outcome::revealed;
  if (*shown == put_outcome::taken)
    return reveal_outcome::taken;
  return fail(ec::internal, "the upload of " + bucket_root_ + "/" + staged.spec.key
                              + " has vanished; it is written again");
}

void s3_target::discard(const publish_request&, const staged_object& object) {
  auto& staged = *static_cast<const staged_state*>(object.state.get());
  if (staged.in_parts)
    static_cast<void>(client_.abort_upload(staged.upload));
}

// -- looking -------------------------------------------------------------------------------------

result<bool> s3_target::is_there(const object_spec& spec, uint64_t size) const {
  auto there = client_.head(spec.key);
  if (!there)
    return fail(there);
  return *there && (*there)->size == size && (*there)->digest == spec.digest
      && (*there)->owner == spec.owner;
}

result<bool> s3_target::is_published(const publish_request& request,
                                     const file_identity& recorded) {
  auto spec = spec_of(request, recorded);
  if (!spec)
    return fail(spec);
  auto there = is_there(*spec, recorded.size);
  if (!there)
    return fail(there);
  if (!*there && !recorded.upload.empty())
    if (auto ok = client_.abort_upload({spec->key, recorded.upload}); !ok)
      return fail(ok);
  return *there;
}

} // namespace luna::storage::s3
