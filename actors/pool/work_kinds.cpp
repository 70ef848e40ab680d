#include "actors/pool/work_kinds.hpp"

#include <algorithm>

#include "messages/work_arguments.hpp"
#include "models/text/text_work.hpp"
#include "models/vae/vae_work.hpp"

namespace luna {

namespace {

constexpr uint64_t batch_tokens = 77 * 32;
constexpr uint64_t batch_pixels = 512 * 512;

constexpr work_kind table[] = {
  {.name = "model_info"},
  {.name = "clip_tokenize",
   .pool = model_kind::text,
   .slow = true,
   .prepare = prepare_with<tokenize_arguments, models::prepare_tokenize>,
   .attributes = tell<tokenize_answer>},
  {.name = "clip_encode",
   .pool = model_kind::text,
   .slow = true,
   .batch_cost = batch_tokens,
   .prepare = prepare_with<prompt_arguments, models::prepare_prompts>},
  {.name = "clip_encode_from_tokens",
   .pool = model_kind::text,
   .slow = true,
   .batch_cost = batch_tokens,
   .prepare = prepare_with<token_arguments, models::prepare_tokens>},
  {.name = "vae_encode",
   .pool = model_kind::vae,
   .batch_cost = batch_pixels,
   .prepare = prepare_with<vae_tiling, models::prepare_vae_encode>,
   .attributes = tell<tiling_report>},
  {.name = "vae_decode",
   .pool = model_kind::vae,
   .batch_cost = batch_pixels,
   .prepare = prepare_with<vae_tiling, models::prepare_vae_decode>,
   .attributes = tell<tiling_report>},
};

} // namespace

std::span<const work_kind> work_kinds() {
  return table;
}

const work_kind* find_kind(std::span<const work_kind> kinds, std::string_view name) {
  auto i = std::find_if(kinds.begin(), kinds.end(), [&](auto& x) { return x.name == name; });
  return i == kinds.end() ? nullptr : &*i;
}

bool serves(std::span<const work_kind> kinds, model_kind pool) {
  return std::any_of(kinds.begin(), kinds.end(), [&](auto& x) { return x.pool == pool; });
}

} // namespace luna
