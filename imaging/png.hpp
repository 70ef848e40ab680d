#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "imaging/text_chunk.hpp"

namespace luna::imaging {

/// Writing PNG fast, with the text chunks that ComfyUI's frontend reads.
///
/// The problem: zlib takes 200 ms for a picture of 1024 x 1024 pixels, and image libraries write
/// text that is not ASCII where the frontend does not find it. So the rows are filtered here (the
/// best of the five filters a row, by the sum of absolute differences) and deflated by ISA-L or
/// libdeflate.
///
/// Thread rule: free functions without state, any thread.

/// Which deflate does the work.
enum class png_encoder : uint8_t {
  fast, ///< ISA-L: about a tenth of zlib's time, files some 7 % larger than zlib's level 4
  small ///< libdeflate: smaller than zlib at the same time or less
};

struct png_options {
  /// 0 (stored) to 9 (smallest), ComfyUI's `compress_level`.
  int compression = 4;

  /// Left out: `fast` for 0 to 4, `small` for 5 to 9.
  std::optional<png_encoder> encoder;

  /// Threads that one large picture may be encoded on; small ones take one. `small` deflates on
  /// one thread in any case, libdeflate's streams cannot be joined.
  unsigned threads = 1;
};

/// Encodes one picture.
/// @param image u8 or u16 [H, W, C] with C = 1 (grey), 3 (RGB) or 4 (RGBA), H and W at least 1.
/// @param text chunks in this order before the pixels: tEXt for ASCII, iTXt (not compressed) for
/// everything else, for the frontend reads both as UTF-8. A key that cannot be a keyword is escaped
/// (text_keys.hpp), and stands as it is as the translated keyword. @pre no key holds a NUL.
/// @returns the whole file; `bad_request` for another type, shape or level.
result<std::vector<std::byte>> encode_png(const tensor_block& image, const png_options& options,
                                          std::span<const text_chunk> text);

} // namespace luna::imaging
