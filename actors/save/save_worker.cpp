#include "actors/save/save_worker.hpp"

#include <caf/all.hpp>

#include <utility>

#include "actors/support/actor_defaults.hpp"
#include "messages/error.hpp"

namespace luna {

namespace {

using self_pointer = save_worker_actor::stateful_pointer<save_worker_state>;

/// A disk may take long to sync; the record of an image waits for all that were before it.
constexpr std::chrono::seconds record_patience{120};

/// Names that other programs take from under one image before its attempt has failed.
constexpr int most_renames = 100;

void write_next(self_pointer self);
void record_and_reveal(self_pointer self, const storage::job_work::image& image,
                       storage::staged_object staged);

storage::publish_request request_of(const save_worker_state& state,
                                    const storage::job_work::image& image) {
  if (!state.renamed)
    return storage::request_of(state.work->id, image.index, image.name, image.marker);
  return storage::request_of(state.work->id, image.index, *state.renamed);
}

void report(self_pointer self, image_report x) {
  auto& state = self->state;
  self->send(state.store, answer_atom_v, state.work->id, std::move(x));
  ++state.next;
  state.renamed.reset();
  state.renames = 0;
}

/// What is wrong with an image or with its name will be so the next time.
void note_failure(save_worker_state& state, const failure& why) {
  (why.code == ec::bad_request ? state.has_final_failure : state.has_passing_failure) = true;
}

/// An image could not be made.
void report_unmade(self_pointer self, const storage::job_work::image& image, const failure& why) {
  note_failure(self->state, why);
  report(self, {image.index, why.message, {}, {}});
}

/// An image could not be written: because of itself, or because nothing can be written there.
void report_failure(self_pointer self, const storage::job_work::image& image, const failure& why) {
  if (self->state.target->is_outage(why))
    self->state.away = why.message;
  else
    report_unmade(self, image, why);
}

void end_attempt(self_pointer self, const std::string& error) {
  auto& state = self->state;
  attempt_report x{
    error, attempt_report::ending::ran, {}, state.has_final_failure && !state.has_passing_failure};
  if (!state.away.empty())
    x = {state.away, attempt_report::ending::target_away, {}, false};
  if (state.encoder && state.encoder->damage())
    x = {*state.encoder->damage(), attempt_report::ending::damaged, {}, false};
  self->send(state.store, release_atom_v, state.work->id, std::move(x));
  state.away.clear();
  state.has_final_failure = state.has_passing_failure = false;
  state.file = {};
  state.encoder.reset();
  state.work.reset();
}

/// What stands at a remote target beside the name that was taken; null for a folder.
result<std::shared_ptr<const names_there>> names_beside(save_worker_state& state,
                                                        const storage::job_work::image& image) {
  auto* remote = dynamic_cast<storage::remote_target*>(state.target);
  if (!remote)
    return nullptr;
  auto names = remote->names(image.name.subfolder, image.stem);
  if (!names)
    return fail(names);
  return std::make_shared<const names_there>(names_there{{image.name.subfolder, *names}});
}

failure every_name_taken(const storage::publish_request& request) {
  return {ec::unavailable,
          request.name.filename + " and " + std::to_string(most_renames)
            + " names before it were taken by other programs",
          1000,
          {}};
}

/// Stages the picture and asks for its record, or reports why it cannot.
void stage(self_pointer self, const storage::job_work::image& image) {
  auto& state = self->state;
  auto staged = state.target->write(request_of(state, image), state.file.bytes);
  if (!staged)
    return report_failure(self, image, staged.error());
  record_and_reveal(self, image, std::move(*staged));
}

/// Another program has the name: the store gives the image the next free one.
void take_another_name(self_pointer self, const storage::job_work::image& image) {
  auto& state = self->state;
  auto there = names_beside(state, image);
  if (!there) {
    report_failure(self, image, there.error());
    return write_next(self);
  }
  self->request(state.store, record_patience, resolve_atom_v, state.work->id, image.index, *there)
    .then(
      [self, &image](const std::shared_ptr<const storage::file_name>& name) {
        auto& state = self->state;
        state.renamed = *name;
        auto current = state.next;
        stage(self, image);
        if (state.next != current || !state.away.empty())
          write_next(self);
      },
      [self, &image](const caf::error& err) {
        report_failure(self, image, to_failure(err, "the save store"));
        write_next(self);
      });
}

/// The picture is staged; it gets its name once the record of that is durable.
void record_and_reveal(self_pointer self, const storage::job_work::image& image,
                       storage::staged_object staged) {
  auto& state = self->state;
  auto identity = std::make_shared<const storage::file_identity>(staged.identity);
  self
    ->request(state.store, record_patience, publish_atom_v, state.work->id, image.index,
              std::move(identity))
    .then(
      [self, &image, staged](bool) {
        auto& state = self->state;
        auto request = request_of(state, image);
        auto done = state.target->reveal(request, staged);
        if (done && *done == storage::reveal_outcome::revealed) {
          report(self, {image.index, {}, state.encoder->outcome(image), state.file.detail});
          return write_next(self);
        }
        state.target->discard(request, staged); // the last attempt must not leave it lying about
        if (done && ++state.renames <= most_renames)
          return take_another_name(self, image);
        report_failure(self, image, done ? every_name_taken(request) : done.error());
        write_next(self);
      },
      [self, &image, staged](const caf::error& err) {
        self->state.target->discard(request_of(self->state, image), staged);
        report_unmade(self, image, to_failure(err, "the job log"));
        write_next(self);
      });
}

/// Takes an image as far as it goes without waiting: to its end, or to where its record is asked
/// for (then `next` still points at it).
void write_image(self_pointer self, const storage::job_work::image& image) {
  auto& state = self->state;
  auto request = request_of(state, image);
  if (image.recorded) {
    auto there = state.target->is_published(request, *image.recorded);
    if (!there)
      return report_failure(self, image, there.error());
    if (*there)
      return report(self,
                    {image.index, {}, state.encoder->outcome(image), state.encoder->detail(image)});
  }
  if (state.work->only_check) {
    ++state.next;
    return;
  }
  auto file = state.encoder->encode(image);
  if (!file)
    return report_unmade(self, image, file.error());
  state.file = std::move(*file);
  stage(self, image);
}

/// A loop, for a job may have ten thousand images and all of them may fail.
void write_next(self_pointer self) {
  auto& state = self->state;
  while (state.next < state.work->images.size() && state.away.empty()) {
    auto current = state.next;
    write_image(self, state.work->images[current]);
    if (state.next == current && state.away.empty())
      return; // goes on when the record is durable
  }
  end_attempt(self, "");
}

void begin(self_pointer self, std::shared_ptr<const storage::job_work> work) {
  auto& state = self->state;
  state.work = std::move(work);
  state.next = 0;
  state.target = state.targets->find(state.work->target);
  if (!state.target) {
    state.away = "the configuration has no target \"" + state.work->target
               + "\" any more; put it back, or cancel the job";
    return end_attempt(self, "");
  }
  auto encoder = save_encoder::open(*state.work);
  if (!encoder) {
    note_failure(state, encoder.error());
    return end_attempt(self, encoder.error().message);
  }
  state.encoder = std::move(*encoder);
  write_next(self);
}

} // namespace

save_worker_actor::behavior_type save_worker(self_pointer self, save_store_actor store,
                                             std::shared_ptr<const storage::target_table> targets) {
  set_actor_defaults(self);
  self->state.store = std::move(store);
  self->state.targets = std::move(targets);
  return {
    [self](run_atom, std::shared_ptr<const storage::job_work>& work) {
      begin(self, std::move(work));
    },
  };
}

} // namespace luna
