#include "imaging/exif.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <utility>

#include "imaging/text_keys.hpp"
#include "imaging/utf16.hpp"

namespace luna::imaging {

namespace {

constexpr uint16_t prompt_tag = 0x0110;
constexpr std::array<uint16_t, 3> first_tags = {0x010F, 0x010E, 0x010D};
constexpr uint16_t further_tags = 0xD000; ///< private, unused elsewhere
constexpr uint16_t exif_ifd_tag = 0x8769;
constexpr uint16_t comment_tag = 0x9286;

enum class field_type : uint16_t { ascii = 2, long_number = 4, undefined = 7 };

struct field {
  uint16_t tag = 0;
  field_type type = field_type::ascii;
  std::string value; ///< the bytes
};

void put(std::vector<std::byte>& out, uint64_t x, int bytes) {
  for (int i = 0; i < bytes; ++i)
    out.push_back(static_cast<std::byte>(x >> (8 * i)));
}

/// The same text in UTF-16, little-endian.
std::string utf16_bytes(std::string_view text) {
  std::string out;
  for (const auto unit : utf16_of(text)) {
    out.push_back(static_cast<char>(unit & 0xff));
    out.push_back(static_cast<char>(unit >> 8));
  }
  return out;
}

uint32_t count_of(const field& x) {
  return x.type == field_type::long_number ? 1 : static_cast<uint32_t>(x.value.size());
}

size_t ifd_bytes(const std::vector<field>& fields) {
  return 2 + 12 * fields.size() + 4;
}

/// Writes a directory; its long values go to `offset` and beyond, which moves on.
void put_ifd(std::vector<std::byte>& out, const std::vector<field>& fields, size_t& offset) {
  put(out, fields.size(), 2);
  for (const auto& x : fields) {
    put(out, x.tag, 2);
    put(out, static_cast<uint16_t>(x.type), 2);
    put(out, count_of(x), 4);
    if (x.value.size() <= 4) {
      for (size_t i = 0; i < 4; ++i)
        put(out, i < x.value.size() ? static_cast<uint8_t>(x.value[i]) : 0, 1);
    } else {
      put(out, offset, 4);
      offset += x.value.size() + x.value.size() % 2;
    }
  }
  put(out, 0, 4); // no further directory
}

void put_long_values(std::vector<std::byte>& out, const std::vector<field>& fields) {
  for (const auto& x : fields) {
    if (x.value.size() <= 4)
      continue;
    const auto* begin = reinterpret_cast<const std::byte*>(x.value.data());
    out.insert(out.end(), begin, begin + x.value.size());
    if (x.value.size() % 2 != 0)
      out.push_back(std::byte{0});
  }
}

std::string number_bytes(uint32_t x) {
  std::string out;
  for (int i = 0; i < 4; ++i)
    out.push_back(static_cast<char>(x >> (8 * i)));
  return out;
}

std::vector<field> fields_of(std::span<const text_chunk> entries) {
  std::vector<field> fields;
  size_t others = 0;
  bool prompted = false;
  for (const auto& [key, text] : entries) {
    uint16_t tag = prompt_tag;
    if (key != "prompt" || std::exchange(prompted, true)) {
      tag = others < first_tags.size()
            ? first_tags[others]
            : static_cast<uint16_t>(further_tags + others - first_tags.size());
      ++others;
    }
    fields.push_back({tag, field_type::ascii, one_line_key(key) + ":" + text + '\0'});
  }
  return fields;
}

} // namespace

std::vector<std::byte> make_exif(std::span<const text_chunk> entries, std::string_view comment) {
  if (entries.empty() && comment.empty())
    return {};
  auto main = fields_of(entries);
  std::vector<field> sub;
  if (!comment.empty()) {
    sub.push_back(
      {comment_tag, field_type::undefined, std::string{"UNICODE\0", 8} + utf16_bytes(comment)});
    main.push_back({exif_ifd_tag, field_type::long_number, std::string(4, '\0')});
  }
  std::stable_sort(main.begin(), main.end(),
                   [](const field& x, const field& y) { return x.tag < y.tag; });
  constexpr size_t header_bytes = 8;
  const size_t sub_offset = header_bytes + ifd_bytes(main);
  for (auto& x : main)
    if (x.tag == exif_ifd_tag)
      x.value = number_bytes(static_cast<uint32_t>(sub_offset));
  size_t offset = sub_offset + (sub.empty() ? 0 : ifd_bytes(sub));

  std::vector<std::byte> out;
  put(out, 'I' | 'I' << 8, 2);
  put(out, 42, 2);
  put(out, header_bytes, 4);
  put_ifd(out, main, offset);
  if (!sub.empty())
    put_ifd(out, sub, offset);
  put_long_values(out, main);
  put_long_values(out, sub);
  return out;
}

fitted_exif make_exif_within(const picture_text& text, size_t limit) {
  auto entries = text.exif;
  std::string comment = text.comment;
  fitted_exif out;
  for (;;) {
    out.bytes = make_exif(entries, comment);
    if (out.bytes.size() <= limit)
      return out;
    auto victim = std::find_if(entries.begin(), entries.end(),
                               [](const text_chunk& x) { return x.key == "workflow"; });
    if (victim == entries.end()) {
      const auto other = std::find_if(entries.rbegin(), entries.rend(),
                                      [](const text_chunk& x) { return x.key != "prompt"; });
      victim = other == entries.rend() ? entries.begin() : std::prev(other.base());
    }
    if (victim == entries.end()) {
      out.left_out.emplace_back("comment");
      comment.clear();
    } else {
      out.left_out.push_back(victim->key);
      entries.erase(victim);
    }
  }
}

} // namespace luna::imaging
