#include "storage/job_records.hpp"

#include <algorithm>
#include <limits>

#include "storage/byte_codec.hpp"

namespace luna::storage {

namespace {

void put(byte_writer& to, time_point x) {
  to.put(static_cast<int64_t>(x.time_since_epoch().count()));
}

void put(byte_writer& to, const sha256_digest& x) {
  to.put_raw(x.data(), x.size());
}

void put(byte_writer& to, const file_name& x) {
  to.put(x.root);
  to.put(x.subfolder);
  to.put(x.filename);
  to.put(static_cast<uint8_t>(x.overwrite));
}

void put(byte_writer& to, const file_identity& x) {
  to.put(x.inode);
  to.put(x.size);
  put(to, x.digest);
}

time_point get_time(byte_reader& from) {
  return time_point{std::chrono::milliseconds{from.get<int64_t>()}};
}

sha256_digest get_digest(byte_reader& from) {
  sha256_digest x;
  from.get_raw(x.data(), x.size());
  return x;
}

bool get_bool(byte_reader& from) {
  auto x = from.get<uint8_t>();
  from.require(x <= 1);
  return x == 1;
}

template <class Enum>
Enum get_enum(byte_reader& from, Enum last) {
  auto x = from.get<uint8_t>();
  from.require(x <= static_cast<uint8_t>(last));
  return from.ok() ? static_cast<Enum>(x) : Enum{};
}

file_name get_name(byte_reader& from) {
  file_name x;
  x.root = from.get_text();
  x.subfolder = from.get_text();
  x.filename = from.get_text();
  x.overwrite = get_bool(from);
  return x;
}

file_identity get_identity(byte_reader& from) {
  file_identity x;
  x.inode = from.get<uint64_t>();
  x.size = from.get<uint64_t>();
  x.digest = get_digest(from);
  return x;
}

/// What older records do not have.
void get_target(byte_reader& from, std::string& target) {
  if (!from.ok() || from.at_end())
    return;
  target = from.get_text();
  from.require(!target.empty());
}

void put_target(byte_writer& to, const std::string& target) {
  if (!target.empty())
    to.put(target);
}

/// The same of an accepted record: the target, then the details, each of the two only if needed.
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
  from.require(any);
}

void put_additions(byte_writer& to, const accepted_record& x) {
  bool any = std::any_of(x.images.begin(), x.images.end(),
                         [](auto& image) { return !image.detail.empty(); });
  if (!any)
    return put_target(to, x.target);
  to.put(x.target);
  for (auto& image : x.images)
    to.put(image.detail);
}

accepted_record get_accepted(byte_reader& from) {
  accepted_record x;
  x.id = from.get_text();
  x.key = from.get_text();
  x.created = get_time(from);
  x.priority = from.get<int8_t>();
  x.digest = get_digest(from);
  x.task = from.get_text();
  x.plan = from.get_text();
  for (auto n = from.get_count(); n > 0 && from.ok(); --n) {
    accepted_image image;
    image.name = get_name(from);
    image.type = get_enum(from, dtype::f8_e5m2);
    for (auto rank = from.get_count(); rank > 0 && from.ok(); --rank)
      image.shape.push_back(from.get<int64_t>());
    x.images.push_back(std::move(image));
  }
  from.require(!x.images.empty());
  get_additions(from, x);
  return x;
}

publishing_record get_publishing(byte_reader& from) {
  publishing_record x;
  x.id = from.get_text();
  x.image = from.get<uint32_t>();
  x.name = get_name(from);
  x.temporary = from.get_text();
  x.identity = get_identity(from);
  return x;
}

image_done_record get_image_done(byte_reader& from) {
  image_done_record x;
  x.id = from.get_text();
  x.image = from.get<uint32_t>();
  x.state = get_enum(from, image_state::cancelled);
  x.detail = from.get_text();
  from.require(is_written(x.state));
  return x;
}

snapshot_record get_snapshot(byte_reader& from) {
  snapshot_record x;
  x.id = from.get_text();
  x.key = from.get_text();
  x.digest = get_digest(from);
  x.state = get_enum(from, job_state::cancelled);
  x.attempts = from.get<uint32_t>();
  x.interruptions = from.get<uint32_t>();
  x.cancel_requested = get_bool(from);
  x.pixels = get_enum(from, pixel_state::given_up);
  x.created = get_time(from);
  x.ended = get_time(from);
  x.next_attempt = get_time(from);
  x.error = from.get_text();
  x.detail = from.get_text();
  for (auto n = from.get_count(); n > 0 && from.ok(); --n) {
    snapshot_record::image image;
    image.name = get_name(from);
    image.state = get_enum(from, image_state::cancelled);
    image.error = from.get_text();
    image.detail = from.get_text();
    if (get_bool(from))
      image.recorded = get_identity(from);
    x.images.push_back(std::move(image));
  }
  from.require(!x.images.empty());
  get_target(from, x.target);
  return x;
}

template <class Record>
std::string only_id(const Record& x) {
  byte_writer to;
  to.put(x.id);
  return to.take();
}

} // namespace

