#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <cmath>

#include "base/safetensors.hpp"
#include "models/tokenizers/clip_tokenizer.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

namespace {

std::shared_ptr<const clip_bpe> vocabulary() {
  static const auto bpe =
    test::value(clip_bpe::load(LUNA_SHARE "/clip/bpe_simple_vocab_16e6.txt.gz"));
  return bpe;
}

std::shared_ptr<const tokenizer> tokenizer_of(const std::string& key) {
  clip_tokenizer_options options{key, "clip_" + key, key == "l" ? clip_bpe::end : 0, 77, 128};
  return make_clip_tokenizer(vocabulary(), options);
}

std::shared_ptr<const embedding_source> inversions() {
  return make_embedding_folders({LUNA_TEST_MODELS "/embeddings"});
}

/// An id of the golden file as a token: "luna_ti[2]" is row 2 of the embedding.
text_token token_of(const nlohmann::json& id) {
  text_token token;
  if (id.is_number()) {
    token.id = id.get<int32_t>();
  } else {
    auto text = id.get<std::string>();
    token.embedding = 0;
    token.row = std::stoi(text.substr(text.find('[') + 1));
  }
  return token;
}

std::vector<token_chunk> chunks_of(const nlohmann::json& golden) {
  std::vector<token_chunk> chunks;
  for (auto& x : golden) {
    token_chunk chunk(x["length"].get<size_t>(), {x.value("pad", 0)});
    for (size_t i = 0; i < x["ids"].size(); ++i) {
      chunk[i] = token_of(x["ids"][i]);
      chunk[i].word = x["words"][i].get<int32_t>();
      if (x.contains("weights")) {
        chunk[i].weight = x["weights"][i].get<double>();
      }
    }
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

/// Empty if both are the same, else where they first differ.
std::string difference(const std::vector<token_chunk>& got, const std::vector<token_chunk>& want) {
  if (got.size() != want.size())
    return std::to_string(got.size()) + " chunks instead of " + std::to_string(want.size());
  for (size_t c = 0; c < got.size(); ++c) {
    if (got[c].size() != want[c].size())
      return "chunk " + std::to_string(c) + " has another length";
    for (size_t i = 0; i < got[c].size(); ++i) {
      auto& x = got[c][i];
      auto& y = want[c][i];
      auto same =
        x.id == y.id && x.embedding == y.embedding && x.row == y.row && x.word == y.word
        && (x.weight == y.weight || std::abs(x.weight - y.weight) <= 1e-9 * std::abs(y.weight));
      if (!same)
        return "token " + std::to_string(i) + " of chunk " + std::to_string(c) + " is "
             + std::to_string(x.id) + " weight " + std::to_string(x.weight) + " word "
             + std::to_string(x.word) + " instead of " + std::to_string(y.id) + " weight "
             + std::to_string(y.weight) + " word " + std::to_string(y.word);
    }
  }
  return {};
}

} // namespace

BOOST_AUTO_TEST_SUITE(clip_tokenizer_test)

BOOST_AUTO_TEST_CASE(every_golden_prompt_gives_the_tokens_that_comfyui_gives) {
  auto golden = nlohmann::json::parse(test::read_text(LUNA_TEST_DATA "/models/tokens_clip.json"));
  auto source = inversions();
  size_t compared = 0;
  for (std::string key : {"l", "g"}) {
    auto tokenizer = tokenizer_of(key);
    for (auto& x : golden["cases"]) {
      if (!x.contains(key))
        continue;
      auto prompt = x["prompt"].get<std::string>();
      if (prompt == "(word:inf)") { // ComfyUI goes on with a weight that makes NaN of it
        BOOST_TEST((tokenizer->tokenize(prompt).error().code == ec::bad_request));
        continue;
      }
      auto got = test::value(tokenizer->tokenize(prompt, source.get()));
      auto problem = difference(got.tokens.at(key), chunks_of(x[key]));
      BOOST_CHECK_MESSAGE(problem.empty(), "'" << prompt << "' for " << key << ": " << problem);
      ++compared;
    }
  }
  BOOST_TEST(compared == 150U);
  BOOST_TEST_MESSAGE("compared " << compared << " prompts");
}

BOOST_AUTO_TEST_CASE(embeddings_are_named_in_all_the_ways_that_comfyui_reads) {
  auto golden =
    nlohmann::json::parse(test::read_text(LUNA_TEST_DATA "/models/embedding_prompts.json"));
  test::temporary_folder folder;
  std::vector<named_tensor> tensors{{"emb_params", test::floats({1, 4}, {1, 2, 3, 4})}};
  test::write_text(folder / "one.safetensors", write_safetensors(tensors));
  auto source = make_embedding_folders({LUNA_TEST_MODELS "/embeddings", folder / ""});
  auto tokenizer = tokenizer_of("l");
  for (auto& x : golden["cases"]) {
    auto prompt = x["prompt"].get<std::string>();
    auto got = test::value(tokenizer->tokenize(prompt, source.get()));
    auto& chunks = got.tokens.at("l");
    BOOST_REQUIRE_EQUAL(chunks.size(), x["chunks"].size());
    for (size_t c = 0; c < chunks.size(); ++c)
      for (size_t i = 0; i < x["chunks"][c].size(); ++i) {
        auto& want = x["chunks"][c][i];
        auto& token = chunks[c][i];
        nlohmann::json id = token.id;
        if (token.embedding >= 0)
          id = got.embeddings.at(static_cast<size_t>(token.embedding)).name.substr(7) + "["
             + std::to_string(token.row) + "]";
        BOOST_CHECK_MESSAGE(id == want[0] && token.word == want[2].get<int32_t>(),
                            "'" << prompt << "': token " << i << " of chunk " << c << " is " << id
                                << " of word " << token.word << " instead of " << want);
      }
  }
}

BOOST_AUTO_TEST_CASE(an_embedding_without_a_name_is_a_warning) {
  auto source = inversions();
  auto got = test::value(tokenizer_of("l")->tokenize("cat embedding: ", source.get()));
  BOOST_TEST(got.warnings.size() == 1U);
  BOOST_TEST(got.tokens.at("l")[0][1].id == 2368);
}

BOOST_AUTO_TEST_CASE(an_embedding_that_is_named_twice_is_carried_once) {
  auto source = inversions();
  auto got =
    test::value(tokenizer_of("l")->tokenize("embedding:luna_ti embedding:luna_ti", source.get()));
  BOOST_REQUIRE_EQUAL(got.embeddings.size(), 1U);
  BOOST_TEST(got.embeddings[0].name == "clip_l.luna_ti");
  BOOST_TEST(got.embeddings[0].tensor.shape() == (std::vector<int64_t>{3, 128}));
  BOOST_TEST(got.warnings.empty());
}

BOOST_AUTO_TEST_CASE(each_encoder_takes_its_own_tensor_of_an_embedding) {
  auto source = inversions();
  auto got = test::value(tokenizer_of("g")->tokenize("embedding:luna_ti", source.get()));
  BOOST_TEST(got.embeddings.at(0).tensor.shape() == (std::vector<int64_t>{3, 192}));
}

BOOST_AUTO_TEST_CASE(an_embedding_that_is_missing_is_a_warning) {
  auto source = inversions();
  auto got = test::value(tokenizer_of("l")->tokenize("a embedding:nobody, cat", source.get()));
  BOOST_REQUIRE_EQUAL(got.warnings.size(), 1U);
  BOOST_TEST(got.warnings[0].code == "embedding");
  BOOST_TEST(got.warnings[0].message == "there is no embedding 'nobody': it is left out");
  auto plain = test::value(tokenizer_of("l")->tokenize("a , cat", source.get()));
  for (size_t i = 0; i < 77; ++i)
    BOOST_TEST(got.tokens.at("l")[0][i].id == plain.tokens.at("l")[0][i].id);
}

BOOST_AUTO_TEST_CASE(a_name_that_leaves_the_folders_is_not_found) {
  auto source = inversions();
  auto got =
    test::value(tokenizer_of("l")->tokenize("embedding:../clip_l.safetensors cat", source.get()));
  BOOST_TEST(got.embeddings.empty());
  BOOST_TEST(got.warnings.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_broken_or_pickled_embedding_is_a_warning_and_the_rest_of_the_prompt_stays) {
  test::temporary_folder folder;
  test::write_text(folder / "old.pt", "\x80\x02}q\x00.");
  test::write_text(folder / "page.safetensors", "<!DOCTYPE html><html></html>");
  test::write_text(folder / "nothing.safetensors", write_safetensors({}));
  auto source = make_embedding_folders({folder / ""});
  for (auto& [name, part] : {std::pair<std::string, std::string>{"old", "old.pt"},
                             {"page", "HTML page"},
                             {"page,", "HTML page"},
                             {"nothing", "no tensor"}}) {
    auto got =
      test::value(tokenizer_of("l")->tokenize("a embedding:" + name + " cat", source.get()));
    BOOST_REQUIRE_EQUAL(got.warnings.size(), 1U);
    BOOST_TEST(got.warnings[0].code == "embedding");
    BOOST_CHECK_MESSAGE(got.warnings[0].message.find(part) != std::string::npos,
                        got.warnings[0].message);
    auto& chunk = got.tokens.at("l")[0];
    BOOST_TEST(chunk[1].id == 320);
    BOOST_TEST(chunk[name.ends_with(',') ? 3 : 2].id == 2368);
  }
}

BOOST_AUTO_TEST_CASE(text_that_is_not_utf8_is_refused) {
  auto got = tokenizer_of("l")->tokenize("caf\xe9");
  BOOST_REQUIRE(!got);
  BOOST_TEST((got.error().code == ec::bad_request));
}

BOOST_AUTO_TEST_CASE(a_damaged_or_absent_vocabulary_is_told) {
  auto absent = clip_bpe::load("/nowhere/bpe.txt.gz");
  BOOST_REQUIRE(!absent);
  BOOST_TEST((absent.error().code == ec::internal));
  BOOST_TEST(absent.error().message.find("scripts/setup") != std::string::npos);
  BOOST_TEST(!clip_bpe::parse("title\ni n\nt h\n"));
  BOOST_TEST(!clip_bpe::parse("title\nqq zz\n"));
}

BOOST_AUTO_TEST_SUITE_END()
