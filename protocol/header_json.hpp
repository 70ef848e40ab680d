#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace luna::protocol {

/// Headers keep the order of their fields: task_data is dumped again in its order.
using json = nlohmann::ordered_json;

/// Bounds of a header beside its length.
struct json_limits {
  size_t depth = 64;         ///< levels, the outermost object is the first
  size_t values = 1'000'000; ///< values in all, so that 16 MiB of text cannot become gigabytes
};

/// Reads the header of a frame.
///
/// The problem: a header comes from anybody. It is read as Python's json module would (of equal
/// keys the last one counts, numbers are 64-bit integers or doubles), but what breaks the frame and
/// what is merely wrong in one request must be told apart, and no text may exhaust stack or time:
/// the reader does not recurse and takes linear time.
///
/// @returns the object, or
/// - `bad_frame`: no UTF-8, no JSON, no object, or deeper than `limits.depth`: the connection ends;
/// - `bad_request`: JSON in shape, but with NaN, Infinity, a number that no double or 64-bit
///   integer holds, a lone surrogate, or too many values: this request alone fails.
/// Where both apply it is `bad_frame`. Thread rule: may be called on any thread; large headers
/// belong on a thread that may take its time.
result<json> parse_header(std::string_view text, const json_limits& limits = {});

/// The JSON text of a header, without spaces, as json::dump() writes it. Bytes that are no UTF-8
/// (file names) become U+FFFD.
std::string dump_header(const json& header);

} // namespace luna::protocol
