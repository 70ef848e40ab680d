#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "imaging/task_fields.hpp"
#include "imaging/templates.hpp"
#include "imaging/text_chunk.hpp"

namespace luna::imaging {

/// The text that goes with a picture: what a person finds again when the file is dropped on
/// ComfyUI.
///
/// The problem: strings that a client sent must come out byte for byte, in every format, and the
/// keys of the old Luna Multi Saver must be those that its blocking path writes.
///
/// Thread rule: plain values and free functions without state, any thread.

/// The fields of a task that become text.
struct metadata_fields {
  std::vector<text_chunk> workflow;    ///< prompt, then the keys of extra_pnginfo
  std::vector<text_chunk> metadata;    ///< its keys; strings verbatim, else as json.dumps has them
  std::string metadata_dump;           ///< json.dumps(metadata); empty without metadata
  std::string custom;                  ///< custom_metadata
  std::string parameters;              ///< parameters_text, A1111's
  std::vector<std::string> unwritable; ///< keys that no file can hold: empty, or with a NUL
  bool luna = false;                   ///< luna_metadata: the old Multi Saver's own keys
  bool embed = true;                   ///< embed_workflow; without it no file has any text
};

/// Reads prompt, extra_pnginfo, metadata, custom_metadata, parameters_text, luna_metadata and
/// embed_workflow. No key makes the task wrong: what no format can hold is left out and named.
metadata_fields parse_metadata(task_fields& fields);

/// What is known of one picture.
struct picture_facts {
  std::string affix;
  std::string model_name; ///< as ComfyUI lists it
  timestamp time;
  int64_t batch_index = 0; ///< place in its batch
};

/// The text of one picture in both of its shapes.
struct picture_text {
  std::vector<text_chunk> chunks; ///< PNG's, in order

  /// EXIF's: `prompt` and the other keys, as "key:text" ...
  std::vector<text_chunk> exif;
  /// ... and the user comment.
  std::string comment;

  /// When the job was accepted, "2026:11:22 10:00:00": for formats that write a date in any case,
  /// so that a picture always gives the same bytes. May be empty.
  std::string date;

  bool empty() const { return chunks.empty() && exif.empty() && comment.empty(); }
};

/// The text of a picture, in the order of docs/protocol.md, section 6. Empty without embed.
picture_text text_of(const metadata_fields& fields, const picture_facts& picture);

} // namespace luna::imaging
