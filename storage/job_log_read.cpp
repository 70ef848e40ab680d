#include <algorithm>
#include <iterator>
#include <utility>

#include "storage/job_log.hpp"
#include "storage/log_scan.hpp"

// Finding the segments and reading records.

namespace luna::storage {

result<job_log::opened> job_log::open(std::shared_ptr<directory> folder, job_log_options options) {
  opened x{job_log{std::move(folder), std::move(options)}, {}, {}};
  if (auto ok = x.log.find_files(); !ok)
    return fail_io(ok);
  if (auto ok = x.log.scan_all(x); !ok)
    return fail_io(ok);
  return x;
}

io_result<void> job_log::find_files() {
  auto names = folder_->list();
  if (!names)
    return io_fail(names);
  std::sort(names->begin(), names->end());
  for (auto& name : *names) {
    auto parsed = parse_segment_name(name);
    if (!parsed && !name.ends_with(spare_suffix))
      continue;
    auto handle = folder_->open(name, open_mode::read_write);
    if (!handle)
      return io_fail(handle);
    auto info = (*handle)->info();
    if (!info)
      return io_fail(info);
    if (parsed) {
      last_number_ = std::max(last_number_, parsed->number);
      segments_[parsed->number] = {parsed->mark, info->size, false,
                                   false,        name,       std::move(*handle)};
    } else if (spares_.size() < options_.spares && info->size == options_.segment_bytes) {
      spares_.push_back({name, info->size});
    } else if (auto ok = folder_->remove(name); !ok) {
      return ok;
    }
  }
  return {};
}

/// From the newest segment to the oldest, for each tells where the one before it ends.
io_result<void> job_log::scan_all(opened& into) {
  std::vector<segment_scan> scans;
  uint64_t end = 0; // of the segment that is read next; 0: unknown
  uint64_t after = 0;
  for (auto i = segments_.rbegin(); i != segments_.rend(); ++i) {
    auto& [number, segment] = *i;
    auto path = folder_->path() + "/" + segment.name;
    auto known = end > 0 && number + 1 == after;
    auto scan = scan_segment(*segment.handle, number, segment.mark, path, known ? end : UINT64_MAX);
    if (scan) {
      for (auto& record : scan->records)
        record.synced =
          record.place.offset + record.place.bytes <= (known ? end : scan->synced.here);
    } else {
      // An unreadable segment costs its own records, not the start.
      scan = segment_scan{{}, {{path, 0, segment.size, false, scan.error().message}}, {}};
    }
    end = scan->synced.before;
    after = number;
    scans.push_back(std::move(*scan));
    if (options_.on_progress)
      options_.on_progress(scans.size(), segments_.size());
  }
  if (!scans.empty() && scans.front().damages.empty() && !scans.front().records.empty()) {
    auto& last = scans.front().records.back().place;
    closed_end_ = last.offset + last.bytes;
  }
  for (auto i = scans.rbegin(); i != scans.rend(); ++i) {
    std::move(i->records.begin(), i->records.end(), std::back_inserter(into.records));
    std::move(i->damages.begin(), i->damages.end(), std::back_inserter(into.damages));
  }
  make_tail_durable(into.records);
  return {};
}

/// What a killed process left in the system's cache is found again, and would be lost with the
/// power.
void job_log::make_tail_durable(const std::vector<found_record>& records) {
  uint64_t done = 0;
  for (auto& record : records) {
    auto number = record.place.segment;
    if (record.synced || number == done)
      continue;
    done = number;
    if (!segments_.at(number).handle->sync_data() && number == last_number_)
      closed_end_ = 0;
  }
}

result<found_record> job_log::read(const log_place& place) const {
  auto i = segments_.find(place.segment);
  if (i == segments_.end())
    return fail(ec::internal, "the log has no segment " + std::to_string(place.segment));
  auto& segment = i->second;
  auto damaged = [&] {
    return fail(ec::internal, "the record at offset " + std::to_string(place.offset) + " of "
                                + folder_->path() + "/" + segment.name
                                + " is damaged; check the disk");
  };
  std::vector<std::byte> front(header_bytes);
  auto got = segment.handle->read_at(place.offset, front);
  if (!got)
    return fail_io(got);
  auto header = decode_header(front, segment.mark, place.offset);
  if (!header || header->total_bytes > segment.size - place.offset)
    return damaged();
  front.resize(static_cast<size_t>(front_bytes(header->pieces, header->payload_bytes)));
  got = segment.handle->read_at(place.offset, front);
  if (!got)
    return fail_io(got);
  auto decoded = decode_front(front, *header);
  if (!decoded)
    return damaged();
  return found_record{{place.segment, place.offset, header->total_bytes},
                      header->kind,
                      std::move(decoded->payload),
                      std::move(decoded->pieces),
                      true};
}

result<piece_reader> job_log::pieces_of(const log_place& place,
                                        std::vector<piece_entry> table) const {
  auto i = segments_.find(place.segment);
  if (i == segments_.end())
    return fail(ec::internal, "the log has no segment " + std::to_string(place.segment));
  uint64_t bytes = 0;
  for (auto& piece : table)
    bytes += aligned(piece.bytes);
  return piece_reader{i->second.handle, folder_->path() + "/" + i->second.name,
                      place.offset + place.bytes - bytes, std::move(table)};
}

piece_reader::piece_reader(std::shared_ptr<file> source, std::string path, uint64_t offset,
                           std::vector<piece_entry> pieces)
  : source_(std::move(source)), path_(std::move(path)), offset_(offset),
    pieces_(std::move(pieces)) {}

result<std::shared_ptr<const std::vector<std::byte>>> piece_reader::read(size_t index) const {
  auto at = offset_;
  for (size_t i = 0; i < index; ++i)
    at += aligned(pieces_[i].bytes);
  auto& piece = pieces_.at(index);
  auto bytes = std::make_shared<std::vector<std::byte>>(piece.bytes);
  auto got = source_->read_at(at, *bytes);
  if (!got)
    return fail_io(got);
  if (*got != piece.bytes || crc32c(*bytes) != piece.crc)
    return fail(ec::internal, "the pixels at offset " + std::to_string(at) + " of " + path_
                                + " are damaged; check the disk");
  return std::shared_ptr<const std::vector<std::byte>>{std::move(bytes)};
}

result<void> piece_reader::check(size_t index) const {
  auto bytes = read(index);
  if (!bytes)
    return fail(bytes);
  return {};
}

} // namespace luna::storage
