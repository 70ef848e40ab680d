#include "models/prompt/sdxl_prompt.hpp"

#include <map>
#include <string>
#include <utility>

namespace luna::models {

namespace {

/// The chunks of one key, with the embeddings that they name, put into `all`.
void move_key(const std::string& key, tokenized_text from, tokenized_text& all) {
  std::map<int32_t, int32_t> moved;
  for (auto& chunk : from.tokens.at(key))
    for (auto& token : chunk) {
      if (token.embedding < 0)
        continue;
      auto [place, added] =
        moved.emplace(token.embedding, static_cast<int32_t>(all.embeddings.size()));
      if (added)
        all.embeddings.push_back(from.embeddings.at(static_cast<size_t>(token.embedding)));
      token.embedding = place->second;
    }
  all.tokens[key] = std::move(from.tokens.at(key));
  add_warnings(all.warnings, std::move(from.warnings));
}

} // namespace

result<tokenized_text> tokenize_pair(const tokenizer& tokenizer, std::string_view text_l,
                                     std::string_view text_g, const embedding_source* embeddings,
                                     text_cleanup cleanup) {
  auto empty = tokenizer.tokenize({});
  if (!empty)
    return fail(empty);
  if (empty->tokens.size() != 2 || !empty->tokens.count("l") || !empty->tokens.count("g"))
    return fail(ec::model_mismatch,
                "this model has not SDXL's two encoders 'l' and 'g': use clip_encode");
  tokenized_text all;
  for (auto& [key, text] : {std::pair<std::string, std::string_view>{"l", text_l}, {"g", text_g}}) {
    auto one = tokenizer.tokenize(text, embeddings, cleanup);
    if (!one)
      return fail(one);
    move_key(key, std::move(*one), all);
  }
  auto& l = all.tokens["l"];
  auto& g = all.tokens["g"];
  while (l.size() < g.size())
    l.push_back(empty->tokens.at("l").front());
  while (g.size() < l.size())
    g.push_back(empty->tokens.at("g").front());
  return all;
}

} // namespace luna::models
