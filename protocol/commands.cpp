#include "protocol/commands.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "messages/nearest.hpp"

namespace luna::protocol {

namespace {

constexpr std::array<std::string_view, 26> built{
  "list_models",      "model_info",
  "vae_encode",       "vae_decode",
  "clip_tokenize",    "clip_encode",
  "clip_encode_sdxl", "clip_encode_from_tokens",
  "submit_async",     "job_status",
  "job_wait",         "job_cancel",
  "job_retry",        "job_discard",
  "job_list",         "probe_folder",
  "allow_output",     "set_attention_mode",
  "unload_models",    "reset",
  "shutdown",         "ping",
  "get_info",         "get_status",
  "subscribe",        "negotiate_ipc",
};

/// Commands of the protocol that this build does not have.
constexpr std::array<std::string_view, 9> planned{
  "zimage_encode",    "encode_vision",    "vlm_generate",      "lora_cache_put",   "lora_cache_get",
  "lora_cache_check", "lora_cache_stats", "lora_cache_remove", "lora_cache_clear",
};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> aliases{{
  {"health", "ping"},
  {"info", "get_info"},
  {"unload", "unload_models"},
  {"has_lora", "lora_cache_check"},
  {"upload_lora", "lora_cache_put"},
  {"lora_stats", "lora_cache_stats"},
  {"vlm_describe", "vlm_generate"},
}};

template <class List>
bool contains(const List& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

} // namespace

std::span<const std::string_view> built_commands() {
  return built;
}

std::vector<std::string> announced_commands(std::span<const std::string> forbidden) {
  std::vector<std::string> names;
  auto is_forbidden = [&](std::string_view name) {
    return std::any_of(forbidden.begin(), forbidden.end(),
                       [&](auto& x) { return canonical_command(x) == name; });
  };
  for (auto name : built)
    if (!is_forbidden(name))
      names.emplace_back(name);
  for (auto [alias, name] : aliases)
    if (contains(built, name) && !is_forbidden(name))
      names.emplace_back(alias);
  return names;
}

std::string_view canonical_command(std::string_view name) {
  for (auto [alias, meaning] : aliases)
    if (alias == name)
      return meaning;
  return name;
}

failure unknown_command(std::string_view name) {
  if (contains(planned, canonical_command(name)))
    return {ec::unknown_command,
            "the command '" + std::string{name}
              + "' is not built yet in this server: its hello lists the commands that are",
            0,
            {}};
  return {ec::unknown_command,
          "there is no command '" + std::string{name.substr(0, 64)} + "'"
            + did_you_mean(name, announced_commands()),
          0,
          {}};
}

} // namespace luna::protocol
