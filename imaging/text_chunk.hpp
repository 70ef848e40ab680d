#pragma once

#include <string>

namespace luna::imaging {

/// A keyword and the text that goes with a picture under it, both UTF-8.
struct text_chunk {
  std::string key;
  std::string text;

  friend bool operator==(const text_chunk&, const text_chunk&) = default;
};

} // namespace luna::imaging
