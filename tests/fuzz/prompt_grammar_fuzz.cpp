// Any bytes as a prompt: the grammar and the tokenizer neither crash nor run away, and what they
// give is in bounds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "models/prompt/prompt_grammar.hpp"
#include "models/tokenizers/clip_tokenizer.hpp"

namespace {

using namespace luna::models;

void require(bool holds) {
  if (!holds)
    std::abort();
}

/// Finds every embedding whose name has an even length: two rows of three numbers.
class some_embeddings : public embedding_source {
public:
  luna::result<std::vector<luna::named_tensor>> find(std::string_view name) const override {
    if (name.size() % 2 != 0)
      return luna::fail(luna::ec::unknown_model, "odd");
    static constexpr std::byte zeros[24]{};
    return std::vector<luna::named_tensor>{
      {"emb_params", luna::tensor_block::copy_of(luna::dtype::f32, {2, 3}, zeros)}};
  }
};

/// A vocabulary of bytes with merges of the right number, all of them the same pair: enough to walk
/// every path without a file.
const tokenizer& byte_tokenizer() {
  static const auto made = [] {
    std::string merges = "title\n";
    for (int i = 0; i < 48894; ++i)
      merges += i % 2 == 0 ? "a b\n" : "b c</w>\n";
    auto bpe = clip_bpe::parse(merges);
    require(bpe.has_value());
    return make_clip_tokenizer(*bpe, {"l", "clip_l", clip_bpe::end, 77, 3});
  }();
  return *made;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  python_float(text);
  auto segments = parse_prompt(text);
  size_t bytes = 0;
  if (segments)
    for (auto& segment : *segments) {
      require(!segment.text.empty());
      bytes += segment.text.size();
    }
  require(bytes <= size);
  some_embeddings embeddings;
  auto tokens = byte_tokenizer().tokenize(text, &embeddings);
  require(tokens.has_value() == segments.has_value());
  if (!tokens)
    return 0;
  for (auto& chunk : tokens->tokens.at("l")) {
    require(chunk.size() == 77 && chunk.front().id == clip_bpe::start);
    for (auto& token : chunk)
      require(token.embedding < 0 ? token.id >= 0 && token.id < clip_bpe::vocabulary
                                  : static_cast<size_t>(token.embedding) < tokens->embeddings.size()
                                      && token.row < 2);
  }
  return 0;
}
