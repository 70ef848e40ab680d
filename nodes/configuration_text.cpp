#include "nodes/configuration_text.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace luna {

namespace {

/// Deeper than any configuration; CAF's parser recurses.
constexpr int deepest = 8;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_key_char(char c) {
  return is_letter(c) || is_digit(c) || c == '-' || c == '_';
}

/// A recursive descent over the text. Every function returns false after it noted a problem.
class scanner {
public:
  scanner(std::string_view text, std::string file_name)
    : text_(text), file_name_(std::move(file_name)) {
    if (text_.starts_with("\xef\xbb\xbf"))
      text_.remove_prefix(3);
    out_.clean.reserve(text_.size() + 1);
  }

  result<configuration_text> run() {
    if (!read_file())
      return fail(ec::bad_request, problem_);
    return std::move(out_);
  }

private:
  // -- characters ---------------------------------------------------------------------------------

  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }

  void take() {
    if (text_[at_] == '\n')
      ++line_;
    out_.clean += text_[at_++];
  }

  /// Spaces, carriage returns and a comment: everything up to the next token or the end of the
  /// line.
  void skip_in_line() {
    while (!at_end()) {
      if (peek() == ' ' || peek() == '\t') {
        take();
      } else if (peek() == '\r' && (at_ + 1 == text_.size() || text_[at_ + 1] == '\n')) {
        ++at_;
      } else if (peek() == '#') {
        while (!at_end() && peek() != '\n')
          ++at_;
      } else {
        return;
      }
    }
  }

  void skip_lines() {
    skip_in_line();
    while (peek() == '\n') {
      take();
      skip_in_line();
    }
  }

  /// The next thing, as an error shows it.
  std::string found() const {
    if (at_end())
      return "the end of the file";
    if (peek() == '\n')
      return "the end of the line";
    const auto byte = static_cast<unsigned char>(peek());
    if (byte >= 0x21 && byte < 0x7f)
      return "'"
           + std::string{text_.substr(at_, text_.substr(at_, 20).find_first_of(" \t\r\n"))}.substr(
             0, 20)
           + "'";
    return "a character that may stand in quotes only";
  }

  bool wrong(const std::string& text, int line = 0) {
    problem_ = file_name_ + ":" + std::to_string(line > 0 ? line : line_) + ": " + text;
    return false;
  }

  bool expected(const std::string& what) {
    return wrong("expected " + what + ", found " + found());
  }

  // -- structure ----------------------------------------------------------------------------------

  bool read_file() {
    for (skip_lines(); !at_end(); skip_lines()) {
      if (peek() == '[')
        return wrong("sections are written as `name { ... }`, not [name]");
      if (!read_entry("", 1))
        return false;
      skip_in_line();
      if (!at_end() && peek() != '\n')
        return expected("the end of the line");
    }
    out_.clean += '\n';
    return true;
  }

  bool note(const std::string& path) {
    const auto [at, added] = out_.lines.emplace(path, line_);
    if (!added)
      return wrong(path + " stands here a second time, it is on line " + std::to_string(at->second)
                   + " already");
    return true;
  }

  bool read_entry(const std::string& path, int depth) {
    if (!is_letter(peek()) && !is_digit(peek()))
      return expected(path.empty() ? "a section or a key" : "a key of " + path + " or '}'");
    std::string key;
    for (; is_key_char(peek()); take())
      key += peek();
    const auto full = path.empty() ? key : path + "." + key;
    if (!note(full))
      return false;
    skip_in_line();
    if (peek() == '{')
      return read_map(full, depth);
    if (peek() != '=')
      return expected("'=' or '{' after " + key);
    take();
    skip_in_line();
    if (at_end() || peek() == '\n')
      return expected("the value of " + full + " on the same line");
    return read_value(full, depth);
  }

  bool read_value(const std::string& path, int depth) {
    const char c = peek();
    if (c == '"')
      return read_text(path);
    if (c == '[')
      return read_list(path, depth);
    if (c == '{')
      return read_map(path, depth);
    if (is_digit(c) || c == '-' || c == '+')
      return read_number(path);
    if (is_letter(c))
      return read_word(path);
    return expected("the value of " + path);
  }

