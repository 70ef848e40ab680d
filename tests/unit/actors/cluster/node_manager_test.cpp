#include <algorithm>

#include "actors/cluster/dialer.hpp"
#include "actors/cluster/directory.hpp"
#include "actors/cluster/event_hub.hpp"
#include "actors/cluster/node_manager.hpp"
#include "actors/cluster/state_keeper.hpp"
#include "actors/cluster/supervisor.hpp"
#include "actors/transport/exchange.hpp"
#include "fixture.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

/// What the dummy devices of a cluster were told.
struct device_log {
  std::vector<attention_mode> modes;
};

device_actor::behavior_type dummy_device(device_actor::pointer, std::shared_ptr<device_log> log) {
  return {[](lease_atom,
             const std::shared_ptr<lease_request>&) -> caf::result<std::shared_ptr<lease_grant>> {
            return make_error(ec::internal, "not asked in this test");
          },
          [](release_atom, uint64_t, uint64_t) {},
          [](cancel_atom, uint64_t) {},
          [](unload_atom, const std::vector<model_kind>&, const std::vector<std::string>&) {
            unload_report report;
            report.freed_bytes["cpu"] = 7;
            return report;
          },
          [log](attention_atom, attention_mode mode) {
            log->modes.push_back(mode);
            return true;
          },
          [](status_atom) {
            device_row row;
            row.name = "cpu";
            return row;
          }};
}

/// One simulated node: its manager with a few real children and a dummy device.
struct simulated_node {
  node_manager_actor manager;
  std::shared_ptr<device_log> devices = std::make_shared<device_log>();
  std::vector<cluster_state> kept; ///< what its disk was given
  int stopped = -1;
  bool started = false;
};

struct fixture : actor_fixture {
  std::map<std::string, simulated_node> nodes;

  template <class Handle, class Start>
  static child_spec child(std::string name, Handle node_parts::* part, Start start) {
    return {
      std::move(name),
      {},
      [part, start](caf::actor_system& sys, node_parts& parts) -> result<caf::strong_actor_ptr> {
        parts.*part = start(sys);
        return caf::actor_cast<caf::strong_actor_ptr>(parts.*part);
      },
      [part](node_parts& parts) { parts.*part = nullptr; }};
  }

  /// Connects to whichever manager a node of that name has now.
  dialer_actor::behavior_type dial_by_name() {
    return {[this](dial_atom, const dial_order& order) -> caf::result<node_manager_actor> {
      auto i = nodes.find(order.node);
      if (i == nodes.end() || !i->second.manager)
        return make_error(ec::unavailable, "nobody listens there");
      return i->second.manager;
    }};
  }

  /// Answers what the certificate of whoever connects proves.
  caf::actor broker(const std::string& proven) {
    return system.spawn([proven](caf::event_based_actor*) -> caf::behavior {
      return {[proven](caf::get_atom, const caf::node_id& x) {
        return std::make_tuple(x, proven, uint16_t{1});
      }};
    });
  }

  /// What the plans of the next nodes have more than the usual.
  std::function<void(node_plan&)> also = [](node_plan&) {};

  void start(const std::string& name, cluster_state kept = {},
             const std::string& cluster = "test") {
    auto& node = nodes[name];
    node_plan plan;
    plan.cluster = cluster;
    plan.node = name;
    plan.version = "test";
    plan.nodes = {{"alpha", "a", 1}, {"beta", "b", 2}};
    plan.kept = kept;
    plan.keeper = system.spawn(state_keeper, state_writer{[&node](const cluster_state& x) {
                                 node.kept.push_back(x);
                                 return result<void>{};
                               }});
    keepers.push_back(plan.keeper);
    plan.make_dialer = [this](caf::actor_system& sys) {
      return sys.spawn([this]() -> dialer_actor::behavior_type { return dial_by_name(); });
    };
    plan.on_started = [&node](result<void> x) { node.started = x.has_value(); };
    plan.on_stopped = [&node](int status) { node.stopped = status; };
    add_children(plan, name, node.devices);
    also(plan);
    node.manager = system.spawn(node_manager, std::move(plan));
    run();
  }

