#include "actors/gateway/commands/folder_commands.hpp"

#include <string>
#include <utility>

#include "actors/save/output_folders.hpp"
#include "protocol/hello.hpp"

namespace luna::commands {

using namespace session_parts;

namespace {

constexpr size_t max_path = 4096;
constexpr size_t max_token = 1024;

constexpr std::string_view queue_name = "the save queue";

/// Why this client may not add folders, if it may not.
result<void> may_allow(const session_state& state, const std::string& token) {
  if (state.context->starter_token.empty())
    return fail(ec::not_permitted, "this node takes no further output folders: name the folder in "
                                   "cluster.conf (saving.output-folders) or start luna-node with "
                                   "--output");
  if (!state.from_this_machine)
    return fail(ec::not_permitted, "output folders are added from the node's own machine only");
  if (!protocol::equal_proofs(token, state.context->starter_token))
    return fail(ec::not_permitted, "'token' is not that of the program that started this node");
  return {};
}

} // namespace

result<void> probe_folder(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  read_common(self, request, in);
  auto folder = in.string("output_dir", max_path);
  auto nonce = in.string("nonce", output_folders::nonce_digits);
  if (!output_folders::is_nonce(nonce))
    in.refuse("nonce", "32 lower case hexadecimal digits");
  if (auto ok = in.finish(); !ok)
    return ok;
  auto ask_it = [self, task, folder, nonce](const route& to) {
    auto done = [self, task](std::string& header) { answer(self, task, std::move(header)); };
    ask<std::string>(self, task, left(self, *find_request(self, task)), to.saves, queue_name, done,
                     probe_atom_v, folder, nonce);
  };
  ask<route>(self, task, left(self, request), self->state.context->directory, "the directory",
             std::move(ask_it), find_atom_v);
  return {};
}

result<void> allow_output(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  read_common(self, request, in);
  auto folder = in.string("path", max_path);
  auto token = in.string("token", max_token);
  if (auto ok = in.finish(); !ok)
    return ok;
  if (auto ok = may_allow(self->state, token); !ok)
    return ok;
  request.can_cancel = false;
  auto ask_it = [self, task, folder](const route& to) {
    if (!to.local)
      return refuse(self, task,
                    {ec::not_permitted,
                     "node " + to.node + " saves for this one: name the folder in its cluster.conf",
                     0,
                     {}});
    auto done = [self, task](std::string& header) { answer(self, task, std::move(header)); };
    ask<std::string>(self, task, left(self, *find_request(self, task)), to.save_here, queue_name,
                     done, allow_atom_v, folder);
  };
  ask<route>(self, task, left(self, request), self->state.context->directory, "the directory",
             std::move(ask_it), find_atom_v);
  return {};
}

} // namespace luna::commands
