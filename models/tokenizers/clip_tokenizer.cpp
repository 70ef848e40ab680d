#include "models/tokenizers/clip_tokenizer.hpp"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "models/prompt/prompt_grammar.hpp"
#include "models/tokenizers/utf8.hpp"

namespace luna::models {

namespace {

constexpr std::u32string_view marker = U"embedding:";

/// A group of this many tokens may be split between two chunks; a shorter one moves whole.
constexpr size_t large_group = 8;

/// Where the next "embedding:" stands that follows white space.
size_t find_marker(std::u32string_view text, size_t from) {
  for (auto at = text.find(marker, from); at != std::u32string_view::npos;
       at = text.find(marker, at + 1))
    if (at > 0 && is_python_space(text[at - 1]))
      return at;
  return std::u32string_view::npos;
}

/// Cuts a segment before each "embedding:".
std::vector<std::u32string_view> split_at_markers(std::u32string_view text) {
  std::vector<std::u32string_view> pieces;
  size_t begin = 0;
  while (begin < text.size()) {
    auto next = std::min(find_marker(text, begin + 1), text.size());
    pieces.push_back(text.substr(begin, next - begin));
    begin = next;
  }
  return pieces;
}

/// Words between single blanks, as Python's " ".join(text.split()).
std::u32string fold_blanks(std::u32string_view text) {
  std::u32string out;
  for (auto c : text)
    if (!is_python_space(c))
      out += c;
    else if (!out.empty() && out.back() != U' ')
      out += U' ';
  if (!out.empty() && out.back() == U' ')
    out.pop_back();
  return out;
}

/// The name behind "embedding:" and the text after it.
struct embedding_name {
  std::u32string name; ///< the first word, up to a "<" or a "["
  std::u32string rest;
};

embedding_name read_name(std::u32string_view text) {
  auto words = fold_blanks(text);
  auto end = std::min(words.find(U' '), words.size());
  auto name = words.substr(0, std::min(words.find_first_of(U"<["), end));
  auto rest = words.substr(name.size());
  if (name.size() == end && !rest.empty())
    rest.erase(0, 1); // the blank
  return {std::move(name), std::move(rest)};
}

/// The name without the commas at its ends, or nothing if it has none. As in ComfyUI the rest is
/// what stands behind so many characters: of ",two," it begins with "o,".
std::optional<embedding_name> without_commas(const embedding_name& x) {
  auto begin = std::min(x.name.find_first_not_of(U','), x.name.size());
  auto name = x.name.substr(begin, x.name.find_last_not_of(U',') + 1 - begin);
  if (name.size() == x.name.size())
    return std::nullopt;
  auto rest = x.name.substr(name.size()) + U' ' + x.rest;
  return embedding_name{std::move(name), std::move(rest)};
}

/// The tensor of a file that is meant for this encoder, by ComfyUI's rules.
result<tensor_block> choose(std::vector<named_tensor> tensors, const std::string& encoder) {
  if (auto* own = find_tensor(tensors, encoder))
    return *own;
  std::sort(tensors.begin(), tensors.end(), [](auto& x, auto& y) { return x.name < y.name; });
  for (auto& suffix : {std::string{".string_to_param.*"}, "." + encoder})
    for (auto& x : tensors)
      if (x.name.starts_with("bundle_emb.") && x.name.ends_with(suffix))
        return x.tensor;
  if (tensors.empty())
    return fail(ec::bad_model_file, "the embedding's file holds no tensor");
  return tensors.front().tensor;
}

/// Tokens that stay together if they can: a segment's text, or the rows of an embedding.
using group = std::vector<text_token>;

class clip_tokenizer : public tokenizer {
public:
  clip_tokenizer(std::shared_ptr<const clip_bpe> bpe, clip_tokenizer_options options)
    : bpe_(std::move(bpe)), options_(std::move(options)) {}

  result<tokenized_text> tokenize(std::string_view text, const embedding_source* embeddings,
                                  text_cleanup cleanup) const override {
    auto segments = parse_prompt(text);
    if (!segments)
      return fail(segments);
    tokenized_text out;
    std::vector<group> groups;
    for (auto& segment : *segments) {
      auto points = decode_utf8(segment.text).value_or(std::u32string{});
      for (auto piece : split_at_markers(points)) {
        std::u32string words{piece};
        if (piece.starts_with(marker)) {
          words =
            read_embedding(piece.substr(marker.size()), segment.weight, embeddings, groups, out);
          if (words.empty())
            continue;
        }
        group tokens;
        for (auto id : bpe_->encode(encode_utf8(words), cleanup))
          tokens.push_back({id, segment.weight, -1, 0, 0});
        groups.push_back(std::move(tokens));
      }
    }
    out.tokens[options_.key] = fill_chunks(groups);
    return out;
  }

private:
  /// Reads a name and adds its rows. A name that is not found is tried without its commas; what
  /// cannot be used is left out with a warning. @returns the text after it.
  std::u32string read_embedding(std::u32string_view text, double weight,
                                const embedding_source* embeddings, std::vector<group>& groups,
                                tokenized_text& out) const {
    auto found = read_name(text);
    auto index = load(found.name, embeddings, out);
    if (!index)
      if (auto bare = without_commas(found)) {
        found = std::move(*bare);
        if (index.error().code == ec::unknown_model)
          index = load(found.name, embeddings, out);
      }
    if (!index) {
      auto why = index.error().code == ec::unknown_model
                 ? "there is no embedding '" + encode_utf8(found.name) + "'"
                 : index.error().message;
      add_warning(out.warnings, {"embedding", why + ": it is left out", 0});
      return std::move(found.rest);
    }
    auto& tensor = out.embeddings[static_cast<size_t>(*index)].tensor;
    group rows;
    for (int32_t row = 0; row < (tensor.rank() == 1 ? 1 : tensor.dim(0)); ++row)
      rows.push_back({0, weight, *index, row, 0});
    groups.push_back(std::move(rows));
    return std::move(found.rest);
  }

