#include "protocol/header_json.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "protocol/json_number.hpp"
#include "protocol/json_text.hpp"

namespace luna::protocol {

namespace {

/// Reads one JSON object without recursion.
class json_reader {
public:
  json_reader(std::string_view text, const json_limits& limits)
    : begin_(text.data()), at_(begin_), end_(begin_ + text.size()), limits_(limits) {}

  result<json> read() {
    json root;
    skip_space();
    if (at_ == end_ || *at_ != '{')
      return fail(ec::bad_frame, "the header of a frame must be a JSON object");
    read_value(root);
    while (!stack_.empty() && !broken_)
      read_member();
    skip_space();
    if (!broken_ && at_ != end_)
      break_off("goes on after its object");
    if (broken_)
      return tl::make_unexpected(std::move(*broken_));
    if (problem_)
      return tl::make_unexpected(std::move(*problem_));
    return root;
  }

private:
  /// An array or object whose end has not come. Only the innermost one grows, so the pointers stay.
  struct level {
    json* value;
    bool is_object;
    bool has_member = false;
  };

  // -- problems ---

  std::string place() const { return " at byte " + std::to_string(at_ - begin_); }

  /// The frame is none.
  void break_off(std::string_view what) {
    if (!broken_)
      broken_ = failure{
        ec::bad_frame, "the header is no JSON object: it " + std::string{what} + place(), 0, {}};
  }

  /// The frame is one, but the request fails.
  void refuse(std::string_view what) {
    if (!problem_)
      problem_ = failure{ec::bad_request, "the header holds " + std::string{what} + place(), 0, {}};
  }

  // -- structure ---

  void skip_space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t'))
      ++at_;
  }

  /// Reads what comes next in the innermost array or object: a member, or its end.
  void read_member() {
    auto& top = stack_.back();
    skip_space();
    if (at_ == end_)
      return break_off("is cut off");
    if (*at_ == (top.is_object ? '}' : ']')) {
      ++at_;
      if (top.is_object)
        keep_last_of_equal_keys(top.value->get_ref<json::object_t&>());
      stack_.pop_back();
      return;
    }
    if (top.has_member) {
      if (*at_ != ',')
        return break_off("lacks a comma or an end");
      ++at_;
      skip_space();
    }
    top.has_member = true;
    if (!top.is_object) {
      auto& items = top.value->get_ref<json::array_t&>();
      return read_value(items.emplace_back());
    }
    auto key = read_key();
    if (broken_)
      return;
    // Not emplace(): it looks through all members for an equal key, each time.
    auto& members = static_cast<json::object_t::Container&>(top.value->get_ref<json::object_t&>());
    read_value(members.emplace_back(std::move(key), json{}).second);
  }

  std::string read_key() {
    if (at_ == end_ || *at_ != '"') {
      break_off("lacks the name of a field");
      return {};
    }
    auto key = read_string();
    skip_space();
    if (at_ == end_ || *at_ != ':')
      break_off("lacks a colon");
    else
      ++at_;
    return key;
  }

  void read_value(json& to) {
    skip_space();
    if (at_ == end_)
      return break_off("is cut off");
    if (++count_ > limits_.values) {
      // The rest is not looked at: that it might be no JSON does not matter any more.
      refuse("more than " + std::to_string(limits_.values) + " values");
      at_ = end_;
      stack_.clear();
      return;
    }
    switch (*at_) {
    case '{':
    case '[':
      return open(to);
    case '"':
      to = read_string();
      return;
    case 't':
      return read_word("true", [&] { to = true; });
    case 'f':
      return read_word("false", [&] { to = false; });
    case 'n':
      return read_word("null", [] {});
    case 'N':
      return read_word("NaN", [&] { refuse("NaN, which is no number,"); });
    case 'I':
      return read_word("Infinity", [&] { refuse("Infinity, which is no number,"); });
    default:
      return read_number(to);
    }
  }

  void open(json& to) {
    if (stack_.size() == limits_.depth)
      return break_off("is deeper than " + std::to_string(limits_.depth) + " levels");
    auto is_object = *at_++ == '{';
    to = is_object ? json::object() : json::array();
    stack_.push_back({&to, is_object});
  }

  template <class F>
  void read_word(std::string_view word, F&& found) {
    if (!std::string_view{at_, end_}.starts_with(word))
      return break_off("holds an unknown word");
    found();
    at_ += word.size();
  }

  static bool has_equal_keys(const json::object_t::Container& members) {
    for (size_t i = 1; i < members.size(); ++i)
      for (size_t j = 0; j < i; ++j)
        if (members[i].first == members[j].first)
          return true;
    return false;
  }

  /// As in a Python dict: the place of the first, the value of the last.
  static void keep_last_of_equal_keys(json::object_t& object) {
    auto& members = static_cast<json::object_t::Container&>(object);
    if (members.size() <= 8 && !has_equal_keys(members))
      return;
    std::vector<uint32_t> order(members.size());
    std::iota(order.begin(), order.end(), 0U);
    std::sort(order.begin(), order.end(), [&](auto x, auto y) {
      auto less = members[x].first.compare(members[y].first);
      return less != 0 ? less < 0 : x < y;
    });
    std::vector<bool> superseded;
    for (size_t i = 0; i < order.size();) {
      auto j = i + 1;
      while (j < order.size() && members[order[j]].first == members[order[i]].first)
        ++j;
      if (j > i + 1) {
        superseded.resize(members.size());
        members[order[i]].second = std::move(members[order[j - 1]].second);
        for (auto k = i + 1; k < j; ++k)
          superseded[order[k]] = true;
      }
      i = j;
    }
    if (superseded.empty())
      return;
    json::object_t::Container kept;
    for (size_t i = 0; i < members.size(); ++i)
      if (!superseded[i])
        kept.emplace_back(members[i].first, std::move(members[i].second));
    members.swap(kept);
  }

