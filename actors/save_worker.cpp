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

void report(self_pointer self, const storage::job_work::image& image, const std::string& error) {
  auto& state = self->state;
  self->send(state.store, answer_atom_v, state.work->id, image.index, error);
  ++state.next;
}

void end_attempt(self_pointer self, const std::string& error) {
  auto& state = self->state;
  auto damaged = !state.damage.empty();
  self->send(state.store, release_atom_v, state.work->id, damaged ? state.damage : error, damaged);
  state.damage.clear();
  state.work.reset();
  state.task.reset();
}

result<std::vector<std::byte>> encoded(save_worker_state& state,
                                       const storage::job_work::image& image) {
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
  return imaging::encode(*state.task, *format, *pixels);
}

/// The picture is in its temporary file; it gets its name once the record of that is durable.
void record_and_reveal(self_pointer self, const storage::job_work::image& image,
                       storage::temporary_file written) {
  auto& state = self->state;
  auto identity = std::make_shared<const storage::file_identity>(written.identity);
  self
    ->request(state.store, record_patience, publish_atom_v, state.work->id, image.index,
              std::move(identity))
    .then(
      [self, &image, written = std::move(written)](bool) {
        auto request = request_of(self->state, image);
        auto done = self->state.publisher->reveal(request, written);
        if (!done) // the last attempt must not leave it lying about
          self->state.publisher->discard(request);
        report(self, image, done ? "" : done.error().message);
        write_next(self);
      },
      [self, &image](const caf::error& err) {
        self->state.publisher->discard(request_of(self->state, image));
        report(self, image, to_failure(err, "the job log").message);
        write_next(self);
      });
}

/// Takes an image as far as it goes without waiting: to its end, or to where its record is asked
/// for (then `next` still points at it).
void write_image(self_pointer self, const storage::job_work::image& image) {
  auto& state = self->state;
  auto request = request_of(state, image);
  if (image.recorded) {
    auto there = state.publisher->is_published(request, *image.recorded);
    if (!there)
      return report(self, image, there.error().message);
    if (*there)
      return report(self, image, "");
  }
  if (state.work->only_check) {
    ++state.next;
    return;
  }
  auto bytes = encoded(state, image);
  if (!bytes)
    return report(self, image, bytes.error().message);
  auto written = state.publisher->write(request, *bytes);
  if (!written)
    return report(self, image, written.error().message);
  record_and_reveal(self, image, std::move(*written));
}

/// A loop, for a job may have ten thousand images and all of them may fail.
void write_next(self_pointer self) {
  auto& state = self->state;
  while (state.next < state.work->images.size()) {
    auto current = state.next;
    write_image(self, state.work->images[current]);
    if (state.next == current)
      return; // goes on when the record is durable
  }
  end_attempt(self, "");
}

void begin(self_pointer self, std::shared_ptr<const storage::job_work> work) {
  auto& state = self->state;
  state.work = std::move(work);
  state.next = 0;
  auto task =
    imaging::parse_save_task(nlohmann::ordered_json::parse(state.work->task, nullptr, false));
  if (!task)
    return end_attempt(self, task.error().message);
  state.task = std::move(*task);
  write_next(self);
}

} // namespace

save_worker_actor::behavior_type save_worker(self_pointer self, save_store_actor store,
                                             std::shared_ptr<storage::publisher> publisher) {
  set_actor_defaults(self);
  self->state.store = std::move(store);
  self->state.publisher = std::move(publisher);
  return {
    [self](run_atom, std::shared_ptr<const storage::job_work>& work) {
      begin(self, std::move(work));
    },
  };
}

} // namespace luna
