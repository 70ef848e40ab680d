#include "storage/job_log.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace luna::storage {

namespace {

/// What the kernel caches and writes as one; a record's last page is filled up with zeros so that
/// reused segments never have to be read before they are written.
constexpr uint64_t page_bytes = 4096;

const std::array<std::byte, page_bytes + record_alignment> zeros{};

std::span<const std::byte> padding(uint64_t bytes) {
  return std::span{zeros}.first(static_cast<size_t>(bytes));
}

} // namespace

job_log::job_log(std::shared_ptr<directory> folder, job_log_options options)
  : folder_(std::move(folder)), options_(std::move(options)) {}

// -- writing -------------------------------------------------------------------------------------

uint64_t job_log::append(record_kind kind, std::string payload, std::vector<tensor_block> pieces,
                         std::vector<piece_entry> table) {
  auto ticket = ++last_ticket_;
  pending_.push_back({ticket,
                      kind,
                      std::move(payload),
                      std::move(pieces),
                      std::move(table),
                      false,
                      log_place{},
                      {}});
  return ticket;
}

result<void> job_log::write() {
  if (auto ok = write_waiting(); !ok)
    return fail_io(ok);
  return {};
}

result<void> job_log::sync() {
  io_result<void> outcome;
  // The second round is in a new segment: what failed once is never synced again.
  for (int round = 0; round < 2; ++round) {
    outcome = write_waiting();
    if (!outcome || pending_.empty())
      break;
    outcome = sync_current();
    if (outcome)
      break;
  }
  if (!outcome)
    return fail_io(outcome);
  return {};
}

std::vector<log_place> job_log::withdraw(uint64_t ticket) {
  auto i = std::find_if(pending_.begin(), pending_.end(),
                        [ticket](auto& x) { return x.ticket == ticket; });
  if (i == pending_.end())
    return {};
  auto copies = std::move(i->copies);
  if (i->written)
    copies.push_back(i->place);
  pending_.erase(i);
  return copies;
}

io_result<void> job_log::write_waiting() {
  io_result<void> outcome;
  // The second round is in a new segment, for all that was not durable in the first one.
  for (int round = 0; round < 2; ++round) {
    outcome = {};
    auto next = [this] {
      return std::find_if(pending_.begin(), pending_.end(), [](auto& x) { return !x.written; });
    };
    for (auto i = next(); i != pending_.end() && outcome; i = next()) {
      auto before = current_;
      auto bytes = record_bytes(i->table, i->payload.size());
      outcome = make_room(i->kind == record_kind::accepted ? bytes + reserve() : bytes);
      if (!outcome && current_ == before)
        return outcome; // no new segment to be had: nothing wrong with the one we have
      if (outcome && current_ == before && !(outcome = write_record(*i)))
        abandon_current();
    }
    if (outcome)
      return outcome;
  }
  return outcome;
}

io_result<void> job_log::write_record(pending_record& record) {
  auto& segment = segments_.at(current_);
  auto front = encode_front(segment.mark, end_, static_cast<uint16_t>(record.kind), record.payload,
                            record.table, {durable_, before_});
  std::vector<std::span<const std::byte>> parts{std::as_bytes(std::span{front})};
  for (auto& piece : record.pieces) {
    parts.push_back(piece.bytes());
    parts.push_back(padding(aligned(piece.size_bytes()) - piece.size_bytes()));
  }
  auto bytes = record_bytes(record.table, record.payload.size());
  // At least one empty header behind the record tells a later scan that the log ends here.
  auto stop = std::min(segment.size,
                       (end_ + bytes + header_bytes + page_bytes - 1) / page_bytes * page_bytes);
  parts.push_back(padding(stop - end_ - bytes));
  record.written = true; // a failed write may leave it there too
  record.place = {current_, end_, bytes};
  if (auto ok = segment.handle->write_at(end_, parts); !ok)
    return ok;
  end_ += bytes;
  return {};
}

io_result<void> job_log::sync_current() {
  if (auto ok = segments_.at(current_).handle->sync_data(); !ok) {
    abandon_current();
    return ok;
  }
  durable_ = end_;
  auto done = std::exchange(pending_, {});
  for (auto& record : done)
    if (!record.written)
      pending_.push_back(std::move(record));
    else if (on_durable)
      on_durable(record.ticket, record.place, record.copies);
  return {};
}

void job_log::abandon_current() {
  auto number = std::exchange(current_, 0);
  auto& segment = segments_.at(number);
  segment.suspect = true;
  // With nothing durable in it there is nothing to keep: a broken disk must not fill with these.
  auto gone = durable_ == 0 && folder_->remove(segment.name) && folder_->sync();
  if (gone)
    segments_.erase(number);
  for (auto& record : pending_) {
    if (record.written && !gone)
      record.copies.push_back(record.place);
    record.written = false;
  }
}

uint64_t job_log::reserve() const {
  return std::min<uint64_t>(uint64_t{256} << 10, options_.segment_bytes / 16);
}