  void add_children(node_plan& plan, const std::string& name, std::shared_ptr<device_log> log) {
    directory_plan rows;
    rows.self = name;
    rows.nodes = {"alpha", "beta"};
    rows.saving = "alpha";
    plan.children.push_back(child("directory", &node_parts::directory,
                                  [rows](auto& sys) { return sys.spawn(directory, rows); }));
    plan.children.push_back(
      child("event_hub", &node_parts::events, [](auto& sys) { return sys.spawn(event_hub); }));
    plan.children.push_back(child("exchange", &node_parts::exchange, [](auto& sys) {
      return sys.spawn(exchange, byte_budget::make(1 << 20));
    }));
    plan.children.push_back(
      {"cpu",
       {},
       [log](caf::actor_system& sys, node_parts& parts) -> result<caf::strong_actor_ptr> {
         parts.devices["cpu"] = sys.spawn(dummy_device, log);
         return caf::actor_cast<caf::strong_actor_ptr>(parts.devices["cpu"]);
       },
       [](node_parts& parts) { parts.devices.erase("cpu"); }});
    if (name == "alpha")
      plan.children.push_back(child("supervisor", &node_parts::supervisor, [](auto& sys) {
        return sys.spawn(supervisor, std::vector<std::string>{"alpha", "beta"}, cluster_state{});
      }));
  }

  node_manager_state& state(const std::string& name) {
    return state_of<node_manager_state>(nodes[name].manager);
  }

  /// Ends a node as a crash of its process would.
  void kill(const std::string& name) {
    auto& node = nodes[name];
    for (auto& [child, x] : state(name).children)
      if (x.handle)
        self->send_exit(x.handle, caf::exit_reason::kill);
    self->send_exit(node.manager, caf::exit_reason::kill);
    node.manager = nullptr;
    run();
  }

  cluster_view view_of(const std::string& name) {
    auto view = ask<cluster_view>(state(name).parts.directory, list_atom_v);
    BOOST_REQUIRE(view.has_value());
    return *view;
  }

  command_report control(const std::string& name, attention_mode mode) {
    cluster_command command;
    command.action = cluster_action::attention;
    command.mode = mode;
    auto report = ask<command_report>(nodes[name].manager, control_atom_v, command);
    BOOST_REQUIRE_MESSAGE(report.has_value(), (report ? "" : report.error().message));
    return *report;
  }

  ~fixture() {
    for (auto& [name, node] : nodes)
      if (node.manager)
        kill(name);
    for (auto& keeper : keepers)
      end(keeper);
  }

