#pragma once

#include <boost/test/unit_test.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/save/save_queue.hpp"
#include "actors/save/save_store.hpp"
#include "fixture.hpp"
#include "messages/cluster.hpp"
#include "protocol/header_json.hpp"
#include "storage/testing/faulty_file_system.hpp"
#include "tests/unit/storage/simulated_node.hpp"
#include "tests/unit/why.hpp"

/// A save queue on a disk in memory, every helper of it run by hand.
namespace luna::testing {

using storage::testing::fault;
using storage::testing::io_op;
using storage::testing::survival;
using json = protocol::json;

/// An answer that has come, or has not.
template <class T>
using later_answer = std::shared_ptr<std::optional<result<T>>>;

/// Keeps all events.
inline event_hub_actor::behavior_type keeping_hub(event_hub_actor::pointer,
                                                  std::shared_ptr<std::vector<event>> heard) {
  return {[heard](publish_atom, const event& x) { heard->push_back(x); },
          [](subscribe_atom, const listener_actor&, const std::vector<std::string>&) {},
          [](interest_atom, const caf::strong_actor_ptr&, const std::vector<std::string>&) {},
          [](answer_atom, const event&) {}, [](join_atom, const caf::strong_actor_ptr&) {}};
}

/// Pictures of one batch, each of another grey.
inline tensor_block pictures(int64_t count, uint8_t first = 10) {
  std::vector<std::byte> bytes(static_cast<size_t>(count) * 4 * 4 * 3);
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(first + i / 48);
  return tensor_block::copy_of(dtype::u8, {count, 4, 4, 3}, bytes);
}

/// A submission that writes `name`.png, or `name`_0.png and so on, with these more fields.
inline save_submission saving(const std::string& name, const std::string& key = {},
                              int64_t count = 1, json fields = json::object()) {
  json task{{"filename", name}, {"templates", false}, {"images", {{{"tensor", "image_0"}}}}};
  task.update(fields);
  return {task.dump(), key, {{"image_0", pictures(count)}}};
}

struct save_fixture : actor_fixture {
  std::shared_ptr<storage::testing::faulty_file_system> disk =
    std::make_shared<storage::testing::faulty_file_system>();
  storage::testing::manual_clock wall;
  uint64_t random_bits = 1;
  std::shared_ptr<std::vector<event>> events = std::make_shared<std::vector<event>>();
  event_hub_actor hub = system.spawn(keeping_hub, events);
  save_queue_options options = default_options();
  save_front_actor queue;
  std::vector<caf::actor> clients;

  save_queue_options default_options() {
    save_queue_options x;
    x.files = disk;
    x.output_folders = {storage::testing::output_folder};
    x.store.clock = [this] { return wall.now; };
    x.store.log.segment_bytes = 65536;
    x.store.log.random = [this] { return random_bits = random_bits * 6364136223846793005u + 1; };
    x.events = hub;
    x.helpers = thread_policy::scheduled;
    return x;
  }

  /// Starts the queue. @returns why it cannot, or "".
  std::string start() {
    auto data = disk->make_directories("/data");
    if (!data)
      return data.error().message;
    options.data = *data;
    auto started = start_save_queue(system, options);
    if (started)
      queue = *started;
    run();
    return why(started);
  }

  void stop() {
    if (queue)
      end(queue);
    queue = nullptr;
  }

  /// The power goes and comes back.
  void power_cycle(survival mode = survival::synced) {
    stop();
    disk->restart(mode);
    BOOST_REQUIRE_EQUAL(start(), "");
  }

  save_queue_state& front() { return state_of<save_queue_state>(queue); }
  save_store_state& store() { return state_of<save_store_state>(front().store); }

  // -- asking ------------------------------------------------------------------------------------

  /// Asks an actor; the answer may come later or never.
  template <class Answer = std::string, class Handle, class... Ts>
  later_answer<Answer> later(const Handle& who, Ts... xs) {
    auto answer = std::make_shared<std::optional<result<Answer>>>();
    clients.push_back(system.spawn([=](caf::event_based_actor* client) {
      client->request(who, std::chrono::minutes{24 * 60}, xs...)
        .then([answer](Answer& x) { *answer = std::move(x); },
              [answer](const caf::error& err) {
                *answer = tl::make_unexpected(to_failure(err, "it"));
              });
    }));
    return answer;
  }

  /// Asks the queue and lets everything happen that can happen now.
  template <class... Ts>
  result<std::string> now(Ts... xs) {
    auto answer = later(queue, std::move(xs)...);
    run();
    return answer->value_or(fail(ec::internal, "no answer"));
  }

  /// What the queue answers, which must be no error.
  template <class... Ts>
  json said(Ts... xs) {
    auto answer = now(std::move(xs)...);
    BOOST_REQUIRE_EQUAL(why(answer), "");
    return json::parse(*answer);
  }

  /// Submits and lets everything happen. @returns the job's id.
  std::string submitted(save_submission x) { return said(submit_atom_v, std::move(x))["job_id"]; }

  json status(const std::string& job) { return said(status_atom_v, job); }
  std::string state(const std::string& job) { return status(job)["state"]; }

  // -- time --------------------------------------------------------------------------------------

  /// Lets things happen one by one until something is the case.
  template <class Predicate>
  void step_until(Predicate reached) {
    while (!reached())
      BOOST_REQUIRE(scheduler.try_run_once());
  }

  /// Lets only one actor work on what it has been told.
  template <class Handle>
  void run_only(const Handle& who) {
    while (scheduler.prioritize(who))
      scheduler.run_once();
  }

  /// Ends an actor before it reads what is in its mailbox: exit messages of high priority overtake.
  template <class Handle>
  void kill_at_once(const Handle& who) {
    auto target = caf::actor_cast<caf::strong_actor_ptr>(who);
    target->enqueue(nullptr, caf::make_message_id(caf::message_priority::high),
                    caf::make_message(caf::exit_msg{{}, caf::exit_reason::kill}), nullptr);
    run_only(who);
  }

  /// Both clocks.
  void let_pass(std::chrono::milliseconds time) {
    wall.advance(time);
    pass(time);
  }

  /// Long enough for all attempts of a job.
  void let_all_attempts_pass() {
    for (int i = 0; i < 10; ++i)
      let_pass(std::chrono::minutes{1});
  }

  // -- workers and files -------------------------------------------------------------------------

  std::vector<save_worker_actor> workers(bool busy) {
    std::vector<save_worker_actor> found;
    for (auto& [address, x] : store().workers)
      if (x.job.empty() != busy)
        found.push_back(x.handle);
    return found;
  }

  std::vector<std::string> files() const { return disk->files(storage::testing::output_folder); }
  bool is_there(const std::string& name) const {
    return disk->contents(storage::testing::output_folder + ("/" + name)).has_value();
  }

  ~save_fixture() {
    for (auto& x : clients)
      end(x);
    stop();
    end(hub);
  }
};

} // namespace luna::testing
