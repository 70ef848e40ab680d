#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace luna::imaging {

/// File-name templates, as the Luna Multi Saver has them.
/// Thread rule: free functions without state, any thread.

/// A moment as the names show it: wall-clock time without a zone.
struct timestamp {
  int year = 1970;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;

  friend bool operator==(const timestamp&, const timestamp&) = default;
};

/// Local time of a moment.
timestamp local_timestamp(std::chrono::system_clock::time_point moment);

/// Reads "2026-11-22T10:00:00" (a space for the T, a fraction and a zone are fine: the wall-clock
/// time counts) or "2026_11_22_100000". Nothing for other text or a date that does not exist.
std::optional<timestamp> parse_timestamp(std::string_view text);

/// A moment in a format of YYYY mm dd HH MM SS (mm is the month, MM the minute).
std::string format_time(std::string_view format, const timestamp& moment);

/// "2026_11_22_100000"
std::string to_string(const timestamp& moment);

/// What a template's variables stand for.
struct template_values {
  std::string model_name; ///< as ComfyUI lists it, e.g. "Illustrious/3DCG/foo_v60.safetensors"
  int64_t index = 0;
  timestamp time;
  int64_t width = 0;  ///< of the picture, in pixels
  int64_t height = 0; ///< the same
  int64_t batch = 0;  ///< the picture's place in its batch
};

/// The three variables of a model.
struct model_parts {
  std::string path; ///< "Illustrious/3DCG/foo_v60"; "" without a model
  std::string name; ///< "foo_v60"; "UnknownModel" without a model
  std::string dir;  ///< "Illustrious/3DCG"
};

/// Splits a model's file name; one extension of .safetensors .ckpt .pt .pth .bin .gguf goes.
model_parts split_model_name(std::string_view model_name);

/// Replaces %model_path% %model_name% %model_dir% %index% and %time:F% with YYYY mm dd HH MM SS in
/// F (mm is the month, MM the minute), and ComfyUI's own: %width% %height% %batch_num% %year%
/// %month% %day% %hour% %minute% %second% (two digits each, the year four) and %date:F% with yyyy
/// yy M MM d dd h hh m mm s ss in F. A % that closes a %time: or %date: and begins a known variable
/// counts for both: "%time:YYYY-mm-dd_%index%" is "2025-12-02_7". Other %x% stay as they are. Then
/// `\` becomes `/` and slashes at the end go.
std::string expand_template(std::string_view pattern, const template_values& values);

} // namespace luna::imaging
