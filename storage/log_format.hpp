#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The bytes of a record in a segment, little-endian.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 8 | mark of the segment: its random number, also in the file's name |
/// | 8 | 8 | offset of this header in the file |
/// | 16 | 8 | bytes of the whole record, padding included |
/// | 24 | 4 | bytes of the payload |
/// | 28 | 4 | number of pieces |
/// | 32 | 2 | kind |
/// | 34 | 2 | format, 1 |
/// | 36 | 4 | CRC32C of piece table and payload |
/// | 40 | 8 | bytes of this segment that were synced when the record was written; 0: unknown |
/// | 48 | 8 | bytes of the segment with the number before, if it was closed when all were synced |
/// | 56 | 4 | 0 |
/// | 60 | 4 | CRC32C of the bytes 0 to 59 |
///
/// Then the piece table (per piece 8 bytes of length, 4 of CRC32C, 4 of 0), the payload, and the
/// pieces; payload and pieces each begin and end on a multiple of 64, filled up with zeros. Header
/// and payload can be checked without the pieces, so opening a log does not read the pixels. A
/// record that a later one knows to be synced is whole; only the others, the last ones before the
/// power went, may be torn.
namespace luna::storage {

enum class record_kind : uint16_t {
  accepted = 1,   ///< a job with its pixels as pieces
  started = 2,    ///< an attempt began
  publishing = 3, ///< an image is about to get its name
  image_done = 4, ///< an image came to an end
  snapshot = 5,   ///< the whole state of a job: at its end, and when segments are retired
  forgotten = 6,  ///< nothing before this counts for that job
};

constexpr uint64_t record_alignment = 64;
constexpr uint64_t header_bytes = 64;
constexpr uint64_t max_payload_bytes = uint64_t{64} << 20;
constexpr uint32_t max_pieces = 1 << 16;

struct piece_entry {
  uint64_t bytes = 0;
  uint32_t crc = 0;

  friend bool operator==(const piece_entry&, const piece_entry&) = default;
};

/// What a record knows of the syncs before it; it proves them by being there.
struct sync_proof {
  uint64_t here = 0;   ///< bytes of its segment that are durable
  uint64_t before = 0; ///< size in use of the segment before, all of it durable; 0: unknown

  friend bool operator==(const sync_proof&, const sync_proof&) = default;
};

struct record_header {
  uint64_t mark = 0;
  uint64_t offset = 0;
  uint64_t total_bytes = 0;
  uint32_t payload_bytes = 0;
  uint32_t pieces = 0;
  uint16_t kind = 0;
  uint32_t payload_crc = 0;
  sync_proof synced;
};

constexpr uint64_t aligned(uint64_t bytes) {
  return (bytes + record_alignment - 1) / record_alignment * record_alignment;
}

/// Bytes of header, piece table and payload with padding: where the first piece begins.
constexpr uint64_t front_bytes(uint32_t pieces, uint64_t payload_bytes) {
  return aligned(header_bytes + uint64_t{pieces} * 16 + payload_bytes);
}

/// Bytes of a whole record.
uint64_t record_bytes(std::span<const piece_entry> pieces, uint64_t payload_bytes);

/// A segment as its file's name describes it: "<number, 10 digits>-<mark, 16 hex digits>.log".
struct segment_name {
  uint64_t number = 0;
  uint64_t mark = 0;

  friend bool operator==(const segment_name&, const segment_name&) = default;
};

std::string format_segment_name(segment_name name);
std::optional<segment_name> parse_segment_name(std::string_view text);

/// Ends the names of files that are kept for new segments; what is in them does not count.
constexpr std::string_view spare_suffix = ".spare";

/// CRC32C (Castagnoli) of the bytes, `crc` being that of what came before.
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t crc = 0);

/// Header, piece table and payload with padding.
std::string encode_front(uint64_t mark, uint64_t offset, uint16_t kind, std::string_view payload,
                         std::span<const piece_entry> pieces, sync_proof synced = {});

/// The header that begins with `bytes`, if it is one of this segment at this offset.
std::optional<record_header> decode_header(std::span<const std::byte> bytes, uint64_t mark,
                                           uint64_t offset);

/// The piece table and payload of a front whose header is known; nothing if damaged.
struct record_front {
  std::string payload;
  std::vector<piece_entry> pieces;
};
std::optional<record_front> decode_front(std::span<const std::byte> front,
                                         const record_header& header);

} // namespace luna::storage
