#include "storage/log_format.hpp"

#include <isa-l/crc.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>

namespace luna::storage {

static_assert(std::endian::native == std::endian::little, "the log is little-endian");

namespace {

template <class T>
void put(std::string& into, size_t at, T value) {
  std::memcpy(into.data() + at, &value, sizeof(T));
}

template <class T>
T get(std::span<const std::byte> from, size_t at) {
  T value;
  std::memcpy(&value, from.data() + at, sizeof(T));
  return value;
}

constexpr uint16_t format = 1;

} // namespace

std::string format_segment_name(segment_name name) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "%010llu-%016llx.log",
                static_cast<unsigned long long>(name.number),
                static_cast<unsigned long long>(name.mark));
  return text.data();
}

std::optional<segment_name> parse_segment_name(std::string_view text) {
  segment_name x;
  auto end = text.data() + text.size();
  auto number = std::from_chars(text.data(), end, x.number);
  if (number.ec != std::errc{} || number.ptr == end || *number.ptr != '-')
    return std::nullopt;
  auto mark = std::from_chars(number.ptr + 1, end, x.mark, 16);
  if (mark.ec != std::errc{} || x.number == 0)
    return std::nullopt;
  // Only the one way in which we write it.
  return format_segment_name(x) == text ? std::optional{x} : std::nullopt;
}

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t crc) {
  // The library takes a length of 31 bits and leaves both inversions to us.
  constexpr size_t most = size_t{1} << 30;
  crc = ~crc;
  while (!bytes.empty()) {
    auto part = bytes.first(std::min(bytes.size(), most));
    bytes = bytes.subspan(part.size());
    auto data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(part.data()));
    crc = crc32_iscsi(data, static_cast<int>(part.size()), crc);
  }
  return ~crc;
}

uint64_t record_bytes(std::span<const piece_entry> pieces, uint64_t payload_bytes) {
  auto total = front_bytes(static_cast<uint32_t>(pieces.size()), payload_bytes);
  for (auto& piece : pieces)
    total += aligned(piece.bytes);
  return total;
}

std::string encode_front(uint64_t mark, uint64_t offset, uint16_t kind, std::string_view payload,
                         std::span<const piece_entry> pieces, sync_proof synced) {
  auto count = static_cast<uint32_t>(pieces.size());
  std::string front(front_bytes(count, payload.size()), '\0');
  auto at = header_bytes;
  for (auto& piece : pieces) {
    put(front, at, piece.bytes);
    put(front, at + 8, piece.crc);
    at += 16;
  }
  std::copy(payload.begin(), payload.end(), front.begin() + static_cast<ptrdiff_t>(at));
  auto bytes = std::as_bytes(std::span{front});
  put(front, 0, mark);
  put(front, 8, offset);
  put(front, 16, record_bytes(pieces, payload.size()));
  put(front, 24, static_cast<uint32_t>(payload.size()));
  put(front, 28, count);
  put(front, 32, kind);
  put(front, 34, format);
  put(front, 36, crc32c(bytes.subspan(header_bytes, size_t{count} * 16 + payload.size())));
  put(front, 40, synced.here);
  put(front, 48, synced.before);
  put(front, 60, crc32c(bytes.first(60)));
  return front;
}

std::optional<record_header> decode_header(std::span<const std::byte> bytes, uint64_t mark,
                                           uint64_t offset) {
  if (bytes.size() < header_bytes || get<uint64_t>(bytes, 0) != mark
      || get<uint64_t>(bytes, 8) != offset || get<uint16_t>(bytes, 34) != format
      || get<uint32_t>(bytes, 60) != crc32c(bytes.first(60)))
    return std::nullopt;
  record_header x;
  x.mark = mark;
  x.offset = offset;
  x.total_bytes = get<uint64_t>(bytes, 16);
  x.payload_bytes = get<uint32_t>(bytes, 24);
  x.pieces = get<uint32_t>(bytes, 28);
  x.kind = get<uint16_t>(bytes, 32);
  x.payload_crc = get<uint32_t>(bytes, 36);
  x.synced = {get<uint64_t>(bytes, 40), get<uint64_t>(bytes, 48)};
  auto sane = x.payload_bytes <= max_payload_bytes && x.pieces <= max_pieces
           && x.total_bytes % record_alignment == 0
           && x.total_bytes >= front_bytes(x.pieces, x.payload_bytes)
           && x.total_bytes <= std::numeric_limits<uint64_t>::max() - offset;
  return sane ? std::optional{x} : std::nullopt;
}

std::optional<record_front> decode_front(std::span<const std::byte> front,
                                         const record_header& header) {
  auto checked = size_t{header.pieces} * 16 + header.payload_bytes;
  if (front.size() < header_bytes + checked
      || crc32c(front.subspan(header_bytes, checked)) != header.payload_crc)
    return std::nullopt;
  record_front x;
  auto left = header.total_bytes - front_bytes(header.pieces, header.payload_bytes);
  auto at = header_bytes;
  for (uint32_t i = 0; i < header.pieces; ++i, at += 16) {
    piece_entry piece{get<uint64_t>(front, at), get<uint32_t>(front, at + 8)};
    // `left` is a multiple of the alignment, so no overflow where this holds.
    if (piece.bytes > left || aligned(piece.bytes) > left)
      return std::nullopt;
    left -= aligned(piece.bytes);
    x.pieces.push_back(piece);
  }
  if (left != 0)
    return std::nullopt;
  x.payload.assign(reinterpret_cast<const char*>(front.data()) + at, header.payload_bytes);
  return x;
}

} // namespace luna::storage
