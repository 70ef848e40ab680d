#include "models/weights/file_kind.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace luna::models {

namespace {

constexpr std::string_view convert =
  ": convert it once (load it with torch.load(file, weights_only=True), write its tensors with"
  " safetensors.torch.save_file) and name the safetensors file";

struct known_start {
  std::string_view bytes;
  std::string_view kind;
  std::string_view advice;
};

constexpr std::array<known_start, 5> starts{{
  {"version https://git-lfs", "a Git LFS pointer, a text in the place of the file itself",
   ": run 'git lfs pull' in its repository, or download the file"},
  {"PK\x03\x04", "a ZIP file as torch.save writes it (.pt, .ckpt)", convert},
  {"GGUF", "a GGUF file", ", which this build does not read"},
  {"<!doctype", "an HTML page",
   ": the download got a web page (a login, an error); download it again"},
  {"<html", "an HTML page", ": the download got a web page (a login, an error); download it again"},
}};

bool begins(std::string_view text, std::string_view start) {
  return text.size() >= start.size()
      && std::equal(start.begin(), start.end(), text.begin(), [](char wanted, char c) {
           return wanted == static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
               || wanted == c;
         });
}

/// Not to be mixed up with the length of a safetensors header, whose upper bytes are 0.
bool is_pickle(std::string_view text) {
  return text.size() > 8 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5
      && text.substr(3, 5) != std::string_view{"\0\0\0\0\0", 5};
}

/// A text of one line, as a server that refuses a download sends it.
bool is_text(std::string_view text) {
  return text.size() >= 8 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isprint(c) != 0 || std::isspace(c) != 0 || c >= 0x80;
         });
}

} // namespace

std::string file_kind(std::span<const std::byte> first) {
  std::string_view text{reinterpret_cast<const char*>(first.data()), first.size()};
  if (is_pickle(text))
    return "a Python pickle (.pt, .bin, .ckpt)" + std::string{convert};
  if (text.starts_with("\xef\xbb\xbf"))
    text.remove_prefix(3);
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  for (auto& known : starts)
    if (begins(text, known.bytes))
      return std::string{known.kind} + std::string{known.advice};
  if (!is_text(text.substr(0, 64)))
    return {};
  auto line = text.substr(0, std::min<size_t>(text.find_first_of("\r\n"), 60));
  std::string shown;
  for (auto c : line)
    shown += std::isprint(static_cast<unsigned char>(c)) != 0 ? c : '?';
  return "a text that begins with \"" + shown + "\": download the file again";
}

} // namespace luna::models
