#include "actors/cluster/event_hub.hpp"
#include "fixture.hpp"

using namespace luna;
using namespace luna::testing;

namespace {

using heard_events = std::shared_ptr<std::vector<event>>;

listener_actor::behavior_type listener(listener_actor::pointer, heard_events heard) {
  return {[heard](publish_atom, const event& x) { heard->push_back(x); }};
}

struct fixture : actor_fixture {
  event_hub_actor here = system.spawn(event_hub);
  event_hub_actor there = system.spawn(event_hub);
  heard_events heard = std::make_shared<std::vector<event>>();
  listener_actor ear = system.spawn(listener, heard);

  fixture() {
    self->send(here, join_atom_v, caf::actor_cast<caf::strong_actor_ptr>(there));
    self->send(there, join_atom_v, caf::actor_cast<caf::strong_actor_ptr>(here));
    run();
  }

  void listen(std::vector<std::string> topics) {
    self->send(here, subscribe_atom_v, ear, std::move(topics));
    run();
  }

  void happen(const event_hub_actor& where, const std::string& topic) {
    self->send(where, publish_atom_v, event{topic, "{}"});
    run();
  }

  ~fixture() { end(ear, here, there); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(event_hub_test, fixture)

BOOST_AUTO_TEST_CASE(a_listener_hears_its_topics_and_no_others) {
  listen({"job"});
  happen(here, "job");
  happen(here, "pool");
  BOOST_REQUIRE_EQUAL(heard->size(), 1u);
  BOOST_CHECK_EQUAL(heard->front().topic, "job");
}

BOOST_AUTO_TEST_CASE(events_of_another_node_arrive_once) {
  listen({"job"});
  happen(there, "job");
  BOOST_CHECK_EQUAL(heard->size(), 1u);
}

BOOST_AUTO_TEST_CASE(nothing_travels_without_a_listener) {
  happen(there, "job");
  BOOST_CHECK(state_of<event_hub_state>(there).wanted[here.address()].empty());
  listen({"job"});
  BOOST_CHECK_EQUAL(state_of<event_hub_state>(there).wanted[here.address()].size(), 1u);
  listen({});
  BOOST_CHECK(state_of<event_hub_state>(there).wanted[here.address()].empty());
  happen(there, "job");
  BOOST_CHECK(heard->empty());
}

BOOST_AUTO_TEST_CASE(a_hub_that_joins_late_learns_what_is_wanted) {
  listen({"node"});
  auto late = system.spawn(event_hub);
  self->send(here, join_atom_v, caf::actor_cast<caf::strong_actor_ptr>(late));
  run();
  happen(late, "node");
  BOOST_CHECK_EQUAL(heard->size(), 1u);
  end(late);
}

BOOST_AUTO_TEST_CASE(a_listener_that_died_is_forgotten_everywhere) {
  listen({"job"});
  self->send_exit(ear, caf::exit_reason::kill);
  run();
  BOOST_CHECK(state_of<event_hub_state>(here).listeners.empty());
  BOOST_CHECK(state_of<event_hub_state>(there).wanted[here.address()].empty());
}

BOOST_AUTO_TEST_SUITE_END()
