#include "actors/gateway/commands/connection_commands.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "actors/cluster/event_hub.hpp"

namespace luna::commands {

using namespace session_parts;

namespace {

constexpr size_t most_topics = 16;
constexpr size_t most_kinds = 16;
constexpr size_t longest_id = 256;

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (auto& name : names)
    text += (text.empty() ? "\"" : ", \"") + name + '"';
  return text;
}

/// No topics: the listener is forgotten.
void listen(self_pointer self, std::vector<std::string> topics) {
  self->state.subscribed = !topics.empty();
  self->send(self->state.context->events, subscribe_atom_v,
             caf::actor_cast<listener_actor>(self->ctrl()), std::move(topics));
}

} // namespace

result<std::string> ping_reply(const json& header) {
  field_reader in{header};
  protocol::read_common_fields(in, {});
  auto data = in.optional_string("data", protocol::small_header_bytes);
  if (auto ok = in.finish(); !ok)
    return fail(ok);
  auto now = std::chrono::system_clock::now().time_since_epoch();
  json reply{{"pong", true}, {"time", std::chrono::duration<double>(now).count()}};
  if (data)
    reply["data"] = std::move(*data);
  return protocol::dump_header(reply);
}

result<void> ping(self_pointer self, uint64_t task, active_request& request) {
  auto reply = ping_reply(request.in->header);
  if (!reply)
    return fail(reply);
  answer(self, task, std::move(*reply));
  return {};
}

result<void> subscribe(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  read_common(self, request, in);
  if (in.value("events") == nullptr)
    in.refuse("events", "an array of " + joined(event_topics()));
  auto topics = in.strings_or_empty("events", most_topics, longest_id);
  auto& known = event_topics();
  for (auto& topic : topics)
    if (std::find(known.begin(), known.end(), topic) == known.end())
      in.refuse("events", "an array of " + joined(known));
  if (auto ok = in.finish(); !ok)
    return ok;
  // The reply first: whoever has it has missed no event since.
  answer(self, task, "{}");
  listen(self, std::move(topics));
  return {};
}

void end_subscription(self_pointer self) {
  if (self->state.subscribed)
    listen(self, {});
}

result<void> negotiate_ipc(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  read_common(self, request, in);
  in.string("host_id", longest_id);
  in.optional_string("gpu_uuid", longest_id);
  if (auto ok = in.finish(); !ok)
    return ok;
  answer_json(self, task,
              json{{"shared_memory", false},
                   {"cuda_ipc", false},
                   {"reason", "this server passes tensors through the connection only"}});
  return {};
}

std::vector<model_kind> read_kinds(field_reader& in) {
  std::vector<model_kind> kinds;
  for (auto& name : in.strings_or_empty("kinds", most_kinds, longest_id)) {
    auto kind = model_kind_of(name);
    if (kind)
      kinds.push_back(*kind);
    else
      in.refuse("kinds", "an array of \"text\", \"vae\", \"vision\", \"vlm\"");
  }
  return kinds;
}

} // namespace luna::commands
