#include "storage/record_additions.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace luna::storage {

namespace {

/// What a record may have at its end. The values are on disk.
enum class addition : uint8_t {
  wanted_names = 1, ///< of an accepted record: what each name was made of
  whereabouts = 2,  ///< of each image: more of its identity, and the name that was promised
};

void put(byte_writer& to, addition tag, const std::string& bytes) {
  to.put(static_cast<uint8_t>(tag));
  to.put(bytes);
}

/// Hands each addition to `take`, which answers whether it is whole.
template <class Take>
void get_tagged(byte_reader& from, Take take) {
  while (from.ok() && !from.at_end()) {
    auto tag = static_cast<addition>(from.get<uint8_t>());
    auto bytes = from.get_text();
    byte_reader content{bytes};
    if (from.ok())
      from.require(take(tag, content));
  }
}

void put(byte_writer& to, const std::optional<name_request>& x) {
  to.put(static_cast<uint8_t>(x.has_value()));
  if (!x)
    return;
  to.put(x->stem);
  to.put(x->extension);
  to.put(static_cast<uint8_t>(x->collision));
  to.put(static_cast<uint8_t>(x->counter.has_value()));
  if (x->counter) {
    to.put(x->counter->digits);
    to.put(x->counter->suffix);
  }
}

std::optional<name_request> get_wanted(byte_reader& from, const file_name& name) {
  if (!from.get_bool())
    return std::nullopt;
  name_request x{name.root, name.subfolder, {}, {}, {}, {}};
  x.stem = from.get_text();
  x.extension = from.get_text();
  x.collision = from.get_enum(collision_rule::fail);
  if (from.get_bool()) {
    auto digits = from.get<uint32_t>();
    x.counter = counter_rule{digits, from.get_text()};
  }
  return x;
}

bool has_whereabouts(const file_identity* identity, const std::string& renamed_from) {
  return !renamed_from.empty()
      || (identity && (identity->device != 0 || !identity->upload.empty()));
}

void put_whereabouts(byte_writer& to, const file_identity* identity,
                     const std::string& renamed_from) {
  to.put(identity ? identity->device : uint64_t{0});
  to.put(identity ? identity->upload : std::string{});
  to.put(renamed_from);
}

void get_whereabouts(byte_reader& from, file_identity* identity, std::string& renamed_from) {
  auto device = from.get<uint64_t>();
  auto upload = from.get_text();
  if (identity) {
    identity->device = device;
    identity->upload = std::move(upload);
  }
  renamed_from = from.get_text();
}

} // namespace

/// The target, then the details, then the wanted names: each only if it or a later one is needed.
void put_additions(byte_writer& to, const accepted_record& x) {
  auto any = [&](auto has) { return std::any_of(x.images.begin(), x.images.end(), has); };
  auto names = any([](auto& image) { return image.wanted.has_value(); });
  auto details = names || any([](auto& image) { return !image.detail.empty(); });
  if (details || !x.target.empty())
    to.put(x.target);
  if (details)
    for (auto& image : x.images)
      to.put(image.detail);
  if (!names)
    return;
  byte_writer wanted;
  for (auto& image : x.images)
    put(wanted, image.wanted);
  put(to, addition::wanted_names, wanted.take());
}

void get_additions(byte_reader& from, accepted_record& x) {
  if (!from.ok() || from.at_end())
    return;
  x.target = from.get_text();
  if (!from.ok() || from.at_end()) {
    from.require(!x.target.empty());
    return;
  }
  bool any = false;
  for (auto& image : x.images) {
    image.detail = from.get_text();
    any = any || !image.detail.empty();
  }
  from.require(any || !from.at_end());
  get_tagged(from, [&](addition tag, byte_reader& content) {
    if (tag != addition::wanted_names)
      return true;
    for (auto& image : x.images)
      image.wanted = get_wanted(content, image.name);
    return content.complete();
  });
}

void put_additions(byte_writer& to, const publishing_record& x) {
  if (!has_whereabouts(&x.identity, x.renamed_from))
    return;
  byte_writer content;
  put_whereabouts(content, &x.identity, x.renamed_from);
  put(to, addition::whereabouts, content.take());
}

void get_additions(byte_reader& from, publishing_record& x) {
  get_tagged(from, [&](addition tag, byte_reader& content) {
    if (tag != addition::whereabouts)
      return true;
    get_whereabouts(content, &x.identity, x.renamed_from);
    return content.complete();
  });
}

/// The target, then the rest: each only if needed.
void put_additions(byte_writer& to, const snapshot_record& x) {
  auto needed = std::any_of(x.images.begin(), x.images.end(), [](auto& image) {
    return has_whereabouts(image.recorded ? &*image.recorded : nullptr, image.renamed_from);
  });
  if (needed || !x.target.empty())
    to.put(x.target);
  if (!needed)
    return;
  byte_writer content;
  for (auto& image : x.images)
    put_whereabouts(content, image.recorded ? &*image.recorded : nullptr, image.renamed_from);
  put(to, addition::whereabouts, content.take());
}

void get_additions(byte_reader& from, snapshot_record& x) {
  if (!from.ok() || from.at_end())
    return;
  x.target = from.get_text();
  from.require(!x.target.empty() || !from.at_end());
  get_tagged(from, [&](addition tag, byte_reader& content) {
    if (tag != addition::whereabouts)
      return true;
    for (auto& image : x.images)
      get_whereabouts(content, image.recorded ? &*image.recorded : nullptr, image.renamed_from);
    return content.complete();
  });
}

} // namespace luna::storage
