#include "actors/gateway/commands/commands.hpp"

#include <algorithm>
#include <iterator>

#include "actors/gateway/commands/connection_commands.hpp"
#include "actors/gateway/commands/control_commands.hpp"
#include "actors/gateway/commands/folder_commands.hpp"
#include "actors/gateway/commands/model_commands.hpp"
#include "actors/gateway/commands/save_commands.hpp"
#include "actors/gateway/commands/view_commands.hpp"
#include "base/nearest.hpp"

namespace luna::commands {

namespace {

constexpr auto clip = count_as::clip;
constexpr auto vae = count_as::vae;
constexpr auto nothing = count_as::nothing;

constexpr command table[] = {
  {.name = "list_models", .run = list_models},
  {.name = "model_info", .run = model_info},
  {.name = "vae_encode", .run = vae_encode, .takes_body = true, .counted = vae},
  {.name = "vae_decode", .run = vae_decode, .takes_body = true, .counted = vae},
  {.name = "clip_tokenize", .run = clip_tokenize, .counted = clip},
  {.name = "clip_encode", .run = clip_encode, .counted = clip},
  {.name = "clip_encode_sdxl", .run = clip_encode_sdxl, .counted = clip},
  {.name = "clip_encode_from_tokens",
   .run = clip_encode_from_tokens,
   .takes_body = true,
   .counted = clip},
  {.name = "zimage_encode"},
  {.name = "encode_vision"},
  {.name = "vlm_generate", .alias = "vlm_describe"},
  {.name = "lora_cache_put", .alias = "upload_lora"},
  {.name = "lora_cache_get"},
  {.name = "lora_cache_check", .alias = "has_lora"},
  {.name = "lora_cache_stats", .alias = "lora_stats"},
  {.name = "lora_cache_remove"},
  {.name = "lora_cache_clear"},
  {.name = "submit_async", .run = submit_async, .takes_body = true},
  {.name = "job_status", .run = job_status},
  {.name = "job_wait", .run = job_wait, .waits = true},
  {.name = "job_cancel", .run = job_cancel},
  {.name = "job_retry", .run = job_retry},
  {.name = "job_discard", .run = job_discard},
  {.name = "job_list", .run = job_list},
  {.name = "probe_folder", .run = probe_folder},
  {.name = "allow_output", .run = allow_output},
  {.name = "set_attention_mode", .run = set_attention_mode},
  {.name = "unload_models", .alias = "unload", .run = unload_models},
  {.name = "reset", .run = reset},
  {.name = "shutdown", .run = shutdown},
  {.name = "ping", .alias = "health", .run = ping, .counted = nothing},
  {.name = "get_info", .alias = "info", .run = get_status, .counted = nothing},
  {.name = "get_status", .run = get_status, .counted = nothing},
  {.name = "subscribe", .run = subscribe},
  {.name = "negotiate_ipc", .run = negotiate_ipc},
};

/// The row that a name or an alias means, or nullptr.
const command* row_of(std::string_view name) {
  auto i = std::find_if(std::begin(table), std::end(table), [&](auto& x) {
    return x.name == name || (!x.alias.empty() && x.alias == name);
  });
  return i == std::end(table) ? nullptr : i;
}

/// The names, then the aliases, of the commands that are wanted.
template <class Wanted>
std::vector<std::string> names_of(Wanted wanted) {
  std::vector<std::string> names;
  for (auto& x : table)
    if (wanted(x))
      names.emplace_back(x.name);
  for (auto& x : table)
    if (wanted(x) && !x.alias.empty())
      names.emplace_back(x.alias);
  return names;
}

} // namespace

const command* find_command(std::string_view name) {
  auto* row = row_of(name);
  return row == nullptr || row->run == nullptr || row->name != name ? nullptr : row;
}

std::vector<std::string> forbidden_problems(std::span<const std::string> forbidden) {
  std::vector<std::string> problems;
  for (size_t i = 0; i < forbidden.size(); ++i)
    if (row_of(forbidden[i]) == nullptr)
      problems.push_back("limits.forbidden-commands[" + std::to_string(i)
                         + "]: there is no command '" + forbidden[i] + "'"
                         + did_you_mean(forbidden[i], names_of([](auto&) { return true; })));
  return problems;
}

std::vector<std::string> announced_names(std::span<const std::string> forbidden) {
  return names_of([&](const command& x) {
    return x.run != nullptr && std::none_of(forbidden.begin(), forbidden.end(), [&](auto& name) {
             return row_of(name) == &x;
           });
  });
}

std::vector<std::string> waiting_names() {
  return names_of([](const command& x) { return x.waits; });
}

std::string_view canonical_name(std::string_view name) {
  auto* row = row_of(name);
  return row == nullptr ? name : row->name;
}

failure unknown_command(std::string_view name) {
  if (row_of(name) != nullptr)
    return {ec::unknown_command,
            "the command '" + std::string{name}
              + "' is not built yet in this server: its hello lists the commands that are",
            0,
            {}};
  return {ec::unknown_command,
          "there is no command '" + std::string{name.substr(0, 64)} + "'"
            + did_you_mean(name, announced_names()),
          0,
          {}};
}

} // namespace luna::commands