  std::vector<keeper_actor> keepers;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(node_manager_test, fixture)

BOOST_AUTO_TEST_CASE(two_nodes_meet_whichever_starts_first) {
  for (auto order : {std::vector<std::string>{"alpha", "beta"}, {"beta", "alpha"}}) {
    for (auto& name : order)
      start(name);
    pass(2s);
    pass(2s);
    for (auto& name : order) {
      BOOST_CHECK_EQUAL(state(name).peers.size(), 1u);
      auto view = view_of(name);
      BOOST_CHECK_EQUAL(view.nodes[0].state, "up");
      BOOST_CHECK_EQUAL(view.nodes[1].state, "up");
    }
    for (auto& name : order)
      kill(name);
    nodes.clear();
  }
}

BOOST_AUTO_TEST_CASE(a_node_of_another_cluster_is_refused) {
  start("alpha");
  start("beta", {}, "other");
  pass(5s);
  BOOST_CHECK(state("alpha").peers.empty());
  BOOST_CHECK(state("beta").peers.empty());
}

BOOST_AUTO_TEST_CASE(nodes_whose_configurations_differ_refuse_each_other) {
  also = [](node_plan& plan) { plan.agreement["saving.node"] = "alpha"; };
  start("alpha");
  also = [](node_plan& plan) { plan.agreement["saving.node"] = "beta"; };
  start("beta");
  pass(5s);
  BOOST_CHECK(state("alpha").peers.empty());
  BOOST_CHECK(state("beta").peers.empty());
  auto problem = "cluster.conf must be the same on alpha and beta, and differs in saving.node: "
                 "alpha has 'alpha', beta has 'beta'";
  BOOST_CHECK_EQUAL(state("alpha").refusals.at("beta").problem, problem);
  BOOST_CHECK_EQUAL(state("beta").dials.at("alpha").last_problem, problem);
}

BOOST_AUTO_TEST_CASE(nodes_that_each_think_the_other_connects_find_out) {
  also = [](node_plan& plan) { plan.agreement["nodes"] = "alpha, beta"; };
  start("alpha");
  also = [](node_plan& plan) {
    plan.agreement["nodes"] = "beta, alpha";
    std::reverse(plan.nodes.begin(), plan.nodes.end());
  };
  start("beta");
  pass(1s);
  BOOST_CHECK(state("beta").dials["alpha"].last_problem.empty()); // nobody has tried
  pass(4s);
  for (auto& [name, other] : {std::pair{"alpha", "beta"}, std::pair{"beta", "alpha"}}) {
    BOOST_CHECK(state(name).peers.empty());
    BOOST_CHECK_NE(state(name).dials[other].last_problem.find("differs in nodes: "),
                   std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_greeting_needs_the_certificate_of_its_node) {
  auto identities = broker("beta,10.0.0.2");
  also = [&](node_plan& plan) { plan.identities = identities; };
  start("alpha");
  start("beta");
  pass(2s);
  BOOST_CHECK_EQUAL(state("alpha").peers.count("beta"), 1u);
  end(identities);
}

BOOST_AUTO_TEST_CASE(a_node_with_the_certificate_of_another_is_refused) {
  auto identities = broker("gamma");
  also = [&](node_plan& plan) { plan.identities = identities; };
  start("alpha");
  start("beta");
  pass(2s);
  BOOST_CHECK(state("alpha").peers.empty());
  BOOST_CHECK_EQUAL(state("alpha").refusals.at("beta").problem,
                    "a node calls itself 'beta', and its certificate carries 'gamma'");
  end(identities);
}

BOOST_AUTO_TEST_CASE(a_node_that_stops_lets_nobody_in) {
  start("alpha");
  pass(1s);
  auto closed = false;
  state("alpha").plan.on_stopping = [&] { closed = true; };
  self->send(nodes["alpha"].manager, drain_atom_v, uint32_t{1000});
  run();
  BOOST_CHECK(closed);
  node_greeting greeting;
  greeting.cluster = "test";
  greeting.node = "beta";
  auto answer = ask<node_greeting>(nodes["alpha"].manager, join_atom_v, greeting);
  BOOST_REQUIRE(!answer.has_value());
  BOOST_CHECK(answer.error().code == ec::shutting_down);
}

BOOST_AUTO_TEST_CASE(a_node_that_ends_while_it_is_greeted_is_dialled_again_at_once) {
  caf::typed_response_promise<node_greeting> held;
  node_manager_actor dying = system.spawn([&](node_manager_actor::pointer me) {
    return node_manager_actor::behavior_type{
      [&held, me](join_atom, const node_greeting&) -> caf::result<node_greeting> {
        held = me->make_response_promise<node_greeting>();
        return held;
      },
      [](snapshot_atom, const node_snapshot&) {},
      [](command_atom, uint64_t, const cluster_command&) { return command_report{}; },
      [](control_atom, const cluster_command&) { return command_report{}; },
      [](run_atom, const cluster_command&) { return command_report{}; },
      [](drain_atom, uint32_t) {},
      [](tick_atom) {},
      [](restart_atom, const std::string&) {},
      [](dial_atom, const std::string&) {}};
  });
  nodes["alpha"].manager = dying;
  start("beta");
  BOOST_CHECK(state("beta").dials["alpha"].busy);
  self->send_exit(dying, caf::exit_reason::kill);
  nodes["alpha"].manager = nullptr;
  run();
  BOOST_CHECK(!state("beta").dials["alpha"].busy);
  start("alpha");
  pass(500ms); // the first pause, not the time that a greeting may take
  BOOST_CHECK_EQUAL(state("beta").peers.count("alpha"), 1u);
}

BOOST_AUTO_TEST_CASE(a_node_that_comes_back_serves_again) {
  start("alpha");
  start("beta");
  pass(2s);
  kill("beta");
  BOOST_CHECK_EQUAL(view_of("alpha").nodes[1].state, "away");
  start("beta");
  pass(2s);
  BOOST_CHECK_EQUAL(view_of("alpha").nodes[1].state, "up");
}

BOOST_AUTO_TEST_CASE(a_command_reaches_all_devices_and_is_kept_on_disk) {
  start("alpha");
  start("beta");
  pass(2s);
  auto report = control("beta", attention_mode::flash);
  BOOST_CHECK(report.done());
  BOOST_REQUIRE_EQUAL(report.answers.size(), 2u);
  BOOST_CHECK_EQUAL(report.answers[0].who, "alpha/cpu");
  BOOST_CHECK_EQUAL(report.answers[1].who, "beta/cpu");
  for (auto& name : {"alpha", "beta"}) {
    BOOST_CHECK(nodes[name].devices->modes.back() == attention_mode::flash);
    BOOST_REQUIRE(!nodes[name].kept.empty());
    BOOST_CHECK(nodes[name].kept.back() == (cluster_state{report.epoch, attention_mode::flash}));
  }
}

BOOST_AUTO_TEST_CASE(a_node_that_was_away_adopts_the_mode_and_keeps_it) {
  start("alpha");
  pass(2s);
  auto report = control("alpha", attention_mode::split);
  BOOST_CHECK(!report.done());
  start("beta");
  pass(2s);
  BOOST_CHECK(nodes["beta"].devices->modes.back() == attention_mode::split);
  BOOST_REQUIRE(!nodes["beta"].kept.empty());
  BOOST_CHECK_EQUAL(nodes["beta"].kept.back().epoch, report.epoch);
}

BOOST_AUTO_TEST_CASE(epochs_go_on_above_what_is_on_disk) {
  start("alpha", {17, attention_mode::split});
  pass(2s);
  BOOST_CHECK(nodes["alpha"].devices->modes.front() == attention_mode::split);
  BOOST_CHECK_GT(control("alpha", attention_mode::flash).epoch, 17u);
}

BOOST_AUTO_TEST_CASE(commands_are_unavailable_while_the_home_is_away) {
  start("beta");
  pass(2s);
  auto report = ask<command_report>(nodes["beta"].manager, control_atom_v, cluster_command{});
  BOOST_REQUIRE(!report.has_value());
  BOOST_CHECK(report.error().code == ec::unavailable);
}

BOOST_AUTO_TEST_CASE(a_crashed_child_starts_again_after_a_pause) {
  start("alpha");
  pass(1s);
  auto before = state("alpha").parts.exchange;
  self->send_exit(before, caf::exit_reason::kill);
  run();
  BOOST_CHECK(!state("alpha").parts.exchange);
  pass(1s);
  BOOST_CHECK(state("alpha").parts.exchange);
  BOOST_CHECK(state("alpha").parts.exchange != before);
}

BOOST_AUTO_TEST_CASE(a_child_that_keeps_crashing_stops_the_node_with_a_status) {
  start("alpha");
  for (auto i = 0; i < 6; ++i) {
    if (auto exchange = state("alpha").parts.exchange)
      self->send_exit(exchange, caf::exit_reason::kill);
    run();
    pass(8s);
  }
  BOOST_CHECK_EQUAL(nodes["alpha"].stopped, 70);
}

BOOST_AUTO_TEST_CASE(a_stop_ends_all_children_and_says_so_once) {
  start("alpha");
  pass(1s);
  self->send(nodes["alpha"].manager, drain_atom_v, uint32_t{1000});
  run();
  BOOST_CHECK_EQUAL(nodes["alpha"].stopped, 0);
  for (auto& [name, child] : state("alpha").children)
    BOOST_CHECK_MESSAGE(!child.handle, name);
}

BOOST_AUTO_TEST_CASE(a_shutdown_is_acknowledged_before_the_node_goes) {
  start("alpha");
  pass(1s);
  cluster_command command;
  command.action = cluster_action::shutdown;
  auto report = ask<command_report>(nodes["alpha"].manager, run_atom_v, command);
  BOOST_REQUIRE(report.has_value());
  BOOST_CHECK(report->done());
  BOOST_CHECK_EQUAL(nodes["alpha"].stopped, -1);
  pass(200ms);
  BOOST_CHECK_EQUAL(nodes["alpha"].stopped, 0);
}

BOOST_AUTO_TEST_SUITE_END()