  // -- strings ---

  /// @pre at_ is the opening quote.
  std::string read_string() {
    std::string text;
    ++at_;
    while (true) {
      auto* run = at_;
      at_ = end_of_plain_text(at_, end_);
      text.append(run, at_);
      if (at_ == end_) {
        break_off("is cut off in a text");
        return text;
      }
      auto c = static_cast<unsigned char>(*at_);
      if (c == '"') {
        ++at_;
        return text;
      }
      if (c < 0x20)
        break_off("holds a control character in a text");
      else if (c == '\\')
        read_escape(text);
      else
        read_multibyte(text);
      if (broken_)
        return text;
    }
  }

  /// One character of two to four bytes, checked by the table of the Unicode standard (3-7).
  void read_multibyte(std::string& text) {
    auto byte = [this](ptrdiff_t i) -> unsigned {
      return end_ - at_ > i ? static_cast<unsigned char>(at_[i]) : 0U;
    };
    auto in = [](unsigned x, unsigned low, unsigned high) { return x >= low && x <= high; };
    auto first = byte(0);
    size_t size = 0;
    if (in(first, 0xc2, 0xdf) && in(byte(1), 0x80, 0xbf))
      size = 2;
    else if (in(first, 0xe0, 0xef) && in(byte(1), first == 0xe0 ? 0xa0 : 0x80, 0xbf)
             && in(byte(2), 0x80, 0xbf))
      size = 3;
    else if (in(first, 0xf0, 0xf4)
             && in(byte(1), first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf)
             && in(byte(2), 0x80, 0xbf) && in(byte(3), 0x80, 0xbf))
      size = 4;
    if (size == 0)
      return break_off("holds bytes that are not UTF-8");
    if (first == 0xed && byte(1) >= 0xa0)
      refuse("a lone surrogate");
    text.append(at_, size);
    at_ += size;
  }

  void read_escape(std::string& text) {
    static constexpr std::string_view letters = "\"\\/bfnrt";
    static constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    ++at_;
    if (at_ == end_)
      return break_off("is cut off in a text");
    if (*at_ == 'u')
      return read_unicode_escape(text);
    auto i = letters.find(*at_);
    if (i == std::string_view::npos)
      return break_off("holds an unknown escape");
    text += meanings[i];
    ++at_;
  }

  /// @pre at_ is the u of "\uXXXX".
  void read_unicode_escape(std::string& text) {
    auto unit = read_hex(at_ + 1);
    if (!unit)
      return break_off("holds an unknown escape");
    at_ += 5;
    auto code = *unit;
    if (code >= 0xd800 && code <= 0xdfff) {
      std::optional<uint32_t> low;
      if (code < 0xdc00 && end_ - at_ >= 2 && at_[0] == '\\' && at_[1] == 'u')
        low = read_hex(at_ + 2);
      if (!low || *low < 0xdc00 || *low > 0xdfff) {
        refuse("a lone surrogate");
        code = 0xfffd;
      } else {
        code = 0x10000 + ((code - 0xd800) << 10) + (*low - 0xdc00);
        at_ += 6;
      }
    }
    append_utf8(text, code);
  }

  std::optional<uint32_t> read_hex(const char* from) const {
    if (end_ - from < 4)
      return std::nullopt;
    uint32_t value = 0;
    auto [rest, error] = std::from_chars(from, from + 4, value, 16);
    if (error != std::errc{} || rest != from + 4)
      return std::nullopt;
    return value;
  }

  static void append_utf8(std::string& text, uint32_t code) {
    auto put = [&](uint32_t byte) { text += static_cast<char>(byte); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xc0 | code >> 6);
      put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      put(0xe0 | code >> 12);
      put(0x80 | (code >> 6 & 0x3f));
      put(0x80 | (code & 0x3f));
    } else {
      put(0xf0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3f));
      put(0x80 | (code >> 6 & 0x3f));
      put(0x80 | (code & 0x3f));
    }
  }

  // -- numbers ---

  void read_number(json& to) {
    std::string_view rest{at_, end_};
    if (rest.starts_with("-Infinity")) {
      refuse("-Infinity, which is no number,");
      at_ += 9;
      return;
    }
    auto number = scan_number(rest);
    if (number.size == 0)
      return break_off("lacks a value");
    at_ += number.size;
    if (number.problem.empty())
      to = std::move(number.value);
    else
      refuse(number.problem);
  }

  const char* begin_;
  const char* at_;
  const char* end_;
  json_limits limits_;
  std::vector<level> stack_;
  size_t count_ = 0;
  std::optional<failure> broken_;
  std::optional<failure> problem_;
};

} // namespace

result<json> parse_header(std::string_view text, const json_limits& limits) {
  return json_reader{text, limits}.read();
}

} // namespace luna::protocol
