#include "models/tokenizers/clip_bpe.hpp"

#include <zlib.h>

#include <algorithm>
#include <queue>

#include "models/tokenizers/clip_cleanup.hpp"
#include "models/tokenizers/utf8.hpp"

namespace luna::models {

namespace {

constexpr int32_t word_end = 256;     ///< added to a byte's id at the end of a word
constexpr int32_t first_merge = 512;  ///< id of the first merge's result
constexpr size_t merge_count = 48894; ///< how many of the file's 262,144 lines CLIP uses

/// Bytes in the order of their ids: printable characters of Latin-1 first, then the rest.
std::array<int32_t, 256> byte_ids() {
  std::array<int32_t, 256> ids{};
  auto printable = [](int b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  };
  int32_t next = 0;
  for (auto wanted : {true, false})
    for (int b = 0; b < 256; ++b)
      if (printable(b) == wanted)
        ids[static_cast<size_t>(b)] = next++;
  return ids;
}

const std::array<int32_t, 256>& id_of_byte() {
  static const auto ids = byte_ids();
  return ids;
}

/// How the vocabulary file spells each byte: itself if it is printable, else U+0100 and up.
std::array<std::string, 256> byte_spellings() {
  std::array<std::string, 256> spellings;
  char32_t next = 256;
  for (int b = 0; b < 256; ++b) {
    auto printable = id_of_byte()[static_cast<size_t>(b)] < 188;
    auto c = printable ? static_cast<char32_t>(b) : next++;
    spellings[static_cast<size_t>(b)] = encode_utf8(std::u32string_view{&c, 1});
  }
  return spellings;
}

constexpr uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

auto damaged(std::string what) {
  return fail(ec::internal,
              "the CLIP vocabulary is damaged (" + std::move(what) + "): run scripts/setup again");
}

/// Length of an English contraction at the start of the text: 's 't 're 've 'm 'll 'd; else 0.
size_t contraction(std::u32string_view text) {
  for (std::u32string_view x : {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"})
    if (text.substr(0, x.size()) == x)
      return x.size();
  return 0;
}

/// Length of the word that starts here: a contraction, a run of letters, one number character, or
/// a run of what is neither letter, number nor blank.
size_t word_length(std::u32string_view text, text_cleanup how) {
  if (auto n = contraction(text))
    return n;
  if (how == text_cleanup::transformers4 && text.substr(0, 2) == U"'\u017f")
    return 2; // a long s, which is an s where case does not count
  if (is_number(text.front()))
    return 1;
  auto letters = is_letter(text.front());
  size_t n = 1;
  while (n < text.size() && text[n] != U' ' && is_letter(text[n]) == letters
         && (letters || !is_number(text[n])))
    ++n;
  return n;
}

/// The ids that stand in a text by their names.
struct marker {
  std::u32string_view name;
  int32_t id;
};
constexpr marker markers[] = {{U"<|startoftext|>", clip_bpe::start},
                              {U"<|endoftext|>", clip_bpe::end}};

/// The marker that the text begins with, or nullptr.
const marker* marker_at(std::u32string_view text) {
  for (auto& x : markers)
    if (text.substr(0, x.name.size()) == x.name)
      return &x;
  return nullptr;
}

/// Part of a word on its way to being merged: a node of a list.
struct symbol {
  int32_t id;
  int previous;
  int next; ///< -1: none
};

struct candidate {
  int32_t id; ///< what the pair becomes
  int at;     ///< the left one
  int32_t left;
  int32_t right;

  /// The queue serves the earliest merge first, and of equal ones the leftmost.
  friend bool operator<(const candidate& x, const candidate& y) {
    return x.id != y.id ? x.id > y.id : x.at > y.at;
  }
};

} // namespace

result<std::shared_ptr<const clip_bpe>> clip_bpe::load(const std::filesystem::path& file) {
  auto* in = gzopen(file.c_str(), "rb");
  if (in == nullptr)
    return fail(ec::internal,
                "the CLIP vocabulary " + file.string() + " is not there: run scripts/setup");
  std::string text;
  std::string block(size_t{1} << 16, '\0');
  constexpr size_t enough = size_t{4} << 20; // the merges that CLIP uses end within the first MB
  int n = 0;
  while (text.size() < enough
         && (n = gzread(in, block.data(), static_cast<unsigned>(block.size()))) > 0)
    text.append(block, 0, static_cast<size_t>(n));
  gzclose(in);
  if (n < 0)
    return damaged(file.string());
  return parse(text);
}

result<std::shared_ptr<const clip_bpe>> clip_bpe::parse(std::string_view merges) {
  std::unordered_map<std::string, int32_t> ids;
  ids.reserve(first_merge + merge_count);
  auto spellings = byte_spellings();
  for (size_t b = 0; b < 256; ++b) {
    ids.emplace(spellings[b], id_of_byte()[b]);
    ids.emplace(spellings[b] + "</w>", id_of_byte()[b] + word_end);
  }
  auto bpe = std::make_shared<clip_bpe>();
  bpe->merges_.reserve(merge_count);
  auto take_line = [&merges]() {
    auto end = merges.find('\n');
    auto line = merges.substr(0, end);
    merges.remove_prefix(end == std::string_view::npos ? merges.size() : end + 1);
    return line;
  };
  take_line(); // the title
  for (size_t i = 0; i < merge_count; ++i) {
    auto line = take_line();
    auto blank = line.find(' ');
    if (blank == std::string_view::npos)
      return damaged("line " + std::to_string(i + 2) + " is no pair");
    std::string left{line.substr(0, blank)};
    std::string right{line.substr(blank + 1)};
    auto l = ids.find(left);
    auto r = ids.find(right);
    if (l == ids.end() || r == ids.end())
      return damaged("line " + std::to_string(i + 2) + " merges what is not there");
    auto id = first_merge + static_cast<int32_t>(i);
    bpe->merges_.emplace(pair_key(l->second, r->second), id);
    ids.emplace(left + right, id);
  }
  return bpe;
}

std::vector<int32_t> clip_bpe::encode(std::string_view text, text_cleanup how) const {
  static constexpr std::pair<std::string_view, int32_t> specials[] = {{"<|startoftext|>", start},
                                                                      {"<|endoftext|>", end}};
  std::vector<int32_t> ids;
  while (!text.empty()) {
    auto at = text.size();
    const std::pair<std::string_view, int32_t>* found = nullptr;
    for (auto& special : specials)
      if (auto i = text.find(special.first); i < at) {
        at = i;
        found = &special;
      }
    encode_plain(text.substr(0, at), how, ids);
    text.remove_prefix(at);
    if (found != nullptr) {
      ids.push_back(found->second);
      text.remove_prefix(found->first.size());
    }
  }
  return ids;
}

/// Only capitals have kept a marker that is found here from being its id. To transformers 4 it is
/// the id all the same where a word begins; to transformers 5 the start is, wherever it stands.
void clip_bpe::encode_plain(std::string_view text, text_cleanup how,
                            std::vector<int32_t>& ids) const {
  auto points = clean_clip_text(text, how);
  std::u32string_view rest{points};
  auto& begin = markers[0];
  while (how == text_cleanup::transformers5) {
    auto at = rest.find(begin.name);
    encode_words(rest.substr(0, at), how, ids);
    if (at == std::u32string_view::npos)
      return;
    ids.push_back(begin.id);
    rest.remove_prefix(at + begin.name.size());
  }
  encode_words(rest, how, ids);
}

/// To transformers 5 the end in capitals is words, which end where it ends.
void clip_bpe::encode_words(std::u32string_view rest, text_cleanup how,
                            std::vector<int32_t>& ids) const {
  size_t fixed = 0; // how far a spelled-out marker reaches
  while (!rest.empty()) {
    if (rest.front() == U' ') {
      rest.remove_prefix(1);
      continue;
    }
    auto* marker = fixed == 0 ? marker_at(rest) : nullptr;
    if (marker != nullptr && how == text_cleanup::transformers4) {
      ids.push_back(marker->id);
      rest.remove_prefix(marker->name.size());
      continue;
    }
    if (marker != nullptr)
      fixed = marker->name.size();
    auto n = word_length(fixed == 0 ? rest : rest.substr(0, fixed), how);
    encode_word(rest.substr(0, n), ids);
    rest.remove_prefix(n);
    fixed -= std::min(fixed, n);
  }
}

void clip_bpe::encode_word(std::u32string_view word, std::vector<int32_t>& ids) const {
  std::vector<symbol> symbols;
  for (auto byte : encode_utf8(word)) {
    auto i = static_cast<int>(symbols.size());
    symbols.push_back({id_of_byte()[static_cast<unsigned char>(byte)], i - 1, i + 1});
  }
  symbols.back().id += word_end;
  symbols.back().next = -1;
  std::priority_queue<candidate> queue;
  auto consider = [&](int left, int right) {
    if (left < 0 || right < 0)
      return;
    auto l = symbols[static_cast<size_t>(left)].id;
    auto r = symbols[static_cast<size_t>(right)].id;
    if (auto i = merges_.find(pair_key(l, r)); i != merges_.end())
      queue.push({i->second, left, l, r});
  };
  for (int i = 0; i + 1 < static_cast<int>(symbols.size()); ++i)
    consider(i, i + 1);
  while (!queue.empty()) {
    auto best = queue.top();
    queue.pop();
    auto& left = symbols[static_cast<size_t>(best.at)];
    if (left.id != best.left || left.next < 0
        || symbols[static_cast<size_t>(left.next)].id != best.right)
      continue; // one of the two has been merged meanwhile
    auto& right = symbols[static_cast<size_t>(left.next)];
    left.id = best.id;
    right.id = -1; // no candidate matches it any more
    left.next = right.next;
    if (left.next >= 0)
      symbols[static_cast<size_t>(left.next)].previous = best.at;
    consider(left.previous, best.at);
    consider(best.at, left.next);
  }
  for (int i = 0; i >= 0; i = symbols[static_cast<size_t>(i)].next)
    ids.push_back(symbols[static_cast<size_t>(i)].id);
}

} // namespace luna::models