std::string encode(const accepted_record& x) {
  byte_writer to;
  to.put(x.id);
  to.put(x.key);
  put(to, x.created);
  to.put(x.priority);
  put(to, x.digest);
  to.put(x.task);
  to.put(x.plan);
  to.put(static_cast<uint32_t>(x.images.size()));
  for (auto& image : x.images) {
    put(to, image.name);
    to.put(static_cast<uint8_t>(image.type));
    to.put(static_cast<uint32_t>(image.shape.size()));
    for (auto dim : image.shape)
      to.put(dim);
  }
  put_additions(to, x);
  return to.take();
}

std::string encode(const started_record& x) {
  return only_id(x);
}

std::string encode(const publishing_record& x) {
  byte_writer to;
  to.put(x.id);
  to.put(x.image);
  put(to, x.name);
  to.put(x.temporary);
  put(to, x.identity);
  return to.take();
}

std::string encode(const image_done_record& x) {
  byte_writer to;
  to.put(x.id);
  to.put(x.image);
  to.put(static_cast<uint8_t>(x.state));
  to.put(x.detail);
  return to.take();
}

std::string encode(const snapshot_record& x) {
  byte_writer to;
  to.put(x.id);
  to.put(x.key);
  put(to, x.digest);
  to.put(static_cast<uint8_t>(x.state));
  to.put(x.attempts);
  to.put(x.interruptions);
  to.put(static_cast<uint8_t>(x.cancel_requested));
  to.put(static_cast<uint8_t>(x.pixels));
  put(to, x.created);
  put(to, x.ended);
  put(to, x.next_attempt);
  to.put(x.error);
  to.put(x.detail);
  to.put(static_cast<uint32_t>(x.images.size()));
  for (auto& image : x.images) {
    put(to, image.name);
    to.put(static_cast<uint8_t>(image.state));
    to.put(image.error);
    to.put(image.detail);
    to.put(static_cast<uint8_t>(image.recorded.has_value()));
    if (image.recorded)
      put(to, *image.recorded);
  }
  put_target(to, x.target);
  return to.take();
}

std::string encode(const forgotten_record& x) {
  return only_id(x);
}

std::optional<job_record> decode_record(uint16_t kind, std::string_view payload) {
  byte_reader from{payload};
  std::optional<job_record> x;
  switch (static_cast<record_kind>(kind)) {
  case record_kind::accepted:
    x = get_accepted(from);
    break;
  case record_kind::started:
    x = started_record{from.get_text()};
    break;
  case record_kind::publishing:
    x = get_publishing(from);
    break;
  case record_kind::image_done:
    x = get_image_done(from);
    break;
  case record_kind::snapshot:
    x = get_snapshot(from);
    break;
  case record_kind::forgotten:
    x = forgotten_record{from.get_text()};
    break;
  default:
    return std::nullopt;
  }
  if (!from.complete() || job_of(*x).empty())
    return std::nullopt;
  return x;
}

const std::string& job_of(const job_record& record) {
  return std::visit([](auto& x) -> const std::string& { return x.id; }, record);
}

} // namespace luna::storage
