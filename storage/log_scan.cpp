#include "storage/log_scan.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

namespace luna::storage {

namespace {

/// Reads forward through a file in windows, so that small records do not cost a call each.
class window {
public:
  window(file& source, uint64_t size) : source_(source), size_(size) {}

  /// The bytes at an offset, fewer at the end of the file. Valid until the next call.
  io_result<std::span<const std::byte>> at(uint64_t offset, size_t wanted) {
    if (offset >= size_)
      return std::span<const std::byte>{};
    wanted = static_cast<size_t>(std::min<uint64_t>(wanted, size_ - offset));
    if (offset < begin_ || offset + wanted > begin_ + filled_) {
      begin_ = offset;
      filled_ = 0;
      buffer_.resize(std::max(wanted, step));
      auto got = source_.read_at(offset, buffer_);
      if (!got)
        return io_fail(got);
      filled_ = *got;
    }
    auto skip = static_cast<size_t>(offset - begin_);
    if (skip >= filled_)
      return std::span<const std::byte>{};
    return std::span<const std::byte>{buffer_}.subspan(skip, std::min(wanted, filled_ - skip));
  }

private:
  /// Small: what lies between two records with pixels is not to be read.
  static constexpr size_t step = size_t{16} << 10;

  file& source_;
  uint64_t size_;
  std::vector<std::byte> buffer_;
  uint64_t begin_ = 0;
  size_t filled_ = 0;
};

class scanner {
public:
  scanner(file& segment, uint64_t size, uint64_t number, uint64_t mark, const std::string& path)
    : window_(segment, size), size_(size), number_(number), mark_(mark), path_(path) {}

  io_result<segment_scan> run() {
    uint64_t at = 0;
    while (at + header_bytes <= size_) {
      auto header = header_at(at);
      if (!header)
        return io_fail(header);
      if (*header) {
        if (auto ok = take(at, **header); !ok)
          return io_fail(ok);
        at += (*header)->total_bytes;
        continue;
      }
      auto next = resynchronise(at);
      if (!next)
        return io_fail(next);
      at = *next;
    }
    return std::move(found_);
  }

private:
  io_result<std::optional<record_header>> header_at(uint64_t at) {
    auto bytes = window_.at(at, header_bytes);
    if (!bytes)
      return io_fail(bytes);
    auto header = decode_header(*bytes, mark_, at);
    if (header && header->total_bytes > size_ - at)
      header.reset();
    return header;
  }

  io_result<void> take(uint64_t at, const record_header& header) {
    auto wanted = front_bytes(header.pieces, header.payload_bytes);
    auto bytes = window_.at(at, static_cast<size_t>(wanted));
    if (!bytes)
      return io_fail(bytes);
    auto front = decode_front(*bytes, header);
    if (!front) {
      damaged(at, header.total_bytes, false);
      return {};
    }
    found_.records.push_back({log_place{number_, at, header.total_bytes}, header.kind,
                              std::move(front->payload), std::move(front->pieces), false});
    found_.synced.here = std::max(found_.synced.here, header.synced.here);
    found_.synced.before = std::max(found_.synced.before, header.synced.before);
    return {};
  }

  /// Where the next valid header is, or the end of the file. Notes what lies between.
  io_result<uint64_t> resynchronise(uint64_t from) {
    auto first = window_.at(from, header_bytes);
    if (!first)
      return io_fail(first);
    auto clean = std::all_of(first->begin(), first->end(), [](auto x) { return x == std::byte{}; });
    for (auto at = from + record_alignment; at + header_bytes <= size_; at += record_alignment) {
      auto bytes = window_.at(at, header_bytes);
      if (!bytes)
        return io_fail(bytes);
      if (bytes->size() < header_bytes)
        break;
      if (std::memcmp(bytes->data(), &mark_, sizeof(mark_)) != 0)
        continue;
      auto header = header_at(at);
      if (!header)
        return io_fail(header);
      if (*header) {
        damaged(from, at - from, false);
        return at;
      }
    }
    if (!clean)
      damaged(from, size_ - from, true);
    return size_;
  }

  void damaged(uint64_t at, uint64_t bytes, bool at_end) {
    auto message = path_ + " is damaged at offset " + std::to_string(at) + " ("
                 + std::to_string(bytes) + " bytes): ";
    message += at_end
               ? "no record can be read from there on, most likely a submit that a crash cut "
                 "off before it was acknowledged"
               : "the record there is lost, the others are not; check the disk";
    found_.damages.push_back({path_, at, bytes, at_end, std::move(message)});
  }

  window window_;
  uint64_t size_;
  uint64_t number_;
  uint64_t mark_;
  const std::string& path_;
  segment_scan found_;
};

} // namespace

io_result<segment_scan> scan_segment(file& segment, uint64_t number, uint64_t mark,
                                     const std::string& path, uint64_t end) {
  auto info = segment.info();
  if (!info)
    return io_fail(info);
  return scanner{segment, std::min(info->size, end), number, mark, path}.run();
}

} // namespace luna::storage
