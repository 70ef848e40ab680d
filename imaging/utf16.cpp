#include "imaging/utf16.hpp"

#include <cstdint>

namespace luna::imaging {

std::u16string utf16_of(std::string_view text) {
  std::u16string out;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i++]);
    uint32_t point = lead;
    int more = 0;
    if (lead >= 0xf0)
      point = lead & 0x07U, more = 3;
    else if (lead >= 0xe0)
      point = lead & 0x0fU, more = 2;
    else if (lead >= 0xc0)
      point = lead & 0x1fU, more = 1;
    for (; more > 0 && i < text.size(); --more)
      point = point << 6 | (static_cast<uint8_t>(text[i++]) & 0x3fU);
    if (point < 0x10000) {
      out.push_back(static_cast<char16_t>(point));
    } else {
      out.push_back(static_cast<char16_t>(0xd800 + ((point - 0x10000) >> 10 & 0x3ffU)));
      out.push_back(static_cast<char16_t>(0xdc00 + ((point - 0x10000) & 0x3ffU)));
    }
  }
  return out;
}

} // namespace luna::imaging
