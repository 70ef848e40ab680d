#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "storage/file_system.hpp"
#include "storage/log_format.hpp"

namespace luna::storage {

/// Where a record lies. The order of places is the order in which records were appended.
struct log_place {
  uint64_t segment = 0; ///< number of the segment; 0: nowhere
  uint64_t offset = 0;  ///< of the record's header in the file
  uint64_t bytes = 0;   ///< from header to end, padding included

  friend bool operator==(const log_place&, const log_place&) = default;
  friend bool operator<(const log_place& x, const log_place& y) {
    return std::pair{x.segment, x.offset} < std::pair{y.segment, y.offset};
  }
};

/// Bytes that no record could be read from, and what is to be told about them.
struct log_damage {
  std::string file;
  uint64_t offset = 0;
  uint64_t bytes = 0;

  /// Nothing valid follows in the segment: most likely a record that a crash cut off before anyone
  /// was told about it.
  bool at_end = false;
  std::string message; ///< one sentence with file and offset
};

/// A record as the scan at open finds it: the pieces are not read.
struct found_record {
  log_place place;
  uint16_t kind = 0;
  std::string payload;
  std::vector<piece_entry> pieces;

  /// A later record proves that this one was synced: what a crash cut off is not this one.
  bool synced = false;
};

/// Reads the pieces (the pixels) of one record, on any thread, as long as it lives.
class piece_reader {
public:
  piece_reader() = default;
  piece_reader(std::shared_ptr<file> source, std::string path, uint64_t offset,
               std::vector<piece_entry> pieces);

  size_t size() const noexcept { return pieces_.size(); }

  /// Bytes of a piece.
  uint64_t bytes(size_t index) const { return pieces_.at(index).bytes; }

  /// Reads a piece into fresh memory and checks it.
  /// @returns `internal` with file and offset if its checksum is wrong.
  result<std::shared_ptr<const std::vector<std::byte>>> read(size_t index) const;

  /// Checks a piece without keeping it.
  result<void> check(size_t index) const;

private:
  std::shared_ptr<file> source_;
  std::string path_;
  uint64_t offset_ = 0; ///< of the first piece
  std::vector<piece_entry> pieces_;
};

struct job_log_options {
  uint64_t segment_bytes = uint64_t{64} << 20;

  /// Segments without a needed record that are kept for reuse: writing over blocks that exist costs
  /// no metadata, so their fdatasync is cheaper.
  size_t spares = 2;

  /// Random bits for the mark of each segment.
  std::function<uint64_t()> random;

  /// Called while the log is opened, after each segment: how many of how many are read.
  std::function<void(size_t done, size_t all)> on_progress;
};

/// The truth of the save queue: records in preallocated segments.
///
/// The problem: an acknowledgement means durable, and a disk does few syncs a second, loses what
/// was not synced, and sometimes gives back other bytes than were written. So records are only
/// appended, many share one sync, each has its own checksums, and space comes back by whole
/// segments.
///
/// Contract:
/// - A record is durable when a `sync` after its `append` has answered without error.
/// - The log never writes to a segment again whose write or sync has failed: the segment is closed,
///   what was not durable yet is written again into a new one. If that fails too, the records wait
///   in memory and `sync` answers the failure; the next `sync` tries a new segment.
/// - A damaged record costs only itself: the scan goes on at the next valid header.
/// - Opening reads no pieces, and makes what it found durable: a record that outlived the process
///   only in the system's cache counts from then on.
/// - A segment belongs to its file name `<number>-<mark>.log`: bytes of its earlier lives, and
/// bytes
///   in pixels that imitate a record, do not carry the mark and are never read as records.
///
/// Thread rule: one owner; piece_readers may be used on other threads.
class job_log {
public:
  struct opened;

  /// Opens or makes the log in `folder`, reads all records and starts a new segment with the first
  /// append. Damage is part of the answer, not a failure.
  static result<opened> open(std::shared_ptr<directory> folder, job_log_options options);

