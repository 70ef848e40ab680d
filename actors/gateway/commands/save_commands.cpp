#include "actors/gateway/commands/save_commands.hpp"

#include <string>
#include <utility>

#include "protocol/body.hpp"

namespace luna::commands {

using namespace session_parts;

namespace {

constexpr size_t longest_key = 200;
constexpr size_t longest_job_id = 128;
constexpr int64_t longest_wait_ms = 24 * 3600 * 1000;
constexpr int64_t longest_list = 10000;

/// A job_wait lives longer than what it waits for.
constexpr std::chrono::seconds wait_grace{5};

constexpr std::string_view queue_name = "the save queue";

/// Asks the save queue, and hands its JSON to the client as it is.
template <class... Ts>
void ask_queue(self_pointer self, uint64_t task, const active_request& request, Ts... xs) {
  auto ask_it = [self, task, xs...](const route& to) {
    auto done = [self, task](std::string& header) { answer(self, task, std::move(header)); };
    ask<std::string>(self, task, left(self, *find_request(self, task)), to.saves, queue_name, done,
                     xs...);
  };
  ask<route>(self, task, left(self, request), self->state.context->directory, "the directory",
             ask_it, find_atom_v);
}

/// The commands whose one field is a job.
template <class Atom>
result<void> ask_for_job(self_pointer self, uint64_t task, active_request& request, Atom atom) {
  field_reader in{request.in->header};
  read_common(self, request, in);
  auto job = in.string("job_id", longest_job_id);
  if (auto ok = in.finish(); !ok)
    return ok;
  ask_queue(self, task, request, atom, std::move(job));
  return {};
}

/// Hands a job to the saving node. From now on the client must hear how that ended.
void submit(self_pointer self, uint64_t task, const route& to, const save_submission& job) {
  auto* request = find_request(self, task);
  request->can_cancel = false;
  auto rest = left(self, *request);
  auto done = [self, task](std::string& header) { answer(self, task, std::move(header)); };
  if (to.local)
    ask<std::string>(self, task, rest, to.save_here, queue_name, done, submit_atom_v, job);
  else
    ask<std::string>(self, task, rest + grace, self->state.context->exchange, "the exchange", done,
                     submit_atom_v, to, job, static_cast<uint32_t>(rest.count()));
}

} // namespace

result<void> submit_async(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  read_common(self, request, in);
  if (auto name = in.string_or("task_name", "save_images_async"); name != "save_images_async")
    in.refuse("task_name", "\"save_images_async\"");
  auto* data = in.object("task_data");
  if (data == nullptr)
    in.refuse("task_data", "an object");
  save_submission job;
  job.key = in.string_or("key", "", longest_key);
  if (auto ok = in.finish(); !ok)
    return ok;
  auto tensors = protocol::read_body(request.in->body);
  if (!tensors)
    return fail(tensors);
  job.tensors = std::move(*tensors);
  job.task = protocol::dump_header(*data);
  auto go = [self, task, job = std::move(job)](const route& to) { submit(self, task, to, job); };
  ask<route>(self, task, left(self, request), self->state.context->directory, "the directory",
             std::move(go), find_atom_v);
  return {};
}

result<void> job_status(self_pointer self, uint64_t task, active_request& request) {
  return ask_for_job(self, task, request, status_atom_v);
}

result<void> job_wait(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  read_common(self, request, in);
  auto job = in.string("job_id", longest_job_id);
  std::chrono::milliseconds timeout{in.integer("timeout_ms", {0, longest_wait_ms})};
  if (auto ok = in.finish(); !ok)
    return ok;
  request.deadline = self->clock().now() + timeout + wait_grace;
  auto wait = [self, task, job = std::move(job), timeout](const route& to) {
    auto& request = *find_request(self, task);
    auto patience = left(self, request);
    auto timeout_ms = static_cast<uint32_t>(timeout.count());
    request.waiter = self->spawn(job_waiter, to.saves, job, timeout_ms, patience);
    auto done = [self, task](std::string& header) { answer(self, task, std::move(header)); };
    ask<std::string>(self, task, patience + wait_grace, request.waiter, queue_name, done,
                     wait_atom_v);
  };
  ask<route>(self, task, left(self, request), self->state.context->directory, "the directory", wait,
             find_atom_v);
  return {};
}

result<void> job_cancel(self_pointer self, uint64_t task, active_request& request) {
  request.can_cancel = false;
  return ask_for_job(self, task, request, cancel_atom_v);
}

result<void> job_retry(self_pointer self, uint64_t task, active_request& request) {
  request.can_cancel = false;
  return ask_for_job(self, task, request, retry_atom_v);
}

result<void> job_discard(self_pointer self, uint64_t task, active_request& request) {
  request.can_cancel = false;
  return ask_for_job(self, task, request, discard_atom_v);
}

result<void> job_list(self_pointer self, uint64_t task, active_request& request) {
  static constexpr protocol::word<const char*> states[] = {{"queued", "queued"},
                                                           {"running", "running"},
                                                           {"done", "done"},
                                                           {"failed", "failed"},
                                                           {"cancelled", "cancelled"}};
  field_reader in{request.in->header};
  read_common(self, request, in);
  std::string state = in.choice_or("state", "", states);
  auto limit = in.integer_or("limit", 100, {1, longest_list});
  if (auto ok = in.finish(); !ok)
    return ok;
  ask_queue(self, task, request, list_atom_v, std::move(state), static_cast<uint32_t>(limit));
  return {};
}

} // namespace luna::commands
