#pragma once

#include <string>
#include <string_view>

namespace luna::imaging {

/// UTF-8 to UTF-16. @pre valid UTF-8.
std::u16string utf16_of(std::string_view text);

} // namespace luna::imaging
