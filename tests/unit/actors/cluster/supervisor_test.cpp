#include "actors/cluster/supervisor.hpp"
#include "fixture.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

struct seen_command {
  uint64_t epoch = 0;
  cluster_command command;
};

using command_log = std::shared_ptr<std::vector<seen_command>>;

/// A node that does what it is told (or, if `mute`, never answers).
node_manager_actor::behavior_type node(node_manager_actor::pointer self, std::string name,
                                       command_log log, bool mute) {
  return {[](join_atom, const node_greeting& x) { return x; },
          [](snapshot_atom, const node_snapshot&) {},
          [=](command_atom, uint64_t epoch,
              const cluster_command& command) -> caf::result<command_report> {
            log->push_back({epoch, command});
            if (mute)
              return self->make_response_promise<command_report>();
            command_report report;
            report.answers.push_back({name + "/cpu", true, ""});
            report.cancelled = 2;
            return report;
          },
          [](control_atom, const cluster_command&) { return command_report{}; },
          [](run_atom, const cluster_command&) { return command_report{}; },
          [](drain_atom, uint32_t) {},
          [](tick_atom) {},
          [](restart_atom, const std::string&) {},
          [](dial_atom, const std::string&) {}};
}

struct fixture : actor_fixture {
  supervisor_actor uut =
    system.spawn(supervisor, std::vector<std::string>{"alpha", "beta"}, cluster_state{41, {}});
  std::vector<node_manager_actor> nodes;

  command_log add(const std::string& name, cluster_state state = {}, bool mute = false,
                  cluster_state* adopted = nullptr) {
    auto log = std::make_shared<std::vector<seen_command>>();
    nodes.push_back(system.spawn(node, name, log, mute));
    auto answer = ask<cluster_state>(uut, join_atom_v, name,
                                     caf::actor_cast<caf::strong_actor_ptr>(nodes.back()), state);
    BOOST_REQUIRE(answer.has_value());
    if (adopted)
      *adopted = *answer;
    return log;
  }

  command_report give(cluster_command command, caf::timespan wait = 0s) {
    auto pending = self->request(uut, 60min, command_atom_v, std::move(command));
    run();
    if (wait > 0s)
      pass(wait);
    auto report = receive<command_report>(pending);
    BOOST_REQUIRE(report.has_value());
    return *report;
  }

  static cluster_command use(attention_mode mode) {
    cluster_command command;
    command.action = cluster_action::attention;
    command.mode = mode;
    return command;
  }

  ~fixture() {
    end(uut);
    for (auto& x : nodes)
      end(x);
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(supervisor_test, fixture)

BOOST_AUTO_TEST_CASE(every_node_of_the_configuration_stands_in_the_answers) {
  add("alpha");
  auto report = give(use(attention_mode::flash));
  BOOST_CHECK_EQUAL(report.epoch, 42u);
  BOOST_REQUIRE_EQUAL(report.answers.size(), 2u);
  BOOST_CHECK_EQUAL(report.answers[0].who, "alpha/cpu");
  BOOST_CHECK(report.answers[0].done);
  BOOST_CHECK_EQUAL(report.answers[1].who, "beta");
  BOOST_CHECK(!report.answers[1].done);
  BOOST_CHECK(!report.answers[1].problem.empty());
  BOOST_CHECK(!report.done());
}

BOOST_AUTO_TEST_CASE(a_node_that_stays_silent_is_named_after_two_seconds) {
  add("alpha");
  add("beta", {}, true);
  auto report = give(use(attention_mode::split), 2001ms);
  BOOST_REQUIRE_EQUAL(report.answers.size(), 2u);
  BOOST_CHECK(report.answers[0].done);
  BOOST_CHECK_EQUAL(report.answers[1].who, "beta");
  BOOST_CHECK(!report.answers[1].done);
}

BOOST_AUTO_TEST_CASE(numbers_of_all_nodes_are_added_up) {
  add("alpha");
  add("beta");
  BOOST_CHECK_EQUAL(give({cluster_action::reset, {}, {}, {}, 0}).cancelled, 4u);
}

BOOST_AUTO_TEST_CASE(a_node_that_was_away_is_given_the_mode_in_force) {
  add("alpha");
  give(use(attention_mode::flash));
  cluster_state adopted;
  add("beta", {3, attention_mode::split}, false, &adopted);
  BOOST_CHECK_EQUAL(adopted.epoch, 42u);
  BOOST_CHECK(adopted.mode == attention_mode::flash);
}

BOOST_AUTO_TEST_CASE(a_higher_epoch_wins_and_its_mode_goes_to_the_others) {
  auto alpha = add("alpha");
  add("beta", {90, attention_mode::split});
  run();
  BOOST_REQUIRE_EQUAL(alpha->size(), 1u);
  BOOST_CHECK_EQUAL(alpha->front().epoch, 90u);
  BOOST_CHECK(alpha->front().command.mode == attention_mode::split);
  BOOST_CHECK_EQUAL(give(use(attention_mode::automatic)).epoch, 91u);
}

BOOST_AUTO_TEST_CASE(a_node_that_died_is_away) {
  add("alpha");
  add("beta");
  self->send_exit(nodes[1], caf::exit_reason::kill);
  run();
  auto report = give(use(attention_mode::flash));
  BOOST_REQUIRE_EQUAL(report.answers.size(), 2u);
  BOOST_CHECK(!report.answers[1].done);
}

BOOST_AUTO_TEST_SUITE_END()