  /// The index of an embedding's tensor in the result.
  /// @returns `unknown_model` if there is none of that name, else why it cannot be used.
  result<int32_t> load(const std::u32string& points, const embedding_source* embeddings,
                       tokenized_text& out) const {
    auto name = encode_utf8(points);
    auto title = options_.encoder + "." + name;
    for (size_t i = 0; i < out.embeddings.size(); ++i)
      if (out.embeddings[i].name == title)
        return static_cast<int32_t>(i);
    if (embeddings == nullptr || name.empty())
      return fail(ec::unknown_model, "there is no embedding of that name");
    auto tensors = embeddings->find(name);
    if (!tensors && tensors.error().code == ec::not_permitted)
      return fail(ec::unknown_model, tensors.error().message); // ComfyUI looks past it
    if (!tensors)
      return fail(tensors);
    auto tensor = choose(std::move(*tensors), options_.encoder);
    if (!tensor)
      return fail(tensor);
    auto number =
      tensor->type() == dtype::f32 || tensor->type() == dtype::f16 || tensor->type() == dtype::bf16;
    if (!number || tensor->rank() < 1 || tensor->rank() > 2 || tensor->size_bytes() == 0
        || (tensor->rank() == 2 && tensor->dim(0) > options_.positions * 64))
      return fail(ec::bad_model_file, "the embedding '" + name + "' is a tensor of shape "
                                        + format_shape(tensor->shape())
                                        + ", not of rows of numbers");
    out.embeddings.push_back({title, std::move(*tensor)});
    return static_cast<int32_t>(out.embeddings.size() - 1);
  }

  token_chunk begin_chunk() const { return {{clip_bpe::start, 1.0, -1, 0, 0}}; }

  /// Ends a chunk: its end token, then pads.
  void end_chunk(token_chunk& chunk) const {
    chunk.push_back({clip_bpe::end, 1.0, -1, 0, 0});
    chunk.resize(static_cast<size_t>(options_.positions), {options_.pad, 1.0, -1, 0, 0});
  }

  std::vector<token_chunk> fill_chunks(const std::vector<group>& groups) const {
    std::vector<token_chunk> chunks{begin_chunk()};
    auto room = [&] { return static_cast<size_t>(options_.positions) - 1 - chunks.back().size(); };
    auto next = [&] {
      end_chunk(chunks.back());
      chunks.push_back(begin_chunk());
    };
    int32_t number = 0;
    for (auto& group : groups) {
      ++number;
      auto splits = group.size() >= large_group;
      if (!splits && group.size() > room())
        next();
      for (auto token : group) {
        if (room() == 0)
          next();
        token.word = number;
        chunks.back().push_back(token);
      }
    }
    end_chunk(chunks.back());
    return chunks;
  }

  std::shared_ptr<const clip_bpe> bpe_;
  clip_tokenizer_options options_;
};

/// Several encoders of one model: each reads the prompt its own way.
class joint_tokenizer : public tokenizer {
public:
  explicit joint_tokenizer(std::vector<std::shared_ptr<const tokenizer>> parts)
    : parts_(std::move(parts)) {}

  result<tokenized_text> tokenize(std::string_view text, const embedding_source* embeddings,
                                  text_cleanup cleanup) const override {
    tokenized_text all;
    for (auto& part : parts_) {
      auto one = part->tokenize(text, embeddings, cleanup);
      if (!one)
        return fail(one);
      add(all, std::move(*one));
    }
    return all;
  }

private:
  static void add(tokenized_text& all, tokenized_text one) {
    auto shift = static_cast<int32_t>(all.embeddings.size());
    for (auto& [key, chunks] : one.tokens)
      for (auto& chunk : chunks)
        for (auto& token : chunk)
          token.embedding += token.embedding < 0 ? 0 : shift;
    all.tokens.merge(one.tokens);
    std::move(one.embeddings.begin(), one.embeddings.end(), std::back_inserter(all.embeddings));
    add_warnings(all.warnings, std::move(one.warnings));
  }

  std::vector<std::shared_ptr<const tokenizer>> parts_;
};

/// One vocabulary a process: it is the same for all.
result<std::shared_ptr<const clip_bpe>> shared_bpe(const std::filesystem::path& file) {
  static std::mutex mutex;
  static std::shared_ptr<const clip_bpe> loaded;
  std::lock_guard lock{mutex};
  if (!loaded) {
    auto bpe = clip_bpe::load(file);
    if (!bpe)
      return fail(bpe);
    loaded = *bpe;
  }
  return loaded;
}

} // namespace

std::shared_ptr<const tokenizer> make_clip_tokenizer(std::shared_ptr<const clip_bpe> bpe,
                                                     clip_tokenizer_options options) {
  return std::make_shared<clip_tokenizer>(std::move(bpe), std::move(options));
}

result<std::shared_ptr<const tokenizer>>
make_clip_tokenizer(std::span<const clip_tokenizer_options> encoders,
                    const std::filesystem::path& share) {
  auto bpe = shared_bpe(share / "clip" / "bpe_simple_vocab_16e6.txt.gz");
  if (!bpe)
    return fail(bpe);
  std::vector<std::shared_ptr<const tokenizer>> parts;
  for (auto& encoder : encoders)
    parts.push_back(make_clip_tokenizer(*bpe, encoder));
  if (parts.size() == 1)
    return parts.front();
  return std::make_shared<joint_tokenizer>(std::move(parts));
}

} // namespace luna::models
