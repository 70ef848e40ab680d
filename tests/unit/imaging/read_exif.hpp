#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <stdexcept>
#include <string>

namespace luna::imaging::testing {

/// Reads EXIF by the rules of ComfyUI's frontend, and its user comment; throws where it is torn.
class exif_reader {
public:
  explicit exif_reader(std::span<const std::byte> block) : block_(block) {
    if (number(0, 2) != 0x4949 || number(2, 2) != 42)
      throw std::runtime_error("no TIFF header");
    read_main(number(4, 4));
  }

  /// Texts of IFD0 of type ASCII, by what stands before their first colon.
  std::map<std::string, std::string> texts;
  std::map<uint32_t, std::string> by_tag; ///< the same, whole
  std::string comment_utf16;              ///< without its prefix

private:
  uint32_t number(size_t at, size_t bytes) const {
    uint32_t x = 0;
    for (size_t i = 0; i < bytes; ++i)
      x |= static_cast<uint32_t>(block_[check(at + i, 1)]) << (8 * i);
    return x;
  }
  size_t check(size_t at, size_t bytes) const {
    if (at + bytes > block_.size())
      throw std::runtime_error("a value beyond the block");
    return at;
  }
  std::string bytes(size_t at, size_t n) const {
    check(at, n);
    return {reinterpret_cast<const char*>(block_.data()) + at, n};
  }

  void read_main(size_t at) {
    const auto entries = number(at, 2);
    uint32_t last = 0;
    for (size_t i = 0; i < entries; ++i) {
      const size_t entry = at + 2 + 12 * i;
      const auto tag = number(entry, 2);
      const auto type = number(entry + 2, 2);
      const auto count = number(entry + 4, 4);
      const auto value = number(entry + 8, 4);
      if (tag <= last)
        throw std::runtime_error("tags are not in order");
      last = tag;
      if (tag == 0x8769)
        read_comment(value);
      if (type != 2)
        continue;
      if (count <= 4 || value % 2 != 0)
        throw std::runtime_error("a text that the frontend does not find");
      auto text = bytes(value, count);
      if (text.back() != '\0')
        throw std::runtime_error("a text without its end");
      text.pop_back();
      by_tag[tag] = text;
      const auto colon = text.find(':');
      texts[text.substr(0, colon)] = text.substr(colon + 1);
    }
  }

  void read_comment(size_t at) {
    if (number(at, 2) != 1 || number(at + 2, 2) != 0x9286 || number(at + 4, 2) != 7)
      throw std::runtime_error("no user comment");
    const auto text = bytes(number(at + 10, 4), number(at + 6, 4));
    if (text.substr(0, 8) != std::string("UNICODE\0", 8))
      throw std::runtime_error("a comment without its character set");
    comment_utf16 = text.substr(8);
  }

  std::span<const std::byte> block_;
};

} // namespace luna::imaging::testing
