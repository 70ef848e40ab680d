#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "actors/pool/model_pool_parts.hpp"
#include "actors/support/timed_request.hpp"
#include "messages/error.hpp"
#include "messages/reply_size.hpp"

namespace luna::pool_parts {

namespace {

constexpr std::chrono::milliseconds drain_retry{1000};

bool is_for(task_kind task, model_kind pool) {
  if (task == task_kind::info)
    return true;
  auto image = task == task_kind::vae_encode || task == task_kind::vae_decode;
  return image == (pool == model_kind::vae);
}

result<void> check_type(const task_header& header) {
  switch (header.reply_type) {
  case dtype::f32:
  case dtype::f16:
  case dtype::bf16:
    return {};
  case dtype::u8:
    if (header.kind == task_kind::vae_decode)
      return {};
    return fail(ec::bad_request, "dtype 'u8' is for images; " + std::string{to_string(header.kind)}
                                   + " answers f32, f16 or bf16");
  default:
    return fail(ec::bad_request, "dtype '" + std::string{to_string(header.reply_type)}
                                   + "' cannot be answered; use f32, f16 or bf16");
  }
}

/// Whether the pool takes such a task at all, and now.
result<void> check(const model_pool_state& state, const task_header& header) {
  auto& options = state.options;
  auto kind = std::string{to_string(options.kind)};
  if (options.kind != model_kind::text && options.kind != model_kind::vae)
    return fail(ec::unsupported_model,
                "this build runs no models of kind " + kind + "; leave that work to ComfyUI");
  if (header.pool_kind != options.kind || !is_for(header.kind, options.kind))
    return fail(ec::bad_request, "pool " + options.name + " serves models of kind " + kind
                                   + ", not " + std::string{to_string(header.kind)});
  if (auto ok = check_type(header); !ok)
    return ok;
  if (state.draining)
    return fail(ec::shutting_down, "pool " + options.name + " takes no new work, its node stops",
                drain_retry);
  if (header.deadline_ms == 0)
    return fail(ec::timeout, "the deadline had passed when the work came to pool " + options.name);
  if (state.tasks.count(header.id) > 0)
    return fail(ec::internal, "task " + std::to_string(header.id) + " runs already");
  auto waiting = waiting_tasks(state);
  if (waiting >= options.queue)
    return fail(ec::overloaded,
                "the queue of pool " + options.name + " is full (" + std::to_string(waiting)
                  + " tasks wait); try again later",
                state.stats.retry_after(waiting));
  return {};
}

/// Runs `next` on the task if it has not ended meanwhile.
template <class Next>
void if_alive(self_pointer self, uint64_t id, Next next) {
  auto i = self->state.tasks.find(id);
  if (i != self->state.tasks.end())
    next(i->second);
}

void fail_task(self_pointer self, uint64_t id, const caf::error& problem, std::string_view who) {
  finish(self, id, tl::make_unexpected(to_failure(problem, who)));
}

auto patience(self_pointer self, const pool_task& task) {
  return std::chrono::ceil<std::chrono::milliseconds>(task.deadline - self->clock().now()) + grace;
}

// -- images ---------------------------------------------------------------------------------------

uint64_t pixels_of(const models::model_facts& facts, models::vae_direction direction,
                   const tensor_block& input) {
  auto& shape = input.shape();
  auto images = direction == models::vae_direction::encode
                ? models::vae_output_shape(facts, direction, shape)
                : shape;
  auto side = static_cast<uint64_t>(facts.upscale_ratio);
  return static_cast<uint64_t>(images.front() * images[images.size() - 2] * images.back()) * side
       * side;
}

/// Finds the one tensor that the command takes and checks it against the model.
result<void> prepare_image(const pool_options& options, pool_task& task) {
  auto& header = task.task->header;
  auto& facts = task.model->facts;
  auto command = std::string{to_string(header.kind)};
  auto encode = header.kind == task_kind::vae_encode;
  std::string name = encode ? "pixels" : "latents";
  for (auto& tensor : task.task->tensors)
    if (tensor.name != name)
      return fail(ec::bad_request,
                  command + " takes no tensor '" + tensor.name + "', only '" + name + "'");
  auto* input = find_tensor(task.task->tensors, name);
  if (!input)
    return fail(ec::bad_request, command + " needs the tensor '" + name + "' in the body");
  task.item.vae.input = *input;
  task.item.vae.tiling = header.tiling;
  auto direction = encode ? models::vae_direction::encode : models::vae_direction::decode;
  if (auto ok = models::check_vae_job(facts, direction, task.item.vae); !ok)
    return ok;
  tensor_shape reply{encode ? "latents" : "images", header.reply_type,
                     models::vae_output_shape(facts, direction, input->shape())};
  if (auto ok = check_reply_size({&reply, 1}, options.max_reply_bytes); !ok)
    return ok;
  task.cost = pixels_of(facts, direction, *input);
  return {};
}

// -- text -----------------------------------------------------------------------------------------

/// Whether the answers to a task's prompts fit into its reply.
result<void> check_texts(const pool_options& options, const pool_task& task) {
  auto& header = task.task->header;
  std::vector<tensor_shape> reply;
  for (auto& job : task.item.texts) {
    auto shapes = models::text_output_shapes(task.model->facts, job);
    auto negative = !reply.empty();
    reply.push_back({negative ? "uncond" : "cond", header.reply_type, shapes.cond});
    if (shapes.pooled)
      reply.push_back({negative ? "pooled_neg" : "pooled", header.reply_type, *shapes.pooled});
  }
  return check_reply_size(reply, options.max_reply_bytes);
}

// -- the way of a task
// -------------------------------------------------------------------------------

void prepared(self_pointer self, uint64_t id, prepared_task& ready) {
  if_alive(self, id, [&](pool_task& task) {
    if (task.phase == task_phase::asking) {
      finish(self, id, std::move(ready.answer));
      return;
    }
    task.item.texts = std::move(ready.item.texts);
    task.item.warnings = std::move(ready.item.warnings);
    task.cost = ready.tokens;
    if (auto ok = check_texts(self->state.options, task); ok)
      enqueue(self, id);
    else
      finish(self, id, fail(ok));
  });
}

void ask_preparer(self_pointer self, uint64_t id, pool_task& task) {
  task.phase =
    task.task->header.kind == task_kind::tokenize ? task_phase::asking : task_phase::preparing;
  auto order = std::make_shared<const prepare_order>(
    prepare_order{task.task, task.model, task.stop.get_token()});
  timed_request(self, patience(self, task), self->state.preparer, run_atom_v, order)
    .then([self, id](const std::shared_ptr<prepared_task>& x) { prepared(self, id, *x); },
          [self, id](const caf::error& x) { fail_task(self, id, x, "the tokenizer"); });
}

void resolved(self_pointer self, uint64_t id, const std::shared_ptr<const resolved_model>& model) {
  if_alive(self, id, [&](pool_task& task) {
    auto& header = task.task->header;
    task.model = model;
    task.item.task = id;
    task.item.kind = header.kind;
    task.item.reply_type = header.reply_type;
    task.item.stop = task.stop.get_token();
    if (header.wants_progress)
      task.item.listener = task.task->listener;
    if (self->state.options.kind == model_kind::text)
      ask_preparer(self, id, task);
    else if (auto ok = prepare_image(self->state.options, task); ok)
      enqueue(self, id);
    else
      finish(self, id, fail(ok));
  });
}

void ask_catalog(self_pointer self, uint64_t id, pool_task& task) {
  auto& state = self->state;
  task.phase = task_phase::resolving;
  auto& header = task.task->header;
  if (header.kind == task_kind::info) {
    task.phase = task_phase::asking;
    timed_request(self, patience(self, task), state.catalog, info_atom_v, state.options.kind,
                  header.model)
      .then([self,
             id](std::string& json) { finish(self, id, model_result{{std::move(json), {}}, {}}); },
            [self, id](const caf::error& x) { fail_task(self, id, x, "the model catalog"); });
    return;
  }
  timed_request(self, patience(self, task), state.catalog, resolve_atom_v, state.options.kind,
                header.model)
    .then([self, id](const std::shared_ptr<const resolved_model>& x) { resolved(self, id, x); },
          [self, id](const caf::error& x) { fail_task(self, id, x, "the model catalog"); });
}

} // namespace

void resolve_again(self_pointer self, uint64_t id) {
  if_alive(self, id, [&](pool_task& task) { ask_catalog(self, id, task); });
}

caf::result<model_result> accept(self_pointer self, model_task& asked) {
  auto& state = self->state;
  asked.header.priority = std::clamp<int8_t>(asked.header.priority, -1, 1);
  if (auto ok = check(state, asked.header); !ok)
    return make_error(ok.error());
  auto id = asked.header.id;
  auto& task = state.tasks[id];
  task.accepted = self->clock().now();
  task.deadline = task.accepted + std::chrono::milliseconds{asked.header.deadline_ms};
  task.task = std::make_shared<const model_task>(std::move(asked));
  task.promise = self->make_response_promise<model_result>();
  state.deadlines.emplace(task.deadline, id);
  watch_deadlines(self);
  auto promise = task.promise;
  ask_catalog(self, id, task);
  return promise;
}

void spawn_preparer(self_pointer self) {
  auto& state = self->state;
  preparer_options options{state.options.vocabularies, state.options.embedding_folders};
  state.preparer = spawn_with(*self, state.helpers, task_preparer, std::move(options));
  self->monitor(state.preparer);
}

void preparer_died(self_pointer self) {
  spdlog::error("the tokenizer of pool {} died and is started again", self->state.options.name);
  std::vector<uint64_t> lost;
  for (auto& [id, task] : self->state.tasks)
    if (task.phase == task_phase::preparing
        || (task.phase == task_phase::asking && task.task->header.kind == task_kind::tokenize))
      lost.push_back(id);
  for (auto id : lost)
    finish(self, id, fail(ec::internal, "the tokenizer died of this prompt or one before it"));
  spawn_preparer(self);
}

} // namespace luna::pool_parts
