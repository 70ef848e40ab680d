#pragma once

#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <chrono>
#include <iterator>
#include <utility>

#include "messages/error.hpp"
#include "messages/node_view.hpp"
#include "messages/tensor_chunk.hpp"
#include "messages/work_arguments.hpp"

namespace luna::testing {

struct test_config : caf::actor_system_config {
  test_config() {
    add_message_types<caf::id_block::luna>();
    add_error_category(error_category(), render_error);
    set("scheduler.policy", caf::atom("testing"));
  }
};

/// Runs actors by hand, on a clock that only moves when told to: no test sleeps, and every run is
/// the same. Whatever a test spawns must be spawned scheduled, not detached.
struct actor_fixture {
  test_config config;
  caf::actor_system system{config};
  caf::scheduler::test_coordinator& scheduler =
    dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  caf::scoped_actor self{system, true};

  /// Lets everything happen that can happen now.
  void run() { scheduler.run(); }

  /// Lets time pass, and everything happen that is due by then.
  void pass(caf::timespan time) {
    scheduler.advance_time(time);
    scheduler.run();
  }

  /// Asks an actor and returns its answer, or why there is none.
  template <class Answer, class Handle, class... Ts>
  result<Answer> ask(const Handle& who, Ts&&... xs) {
    auto pending = self->request(who, std::chrono::minutes{60}, std::forward<Ts>(xs)...);
    run();
    return receive<Answer>(pending);
  }

  /// The answer of a request that was made before.
  template <class Answer, class Pending>
  result<Answer> receive(Pending& pending) {
    result<Answer> answer = fail(ec::internal, "no answer");
    pending.receive([&](Answer& x) { answer = std::move(x); },
                    [&](caf::error& err) { answer = tl::make_unexpected(to_failure(err, "it")); });
    return answer;
  }

  /// Ends actors and waits for it. Call it in the destructor of the test's fixture.
  template <class... Handles>
  void end(const Handles&... who) {
    (self->send_exit(who, caf::exit_reason::user_shutdown), ...);
    run();
  }

  /// Timers and delayed messages that are due in more than an hour: what nobody waits for any more
  /// must not be among them.
  size_t timers_for_later() {
    auto later = scheduler.clock().now() + std::chrono::hours{1};
    auto& all = scheduler.clock().schedule();
    return static_cast<size_t>(std::distance(all.upper_bound(later), all.end()));
  }

  static bool has_ended(const caf::actor_addr& who) {
    auto actor = caf::actor_cast<caf::strong_actor_ptr>(who);
    return !actor
        || static_cast<caf::monitorable_actor*>(caf::actor_cast<caf::abstract_actor*>(actor))
             ->getf(caf::abstract_actor::is_terminated_flag);
  }

  /// The state of a stateful actor.
  template <class State, class Handle>
  State& state_of(const Handle& who) {
    auto* ptr = caf::actor_cast<caf::abstract_actor*>(who);
    return static_cast<caf::stateful_actor<State, typename Handle::base>*>(ptr)->state;
  }
};

} // namespace luna::testing
