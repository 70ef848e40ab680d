#include "actors/save_worker.hpp"

#include <caf/all.hpp>
#include <nlohmann/json.hpp>

#include <utility>

#include "actors/actor_defaults.hpp"
#include "messages/error.hpp"

namespace luna {

namespace {

using self_pointer = save_worker_actor::stateful_pointer<save_worker_state>;

/// A disk may take long to sync; the record of an image waits for all that were before it.
constexpr std::chrono::seconds record_patience{120};

void write_next(self_pointer self);

storage::publish_request request_of(const save_worker_state& state,
                                    const storage::job_work::image& image) {
  return {image.name, storage::temporary_name(state.work->id, image.index)};
}

void report(self_pointer self, image_report x) {
  auto& state = self->state;
  self->send(state.store, answer_atom_v, state.work->id, std::move(x));
  ++state.next;
}

/// An image could not be written: because of itself, or because nothing can be written there.
void report_failure(self_pointer self, const storage::job_work::image& image, const failure& why) {
  if (self->state.target->is_outage(why))
    self->state.away = why.message;
  else
    report(self, {image.index, why.message, {}, {}});
}

void end_attempt(self_pointer self, const std::string& error) {
  auto& state = self->state;
  attempt_report x{error, attempt_report::ending::ran, {}};
  if (!state.away.empty())
    x = {state.away, attempt_report::ending::target_away, {}};
  if (!state.damage.empty())
    x = {state.damage, attempt_report::ending::damaged, {}};
  self->send(state.store, release_atom_v, state.work->id, std::move(x));
  state.damage.clear();
  state.away.clear();
  state.work.reset();
  state.task.reset();
}

/// A picture as it goes to its target.
struct encoded_image {
  std::vector<std::byte> bytes;
  storage::image_state verdict = storage::image_state::done; ///< what it is once it has its name
  std::string detail;                                        ///< a JSON object, or empty
};

result<encoded_image> encoded(save_worker_state& state, const storage::job_work::image& image) {
  auto pixels = state.work->read_pixels(image);
  if (!pixels) {
    if (pixels.error().code == ec::internal)
      state.damage = pixels.error().message;
    return fail(pixels);
  }
  auto dot = image.name.filename.rfind('.');
  auto format = imaging::format_of_extension(
    dot == std::string::npos ? "" : image.name.filename.substr(dot + 1));
  if (!format)
    return fail(ec::internal, "the job has a file of an unknown format: " + image.name.filename);
  auto bytes = imaging::encode(*state.task, *format, *pixels);
  if (!bytes)
    return fail(bytes);
  return encoded_image{std::move(*bytes), storage::image_state::done, {}};
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
        if (done) {
          report(self, {image.index, {}, state.verdict, std::move(state.detail)});
        } else { // the last attempt must not leave it lying about
          state.target->discard(request, staged);
          report_failure(self, image, done.error());
        }
        write_next(self);
      },
      [self, &image, staged](const caf::error& err) {
        self->state.target->discard(request_of(self->state, image), staged);
        report(self, {image.index, to_failure(err, "the job log").message, {}, {}});
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
      return report(self, {image.index, {}, storage::image_state::done, {}});
  }
  if (state.work->only_check) {
    ++state.next;
    return;
  }
  auto picture = encoded(state, image);
  if (!picture)
    return report(self, {image.index, picture.error().message, {}, {}});
  state.bytes = std::move(picture->bytes);
  state.verdict = picture->verdict;
  state.detail = std::move(picture->detail);
  auto staged = state.target->write(request, state.bytes);
  if (!staged)
    return report_failure(self, image, staged.error());
  record_and_reveal(self, image, std::move(*staged));
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
  auto task =
    imaging::parse_save_task(nlohmann::ordered_json::parse(state.work->task, nullptr, false));
  if (!task)
    return end_attempt(self, task.error().message);
  state.task = std::move(*task);
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