// -- segments ------------------------------------------------------------------------------------

io_result<void> job_log::make_room(uint64_t bytes) {
  if (current_ != 0 && bytes <= segments_.at(current_).size - end_)
    return {};
  // One sync must be enough for all that waits: nothing unsynced stays behind in a full segment.
  auto unsynced = std::any_of(pending_.begin(), pending_.end(), [](auto& x) { return x.written; });
  if (current_ != 0 && unsynced)
    if (auto ok = sync_current(); !ok)
      return ok;
  return start_segment(std::max(options_.segment_bytes, bytes));
}

io_result<void> job_log::start_segment(uint64_t size) {
  size = (size + page_bytes - 1) / page_bytes * page_bytes;
  auto usable =
    std::find_if(spares_.begin(), spares_.end(), [size](auto& x) { return x.size >= size; });
  spare chosen;
  if (usable != spares_.end()) {
    chosen = *usable;
    spares_.erase(usable);
  } else {
    auto made = make_file(size);
    if (!made)
      return io_fail(made);
    chosen = *made;
  }
  auto start = [&]() -> io_result<void> {
    auto handle = folder_->open(chosen.name, open_mode::read_write);
    if (!handle)
      return io_fail(handle);
    // The first header of an earlier life must not look like damage in this one.
    if (auto ok = (*handle)->write_at(0, padding(page_bytes)); !ok)
      return ok;
    if (auto ok = (*handle)->sync_data(); !ok)
      return ok;
    segment x{options_.random(), chosen.size, false, false, {}, std::move(*handle)};
    auto number = last_number_ + 1;
    x.name = format_segment_name({number, x.mark});
    if (auto ok = folder_->rename_new(chosen.name, x.name); !ok)
      return ok;
    chosen.name = x.name;
    // Opened again by its new name, for the messages.
    if (auto again = folder_->open(x.name, open_mode::read_write))
      x.handle = std::move(*again);
    // Records under a name that a power cut takes back would be lost with it.
    if (auto ok = folder_->sync(); !ok)
      return ok;
    last_number_ = number;
    segments_[number] = std::move(x);
    before_ = current_ != 0 ? end_ : closed_end_;
    closed_end_ = 0;
    current_ = number;
    end_ = durable_ = 0;
    return {};
  };
  auto outcome = start();
  if (!outcome) // nothing is in it yet; if even this fails, the next open finds it empty
    static_cast<void>(folder_->remove(chosen.name));
  return outcome;
}

io_result<job_log::spare> job_log::make_file(uint64_t size) {
  std::array<char, 40> text;
  std::snprintf(text.data(), text.size(), "%016llx",
                static_cast<unsigned long long>(options_.random()));
  spare x{text.data() + std::string{spare_suffix}, size};
  auto handle = folder_->open(x.name, open_mode::create_new);
  if (!handle)
    return io_fail(handle);
  auto ok = (*handle)->allocate(size);
  if (ok)
    ok = (*handle)->sync();
  if (!ok) {
    static_cast<void>(folder_->remove(x.name));
    return io_fail(ok);
  }
  return x;
}

result<void> job_log::prepare_spare() {
  if (current_ == 0 || !spares_.empty() || options_.spares == 0
      || end_ < segments_.at(current_).size / 4 * 3)
    return {};
  auto made = make_file(options_.segment_bytes);
  if (!made)
    return fail_io(made);
  spares_.push_back(std::move(*made));
  return {};
}

std::map<uint64_t, uint64_t> job_log::closed_segments() const {
  std::map<uint64_t, uint64_t> sizes;
  for (auto& [number, segment] : segments_)
    if (number != current_)
      sizes.emplace(number, segment.size);
  return sizes;
}

result<void> job_log::retire(uint64_t number) {
  auto i = segments_.find(number);
  if (i == segments_.end() || number == current_)
    return fail(ec::internal, "segment " + std::to_string(number) + " cannot be retired");
  auto& segment = i->second;
  if (!segment.retired) {
    // A reader on another thread may still look at its pixels: then the file lives on without a
    // name.
    auto reusable = !segment.suspect && segment.handle.use_count() == 1
                 && segment.size == options_.segment_bytes && spares_.size() < options_.spares;
    spare kept{segment.name + std::string{spare_suffix}, segment.size};
    auto ok = reusable ? folder_->rename(segment.name, kept.name) : folder_->remove(segment.name);
    if (!ok && ok.error().kind != io_kind::not_found)
      return fail_io(ok);
    segment.retired = true;
    if (reusable)
      spares_.push_back(std::move(kept));
  }
  // The name must be gone for good before anything that depends on it (a forgotten job) goes too.
  if (auto synced = folder_->sync(); !synced)
    return fail_io(synced);
  segments_.erase(i);
  return {};
}

uint64_t job_log::disk_bytes() const {
  uint64_t sum = 0;
  for (auto& [number, segment] : segments_)
    sum += segment.size;
  for (auto& x : spares_)
    sum += x.size;
  return sum;
}

} // namespace luna::storage
