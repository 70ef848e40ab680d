// What CLIP text models say of requests.
#include <algorithm>
#include <limits>
#include <string>

#include "models/family.hpp"
#include "models/text/clip_layout.hpp"
#include "models/tokenizers/clip_tokenizer.hpp"

namespace luna::models {

namespace {

constexpr size_t max_chunks = 4096;
constexpr int deepest_skip = 24; ///< what ComfyUI's CLIPSetLastLayer offers for every model
constexpr uint64_t scratch_bytes = uint64_t{16} << 20; ///< of the libraries below us

std::string place(const std::string& key, size_t chunk, size_t position) {
  return "token " + std::to_string(position) + " of chunk " + std::to_string(chunk) + " of '" + key
       + "'";
}

result<void> check_embedding(const tensor_block& tensor, size_t index) {
  auto known =
    tensor.type() == dtype::f32 || tensor.type() == dtype::f16 || tensor.type() == dtype::bf16;
  if (!known || tensor.rank() < 1 || tensor.rank() > 2 || tensor.size_bytes() == 0)
    return fail(ec::bad_request, "embedding " + std::to_string(index) + " has the type "
                                   + std::string{to_string(tensor.type())} + " and the shape "
                                   + format_shape(tensor.shape())
                                   + "; f32, f16 or bf16 of [rows, width] is needed");
  return {};
}

result<void> check_token(const clip_tower_facts& tower, const text_job& job,
                         const text_token& token, const std::string& where) {
  if (!is_weight(token.weight))
    return fail(ec::bad_request, where
                                   + " has a weight that is no finite number in f32, which ends at"
                                     " 3.4e38");
  if (token.embedding < 0) {
    if (token.id < 0 || token.id >= tower.vocabulary)
      return fail(ec::model_mismatch, where + " has the id " + std::to_string(token.id)
                                        + ", but the vocabulary of this model ends at "
                                        + std::to_string(tower.vocabulary - 1));
    return {};
  }
  if (static_cast<size_t>(token.embedding) >= job.embeddings.size())
    return fail(ec::bad_request, where + " names an embedding that is not in the request");
  auto& tensor = job.embeddings[static_cast<size_t>(token.embedding)];
  auto rows = tensor.rank() == 1 ? 1 : tensor.dim(0);
  if (token.row < 0 || token.row >= rows)
    return fail(ec::bad_request, where + " names row " + std::to_string(token.row)
                                   + " of an embedding of " + std::to_string(rows) + " rows");
  return {};
}

result<void> check_chunk(const clip_tower_facts& tower, const text_job& job, size_t index) {
  auto& key = tower.key;
  auto& chunk = job.tokens.at(key)[index];
  if (chunk.size() != static_cast<size_t>(tower.positions))
    return fail(ec::model_mismatch, "chunk " + std::to_string(index) + " of '" + key + "' has "
                                      + std::to_string(chunk.size()) + " tokens, this model reads "
                                      + std::to_string(tower.positions));
  for (size_t i = 0; i < chunk.size(); ++i)
    if (auto ok = check_token(tower, job, chunk[i], place(key, index, i)); !ok)
      return ok;
  return {};
}

std::string list(const std::vector<std::string>& words) {
  std::string text;
  for (auto& word : words)
    text += (text.empty() ? "'" : ", '") + word + "'";
  return text;
}

bool is_weighted(const std::vector<token_chunk>& chunks) {
  return std::any_of(chunks.begin(), chunks.end(), [](auto& chunk) {
    return std::any_of(chunk.begin(), chunk.end(), [](auto& x) { return x.weight != 1.0; });
  });
}

result<void> check_job(const model_facts& facts, const text_job& job) {
  auto deepest = std::max(deepest_skip, facts.layers);
  if (job.layer && (*job.layer >= 0 || *job.layer < -deepest))
    return fail(ec::bad_request, "layer " + std::to_string(*job.layer) + " is not in -1 .. -"
                                   + std::to_string(deepest));
  for (size_t i = 0; i < job.embeddings.size(); ++i)
    if (auto ok = check_embedding(job.embeddings[i], i); !ok)
      return ok;
  for (auto& [key, chunks] : job.tokens)
    if (std::find(facts.token_keys.begin(), facts.token_keys.end(), key) == facts.token_keys.end())
      return fail(ec::model_mismatch, "the tokens have the key '" + key
                                        + "', but a model of family " + facts.family + " reads "
                                        + list(facts.token_keys));
  for (auto& tower : towers_of(facts)) {
    auto& key = tower.key;
    auto found = job.tokens.find(key);
    if (found == job.tokens.end())
      return fail(ec::model_mismatch, "the tokens lack the key '" + key + "'");
    auto& chunks = found->second;
    if (chunks.empty() || chunks.size() > max_chunks)
      return fail(ec::bad_request, "'" + key + "' has " + std::to_string(chunks.size())
                                     + " chunks; 1 to " + std::to_string(max_chunks)
                                     + " are encoded");
    for (size_t i = 0; i < chunks.size(); ++i)
      if (auto ok = check_chunk(tower, job, i); !ok)
        return ok;
  }
  return {};
}

text_shapes output_shapes(const model_facts& facts, const text_job& job) {
  // Towers that got different numbers of chunks: as long as the shortest.
  auto length = std::numeric_limits<int64_t>::max();
  for (auto& tower : towers_of(facts))
    length = std::min(length, static_cast<int64_t>(job.tokens.at(tower.key).size())
                                * int64_t{tower.positions});
  auto& last = towers_of(facts).back();
  auto pooled = job.projected && last.projection > 0 ? last.projection : last.width;
  return {{1, length, facts.cond_width}, std::vector<int64_t>{1, pooled}};
}

uint64_t working_bytes(const model_facts& facts, std::span<const text_job> jobs) {
  uint64_t all_rows = 0;
  uint64_t largest_block = 0;
  for (auto& tower : towers_of(facts)) {
    uint64_t rows = 0;
    for (auto& job : jobs)
      if (auto found = job.tokens.find(tower.key); found != job.tokens.end())
        rows += found->second.size() + (is_weighted(found->second) ? 1 : 0);
    auto positions = static_cast<uint64_t>(tower.positions);
    auto width = static_cast<uint64_t>(tower.width);
    auto inner = static_cast<uint64_t>(tower.inner);
    auto heads = static_cast<uint64_t>(tower.heads);
    // Per row: hidden state, the chosen layer's, and its part of the answer. Beside them one row
    // at a time goes through a block: q, k, v, their attention, the MLP's inner values twice, and,
    // where no kernel takes fp16 weights, the largest weight in fp32.
    all_rows += rows * positions * width * 4 * 3;
    largest_block = std::max(largest_block, positions * (6 * width + 2 * inner) * 4
                                              + 2 * heads * positions * positions * 4
                                              + std::max(3 * width, inner) * width * 4);
  }
  return all_rows + largest_block + scratch_bytes;
}

result<std::shared_ptr<const tokenizer>> tokenizer_of(const model_facts& facts,
                                                      const std::filesystem::path& share) {
  std::vector<clip_tokenizer_options> encoders;
  for (auto& tower : towers_of(facts))
    encoders.push_back({tower.key, "clip_" + tower.key, tower.pad, tower.positions, tower.width});
  return make_clip_tokenizer(encoders, share);
}

constexpr text_family as_text{
  .make_tokenizer = tokenizer_of,
  .check_job = check_job,
  .output_shapes = output_shapes,
  .working_bytes = working_bytes,
};

} // namespace

const family clip_family{.describe = describe_clip, .load = load_clip, .text = &as_text};

} // namespace luna::models
