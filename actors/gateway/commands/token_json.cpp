#include "actors/gateway/commands/token_json.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/tokenizers/text_tokens.hpp"

namespace luna::commands {

namespace {

using protocol::field_reader;
using protocol::json;

constexpr size_t max_keys = 8;
constexpr size_t max_key_bytes = 64;
constexpr size_t max_tensor_name_bytes = 1024;

constexpr std::string_view expected_tokens =
  "an object of the text encoder's keys with arrays of chunks";
constexpr std::string_view expected_entry =
  "[id, weight] with a whole number or {\"embedding\", \"row\"} and a number that is finite in f32";

/// A whole number from 0 to 2^31 - 1.
std::optional<int32_t> read_index(const json& x) {
  constexpr auto most = std::numeric_limits<int32_t>::max();
  if (x.is_number_unsigned() && x.get<uint64_t>() <= static_cast<uint64_t>(most))
    return x.get<int32_t>();
  if (x.is_number_integer() && !x.is_number_unsigned() && x.get<int64_t>() >= 0
      && x.get<int64_t>() <= most)
    return x.get<int32_t>();
  return std::nullopt;
}

/// The index of a tensor's name among those that tokens point to.
int32_t index_of(std::vector<std::string>& names, std::string name) {
  auto known = std::find(names.begin(), names.end(), name);
  auto index = static_cast<int32_t>(known - names.begin());
  if (known == names.end())
    names.push_back(std::move(name));
  return index;
}

bool read_embedding(const json& x, token_arguments& all, text_token& to) {
  if (x.size() != 2 || !x.contains("embedding") || !x.contains("row")
      || !x["embedding"].is_string())
    return false;
  auto name = x["embedding"].get<std::string>();
  auto row = read_index(x["row"]);
  if (!row || name.empty() || name.size() > max_tensor_name_bytes)
    return false;
  to.row = *row;
  to.embedding = index_of(all.embeddings, std::move(name));
  return true;
}

bool read_entry(const json& x, token_arguments& all, text_token& to) {
  if (!x.is_array() || x.size() < 2 || x.size() > 3 || !x[1].is_number())
    return false;
  to.weight = x[1].get<double>();
  if (!models::is_weight(to.weight))
    return false;
  if (x.size() == 3) { // as clip_tokenize answers with word ids
    auto word = read_index(x[2]);
    if (!word)
      return false;
    to.word = *word;
  }
  if (x[0].is_object())
    return read_embedding(x[0], all, to);
  auto id = read_index(x[0]);
  to.id = id.value_or(0);
  return id.has_value();
}

/// Refuses a part of the tokens: "'tokens.l[0][3]' must be ...; it is 7".
void refuse(field_reader& in, const std::string& place, std::string_view expectation,
            const json& found) {
  in.refuse(failure{ec::bad_request,
                    "'" + in.full_name("tokens") + place + "' must be " + std::string{expectation}
                      + "; it is " + protocol::describe(found),
                    0,
                    {}});
}

bool read_chunks(field_reader& in, const json& chunks, token_arguments& all, keyed_chunks& to) {
  auto place = "." + to.key;
  if (!chunks.is_array())
    return refuse(in, place, "an array of chunks", chunks), false;
  to.chunks.resize(chunks.size());
  for (size_t i = 0; i < chunks.size(); ++i) {
    auto& chunk = chunks[i];
    auto chunk_place = place + "[" + std::to_string(i) + "]";
    if (!chunk.is_array())
      return refuse(in, chunk_place, "an array of entries", chunk), false;
    to.chunks[i].resize(chunk.size());
    for (size_t k = 0; k < chunk.size(); ++k)
      if (!read_entry(chunk[k], all, to.chunks[i][k]))
        return refuse(in, chunk_place + "[" + std::to_string(k) + "]", expected_entry, chunk[k]),
               false;
  }
  return true;
}

} // namespace

void read_tokens(field_reader& in, token_arguments& to) {
  auto* x = in.value("tokens");
  if (x == nullptr || !x->is_object() || x->empty() || x->size() > max_keys)
    return in.refuse("tokens", expected_tokens);
  for (auto& [key, chunks] : x->items()) {
    if (key.empty() || key.size() > max_key_bytes)
      return in.refuse("tokens", expected_tokens);
    to.tokens.push_back({key, {}});
    if (!read_chunks(in, chunks, to, to.tokens.back()))
      return;
  }
}

json to_json(const tokenize_answer& answer, bool word_ids) {
  auto result = json::object();
  for (auto& [key, chunks] : answer.tokens) {
    auto rows = json::array();
    for (auto& chunk : chunks) {
      auto row = json::array();
      for (auto& x : chunk) {
        json id = x.id;
        if (x.embedding >= 0)
          id = json{{"embedding", answer.embeddings.at(static_cast<size_t>(x.embedding))},
                    {"row", x.row}};
        auto entry = json::array({std::move(id), x.weight.value});
        if (word_ids)
          entry.push_back(x.word);
        row.push_back(std::move(entry));
      }
      rows.push_back(std::move(row));
    }
    result[key] = std::move(rows);
  }
  return result;
}

} // namespace luna::commands