  bool read_map(const std::string& path, int depth) {
    if (depth > deepest)
      return wrong(path + " is nested too deeply");
    const int first_line = line_;
    take();
    for (skip_lines(); peek() != '}'; skip_lines()) {
      if (at_end())
        return wrong("the '{' of " + path + " is never closed", first_line);
      if (!read_entry(path, depth + 1))
        return false;
      skip_in_line();
      const bool new_line = peek() == '\n';
      skip_lines();
      if (peek() == ',')
        take();
      else if (peek() != '}' && !new_line && !at_end())
        return expected("',' or a new line after the value");
    }
    take();
    return true;
  }

  bool read_list(const std::string& path, int depth) {
    if (depth > deepest)
      return wrong(path + " is nested too deeply");
    const int first_line = line_;
    take();
    skip_lines();
    for (size_t i = 0; peek() != ']'; ++i) {
      if (at_end())
        return wrong("the '[' of " + path + " is never closed", first_line);
      const auto element = path + "[" + std::to_string(i) + "]";
      if (!note(element) || !read_value(element, depth + 1))
        return false;
      skip_lines();
      if (peek() == ',') {
        take();
        skip_lines();
      } else if (peek() != ']' && !at_end()) {
        return expected("',' or ']' after an element of " + path);
      }
    }
    take();
    return true;
  }

  // -- values -------------------------------------------------------------------------------------

  bool read_text(const std::string& path) {
    take();
    while (peek() != '"' || at_end()) {
      if (at_end() || peek() == '\n')
        return wrong("the text of " + path + " has no closing quote on its line");
      if (peek() == '\0')
        return wrong("the text of " + path + " holds a zero byte");
      if (peek() == '\\') {
        take();
        if (at_end() || std::string_view{"nrt\\\""}.find(peek()) == std::string_view::npos)
          return wrong("the text of " + path
                       + R"( has an unknown escape, write \\ for a backslash)");
      }
      take();
    }
    take();
    return true;
  }

  bool read_word(const std::string& path) {
    std::string word;
    const auto begin = at_;
    while (is_key_char(peek()) || peek() == '.' || peek() == ':' || peek() == '/')
      take();
    word = text_.substr(begin, at_ - begin);
    if (word == "true" || word == "false")
      return true;
    return wrong("expected the value of " + path + ", found " + word
                 + ": text stands in double quotes");
  }

  /// A whole number, or with a unit a duration that CAF's 64-bit nanoseconds hold.
  bool read_number(const std::string& path) {
    const auto begin = at_;
    if (peek() == '-' || peek() == '+')
      take();
    const auto first_digit = at_;
    while (is_digit(peek()))
      take();
    const auto digits = text_.substr(first_digit, at_ - first_digit);
    const auto unit_begin = at_;
    while (is_key_char(peek()) || peek() == '.')
      take();
    const auto unit = text_.substr(unit_begin, at_ - unit_begin);
    const auto whole = std::string{text_.substr(begin, at_ - begin)};
    if (digits.empty() || digits.size() > 18 || (digits.size() > 1 && digits.front() == '0'))
      return wrong(path + " has the number " + whole.substr(0, 40)
                   + ": whole numbers have 1 to 18 digits and no zeros in front");
    if (unit.empty())
      return true;
    const auto nanoseconds = nanoseconds_of(unit);
    if (!nanoseconds)
      return wrong(
        path + " has the value " + whole.substr(0, 40)
        + ": a duration is a whole number with ms, s, min or h, a size stands in quotes");
    int64_t count = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), count);
    if (count > std::numeric_limits<int64_t>::max() / *nanoseconds)
      return wrong(path + " has the duration " + whole + ", which is longer than 292 years");
    return true;
  }

  static std::optional<int64_t> nanoseconds_of(std::string_view unit) {
    constexpr std::array<std::pair<std::string_view, int64_t>, 6> units = {{
      {"ns", 1},
      {"us", 1000},
      {"ms", 1000000},
      {"s", 1000000000},
      {"min", 60000000000},
      {"h", 3600000000000},
    }};
    for (const auto& [name, factor] : units)
      if (unit == name)
        return factor;
    return std::nullopt;
  }

  std::string_view text_;
  std::string file_name_;
  size_t at_ = 0;
  int line_ = 1;
  configuration_text out_;
  std::string problem_;
};

} // namespace

int configuration_text::line_of(std::string key) const {
  while (!key.empty()) {
    if (const auto at = lines.find(key); at != lines.end())
      return at->second;
    const auto cut = key.find_last_of(".[");
    key.resize(cut == std::string::npos ? 0 : cut);
  }
  return 0;
}

result<configuration_text> scan_configuration(std::string_view text, const std::string& file_name) {
  return scanner{text, file_name}.run();
}

} // namespace luna
