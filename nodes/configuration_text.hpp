#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace luna {

/// The text of cluster.conf before CAF reads its values.
///
/// The problem: CAF 0.17's parser knows no `#`, reports an error lines after its cause, keeps no
/// position of any key, and lets a second key of the same name win in silence. So this reader goes
/// over the text first: it checks the syntax, names the line of the first mistake, and notes where
/// each key stands. What it accepts, CAF accepts.
///
/// The syntax is CAF's scoped form: `key = value` and `key { ... }`, one a line or, inside braces,
/// separated by commas; values are "text", whole numbers, durations (10s, 250ms, 2h), true, false,
/// lists [a, b] and maps { a = 1 }. Thread rule: plain values and free functions without state.
struct configuration_text {
  std::string clean; ///< without comments and carriage returns; the lines keep their numbers

  /// Line of each key and list element, from 1: "nodes[0].port" -> 21.
  std::map<std::string, int> lines;

  /// The line of a key, or of the nearest section around it that is there; 0 for none.
  int line_of(std::string key) const;
};

/// @returns `bad_request` "FILE:LINE: what was expected".
result<configuration_text> scan_configuration(std::string_view text, const std::string& file_name);

} // namespace luna
