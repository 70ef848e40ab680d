#include "models/clip_tokenizer.hpp"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

#include "models/prompt_grammar.hpp"
#include "models/utf8.hpp"

namespace luna::models {

namespace {

constexpr std::string_view marker = "embedding:";

/// A group of this many tokens may be split between two chunks; a shorter one moves whole.
constexpr size_t large_group = 8;

bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/// Where the next "embedding:" stands that begins the text or follows white space.
size_t find_marker(std::string_view text, size_t from) {
  for (auto at = text.find(marker, from); at != std::string_view::npos;
       at = text.find(marker, at + 1))
    if (at == 0 || is_blank(text[at - 1]))
      return at;
  return std::string_view::npos;
}

/// Cuts a segment before each "embedding:".
std::vector<std::string_view> split_at_markers(std::string_view text) {
  std::vector<std::string_view> pieces;
  size_t begin = 0;
  while (begin < text.size()) {
    auto next = std::min(find_marker(text, begin + 1), text.size());
    pieces.push_back(text.substr(begin, next - begin));
    begin = next;
  }
  return pieces;
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
    for (auto& segment : *segments)
      for (auto piece : split_at_markers(segment.text))
        if (auto ok = read_piece(piece, segment.weight, embeddings, cleanup, groups, out);
            !ok)
          return fail(ok);
    out.tokens[options_.key] = fill_chunks(groups);
    return out;
  }

private:
  result<void> read_piece(std::string_view piece, double weight, const embedding_source* embeddings,
                          text_cleanup cleanup, std::vector<group>& groups,
                          tokenized_text& out) const {
    if (piece.starts_with(marker)) {
      auto rest = read_embedding(piece.substr(marker.size()), weight, embeddings, groups, out);
      if (!rest)
        return fail(rest);
      piece = *rest;
      if (piece.empty())
        return {};
    }
    group words;
    for (auto id : bpe_->encode(piece, cleanup))
      words.push_back({id, weight, -1, 0, 0});
    groups.push_back(std::move(words));
    return {};
  }

  /// Reads a name at the start of `text` and adds its rows. A name that is not found is tried
  /// without the commas at its end, then left out with a warning. @returns the text after it.
  result<std::string_view> read_embedding(std::string_view text, double weight,
                                          const embedding_source* embeddings,
                                          std::vector<group>& groups, tokenized_text& out) const {
    auto end = std::find_if(text.begin(), text.end(),
                            [](char c) { return is_blank(c) || c == '<' || c == '['; });
    auto name = text.substr(0, static_cast<size_t>(end - text.begin()));
    auto bare = name.substr(0, name.find_last_not_of(',') + 1);
    std::vector<std::string_view> candidates{name};
    if (bare.size() < name.size())
      candidates.push_back(bare);
    for (auto candidate : candidates) {
      auto index = load(candidate, embeddings, out);
      if (!index)
        return fail(index);
      if (*index < 0)
        continue;
      auto& tensor = out.embeddings[static_cast<size_t>(*index)].tensor;
      group rows;
      for (int32_t row = 0; row < (tensor.rank() == 1 ? 1 : tensor.dim(0)); ++row)
        rows.push_back({0, weight, *index, row, 0});
      groups.push_back(std::move(rows));
      return text.substr(candidate.size());
    }
    add_warning(out.warnings,
                {"embedding", "there is no embedding '" + std::string{bare} + "': it is left out"});
    return text.substr(bare.size());
  }

  /// The index of an embedding's tensor in the result; -1 if it is not there or unfit.
  result<int32_t> load(std::string_view name, const embedding_source* embeddings,
                       tokenized_text& out) const {
    auto title = options_.encoder + "." + std::string{name};
    for (size_t i = 0; i < out.embeddings.size(); ++i)
      if (out.embeddings[i].name == title)
        return static_cast<int32_t>(i);
    if (embeddings == nullptr || name.empty())
      return -1;
    auto tensors = embeddings->find(name);
    if (!tensors && tensors.error().code != ec::unknown_model
        && tensors.error().code != ec::not_permitted)
      return fail(tensors);
    if (!tensors)
      return -1;
    auto tensor = choose(std::move(*tensors), options_.encoder);
    if (!tensor)
      return fail(tensor);
    auto number =
      tensor->type() == dtype::f32 || tensor->type() == dtype::f16 || tensor->type() == dtype::bf16;
    if (!number || tensor->rank() < 1 || tensor->rank() > 2 || tensor->size_bytes() == 0
        || (tensor->rank() == 2 && tensor->dim(0) > options_.positions * 64)) {
      add_warning(out.warnings,
                  {"embedding", "the embedding '" + std::string{name} + "' is a tensor of shape "
                                  + format_shape(tensor->shape()) + ", not of rows of numbers"});
      return -1;
    }
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

result<std::shared_ptr<const tokenizer>> make_tokenizer(const model_facts& facts,
                                                        const std::filesystem::path& share) {
  if (facts.towers.empty())
    return fail(ec::unsupported_model, "there is no tokenizer for the family " + facts.family);
  auto bpe = shared_bpe(share / "clip" / "bpe_simple_vocab_16e6.txt.gz");
  if (!bpe)
    return fail(bpe);
  std::vector<std::shared_ptr<const tokenizer>> parts;
  for (auto& tower : facts.towers)
    parts.push_back(make_clip_tokenizer(
      *bpe, {tower.key, "clip_" + tower.key, tower.pad, tower.positions, tower.width}));
  if (parts.size() == 1)
    return parts.front();
  return std::make_shared<joint_tokenizer>(std::move(parts));
}

} // namespace luna::models