  /// Appends a record. The pieces are kept until they are durable, never copied.
  /// @param table lengths and checksums of the pieces, in their order.
  /// @returns a ticket for `on_durable` and `withdraw`.
  uint64_t append(record_kind kind, std::string payload, std::vector<tensor_block> pieces = {},
                  std::vector<piece_entry> table = {});

  /// Writes what was appended, so that it outlives this process (a power cut needs `sync`). After a
  /// failure the records wait for the next `write` or `sync`, or for being withdrawn.
  result<void> write();

  /// Makes everything appended durable: one fdatasync for all.
  result<void> sync();

  /// Whether there is something to sync.
  bool dirty() const noexcept { return !pending_.empty(); }

  /// Takes back a record that is not durable yet.
  /// @returns the places in which it may stand all the same, so that the next open finds it there.
  std::vector<log_place> withdraw(uint64_t ticket);

  /// Called for each record when it becomes durable, with its place, and with the places in suspect
  /// segments where copies of it may stand.
  std::function<void(uint64_t ticket, const log_place&, const std::vector<log_place>& copies)>
    on_durable;

  /// Reads a record again. `internal` with its place if it is damaged.
  result<found_record> read(const log_place& place) const;

  /// A reader of the pieces of a record that is durable or was found at open.
  result<piece_reader> pieces_of(const log_place& place, std::vector<piece_entry> table) const;

  /// Segments that are not written to any more and can be retired, with their sizes.
  std::map<uint64_t, uint64_t> closed_segments() const;

  /// Ends a closed segment: nothing in it is needed. It becomes a spare or is removed, durably;
  /// after a failure ask again.
  /// @pre everything needed from it has been appended again and synced.
  result<void> retire(uint64_t segment);

  /// Makes a spare in advance if the current segment is three quarters full and there is none.
  result<void> prepare_spare();

  /// Bytes on disk of all segments and spares.
  uint64_t disk_bytes() const;

private:
  struct segment {
    uint64_t mark = 0;
    uint64_t size = 0;
    bool suspect = false; ///< a write or sync failed: never to be written again
    bool retired = false; ///< its name is gone, though perhaps not durably
    std::string name;
    std::shared_ptr<file> handle;
  };

  struct spare {
    std::string name;
    uint64_t size = 0;
  };

  struct pending_record {
    uint64_t ticket = 0;
    record_kind kind{};
    std::string payload;
    std::vector<tensor_block> pieces;
    std::vector<piece_entry> table;
    bool written = false;
    log_place place;               ///< where it was written, or should have been
    std::vector<log_place> copies; ///< in suspect segments
  };

  job_log(std::shared_ptr<directory> folder, job_log_options options);

  io_result<void> find_files();
  io_result<void> scan_all(opened& into);
  void make_tail_durable(const std::vector<found_record>& records);
  io_result<void> make_room(uint64_t bytes);
  io_result<void> start_segment(uint64_t size);
  io_result<spare> make_file(uint64_t size);
  io_result<void> write_record(pending_record& record);
  io_result<void> write_waiting();
  io_result<void> sync_current();

  /// What a new job leaves free in a segment: the small records that let jobs come to their end
  /// still have a place when the disk is full.
  uint64_t reserve() const;
  void abandon_current();

  std::shared_ptr<directory> folder_;
  job_log_options options_;
  std::map<uint64_t, segment> segments_; ///< by number; the spares are apart
  std::vector<spare> spares_;
  uint64_t current_ = 0; ///< number of the segment that is written; 0: none
  uint64_t end_ = 0;     ///< where the next record goes in it
  uint64_t durable_ = 0; ///< what of it is synced
  uint64_t before_ = 0;  ///< what it proves of the segment before it

  /// Bytes in use of the segment with the last number, if it is closed and all of it is durable.
  uint64_t closed_end_ = 0;
  uint64_t last_number_ = 0;
  uint64_t last_ticket_ = 0;
  std::vector<pending_record> pending_; ///< appended, not durable
};

struct job_log::opened {
  job_log log;
  std::vector<found_record> records; ///< in the order of their places
  std::vector<log_damage> damages;
};

} // namespace luna::storage
