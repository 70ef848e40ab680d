#include "actors/pool/task_preparer.hpp"

#include <caf/all.hpp>

#include <new>
#include <utility>

#include "actors/support/actor_defaults.hpp"
#include "messages/error.hpp"
#include "models/run_context.hpp"

namespace luna {

namespace {

using self_pointer = preparer_actor::stateful_pointer<task_preparer_state>;

caf::result<std::shared_ptr<models::prepared_work>> prepare(const task_preparer_state& state,
                                                            const prepare_order& order) {
  if (order.stop.stop_requested())
    return make_error(models::cancelled().value());
  auto ready = prepare_work(order, state.options.vocabularies, state.embeddings.get());
  if (!ready)
    return make_error(ready.error());
  return std::make_shared<models::prepared_work>(std::move(*ready));
}

} // namespace

result<models::prepared_work> prepare_work(const prepare_order& order,
                                           const std::string& vocabularies,
                                           const models::embedding_source* embeddings) {
  models::preparation request;
  request.kind = order.kind->name;
  request.facts = {order.model, &order.model->facts};
  request.tensors = order.task->tensors;
  request.reply_type = order.task->header.reply_type;
  request.vocabularies = vocabularies;
  request.embeddings = embeddings;
  try {
    return order.kind->prepare(order.task->header.arguments, request);
  } catch (const std::bad_alloc&) {
    return fail(ec::out_of_memory, "the memory did not suffice to prepare this request");
  }
}

preparer_actor::behavior_type task_preparer(self_pointer self, preparer_options options) {
  set_actor_defaults(self);
  self->state.embeddings = models::make_embedding_folders(
    {options.embedding_folders.begin(), options.embedding_folders.end()});
  self->state.options = std::move(options);
  return {
    [self](run_atom, const std::shared_ptr<const prepare_order>& order) {
      return prepare(self->state, *order);
    },
  };
}

} // namespace luna
