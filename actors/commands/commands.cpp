#include "actors/commands/commands.hpp"

#include <algorithm>
#include <iterator>

#include "actors/commands/connection_commands.hpp"
#include "actors/commands/control_commands.hpp"
#include "actors/commands/folder_commands.hpp"
#include "actors/commands/model_commands.hpp"
#include "actors/commands/save_commands.hpp"
#include "actors/commands/view_commands.hpp"

namespace luna::commands {

namespace {

constexpr command table[] = {
  {"list_models", list_models},
  {"model_info", model_info},
  {"vae_encode", vae_encode, true, count_as::vae},
  {"vae_decode", vae_decode, true, count_as::vae},
  {"clip_tokenize", clip_tokenize, false, count_as::clip},
  {"clip_encode", clip_encode, false, count_as::clip},
  {"clip_encode_sdxl", clip_encode_sdxl, false, count_as::clip},
  {"clip_encode_from_tokens", clip_encode_from_tokens, true, count_as::clip},
  {"submit_async", submit_async, true},
  {"job_status", job_status},
  {"job_wait", job_wait},
  {"job_cancel", job_cancel},
  {"job_retry", job_retry},
  {"job_discard", job_discard},
  {"job_list", job_list},
  {"probe_folder", probe_folder},
  {"allow_output", allow_output},
  {"set_attention_mode", set_attention_mode},
  {"unload_models", unload_models},
  {"reset", reset},
  {"shutdown", shutdown},
  {"ping", ping, false, count_as::nothing},
  {"get_info", get_status, false, count_as::nothing},
  {"get_status", get_status, false, count_as::nothing},
  {"subscribe", subscribe},
  {"negotiate_ipc", negotiate_ipc},
};

} // namespace

const command* find_command(std::string_view name) {
  auto i =
    std::find_if(std::begin(table), std::end(table), [&](auto& x) { return x.name == name; });
  return i == std::end(table) ? nullptr : i;
}

} // namespace luna::commands
