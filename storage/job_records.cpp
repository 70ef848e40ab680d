#include "storage/job_records.hpp"

#include "storage/byte_codec.hpp"
#include "storage/record_additions.hpp"

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

file_name get_name(byte_reader& from) {
  file_name x;
  x.root = from.get_text();
  x.subfolder = from.get_text();
  x.filename = from.get_text();
  x.overwrite = from.get_bool();
  return x;
}

file_identity get_identity(byte_reader& from) {
  file_identity x;
  x.inode = from.get<uint64_t>();
  x.size = from.get<uint64_t>();
  x.digest = get_digest(from);
  return x;
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
    image.type = from.get_enum(dtype::f8_e5m2);
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
  get_additions(from, x);
  return x;
}

image_done_record get_image_done(byte_reader& from) {
  image_done_record x;
  x.id = from.get_text();
  x.image = from.get<uint32_t>();
  x.state = from.get_enum(image_state::cancelled);
  x.detail = from.get_text();
  from.require(is_written(x.state));
  return x;
}

snapshot_record get_snapshot(byte_reader& from) {
  snapshot_record x;
  x.id = from.get_text();
  x.key = from.get_text();
  x.digest = get_digest(from);
  x.state = from.get_enum(job_state::cancelled);
  x.attempts = from.get<uint32_t>();
  x.interruptions = from.get<uint32_t>();
  x.cancel_requested = from.get_bool();
  x.pixels = from.get_enum(pixel_state::given_up);
  x.created = get_time(from);
  x.ended = get_time(from);
  x.next_attempt = get_time(from);
  x.error = from.get_text();
  x.detail = from.get_text();
  for (auto n = from.get_count(); n > 0 && from.ok(); --n) {
    snapshot_record::image image;
    image.name = get_name(from);
    image.state = from.get_enum(image_state::cancelled);
    image.error = from.get_text();
    image.detail = from.get_text();
    if (from.get_bool())
      image.recorded = get_identity(from);
    x.images.push_back(std::move(image));
  }
  from.require(!x.images.empty());
  get_additions(from, x);
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
  put_additions(to, x);
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
  put_additions(to, x);
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
