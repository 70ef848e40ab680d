#include "actors/catalog/model_catalog.hpp"
#include "actors/cluster/directory.hpp"
#include "fixture.hpp"

using namespace luna;
using namespace luna::testing;

namespace {

pool_actor::behavior_type idle_pool(pool_actor::pointer) {
  return {[](run_atom, const model_task&) { return model_result{}; }, [](cancel_atom, uint64_t) {},
          [](reset_atom) { return uint64_t{0}; }, [](drain_atom) { return true; },
          [](status_atom) { return pool_row{}; }};
}

using listing_ptr = std::shared_ptr<const model_listing>;

catalog_actor::behavior_type fixed_catalog(catalog_actor::pointer, std::vector<model_row> rows) {
  return {[](resolve_atom, model_kind,
             const model_ref&) -> caf::result<std::shared_ptr<const resolved_model>> {
            return make_error(ec::internal, "not asked in this test");
          },
          [](info_atom, model_kind, const model_ref&) { return model_description{}; },
          [rows](list_atom) -> listing_ptr {
            auto listing = std::make_shared<model_listing>();
            listing->revision = 2;
            listing->rows = rows;
            return listing;
          }};
}

model_row vae_row(std::string name, std::string folder = "vae") {
  model_row row;
  row.name = std::move(name);
  row.folder = std::move(folder);
  row.kinds = {model_kind::vae};
  return row;
}

struct fixture : actor_fixture {
  searching_directory_actor uut = system.spawn(directory, plan());
  pool_actor pool = system.spawn(idle_pool);
  uint64_t version = 0;

  static directory_plan plan() {
    directory_plan x;
    x.self = "alpha";
    x.nodes = {"alpha", "beta"};
    x.saving = "beta";
    x.pools = {{"any", "vae", model_kind::vae}, {"beta", "text", model_kind::text}};
    x.aliases = {{"mine", "sub/a.safetensors"}};
    return x;
  }

  void live(const std::string& node, std::vector<model_row> models, uint32_t queued = 0,
            const std::string& state = "up") {
    node_snapshot x;
    x.node = node;
    x.version = ++version;
    x.state = state;
    x.models = std::move(models);
    pool_row row;
    row.name = "vae";
    row.kind = model_kind::vae;
    row.queued = queued;
    x.pools = {row};
    self->send(uut, snapshot_atom_v, x);
    if (node == "alpha")
      self->send(uut, register_atom_v, std::string{"vae"}, pool);
    run();
  }

  result<route> find(const std::string& name, model_kind kind = model_kind::vae) {
    return ask<route>(uut, find_atom_v, kind, model_ref{{name}, ""});
  }

  auto ask_for(const std::string& name) {
    return self->request(uut, std::chrono::minutes{60}, find_atom_v, model_kind::vae,
                         model_ref{{name}, ""});
  }

  size_t searches() { return state_of<directory_state>(uut).searches.size(); }

  ~fixture() { end(uut, pool); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(directory_test, fixture)

BOOST_AUTO_TEST_CASE(a_model_here_is_served_here_however_long_the_queue) {
  live("alpha", {vae_row("a.safetensors")}, 100);
  live("beta", {vae_row("a.safetensors")}, 0);
  auto x = find("a.safetensors");
  BOOST_REQUIRE(x.has_value());
  BOOST_CHECK(x->local);
  BOOST_CHECK_EQUAL(x->node, "alpha");
  BOOST_CHECK(x->here == pool);
}

BOOST_AUTO_TEST_CASE(a_model_of_another_node_is_served_there) {
  live("alpha", {});
  live("beta", {vae_row("a.safetensors")});
  auto x = find("a.safetensors");
  BOOST_REQUIRE(x.has_value());
  BOOST_CHECK(!x->local);
  BOOST_CHECK_EQUAL(x->node, "beta");
  BOOST_CHECK_EQUAL(x->pool, "vae");
}

BOOST_AUTO_TEST_CASE(aliases_backslashes_and_folders_name_the_same_file) {
  live("alpha", {vae_row("sub/a.safetensors", "vae_approx")});
  live("beta", {});
  for (auto name : {"mine", "sub\\a.safetensors", "vae_approx:sub/a.safetensors"})
    BOOST_CHECK_MESSAGE(find(name).has_value(), name);
  BOOST_CHECK(!find("vae:sub/a.safetensors").has_value());
}

BOOST_AUTO_TEST_CASE(a_model_of_a_node_that_drains_is_unavailable_not_unknown) {
  live("alpha", {});
  live("beta", {vae_row("a.safetensors")}, 0, "draining");
  auto x = find("a.safetensors");
  BOOST_REQUIRE(!x);
  BOOST_CHECK(x.error().code == ec::unavailable);
  BOOST_CHECK_GT(x.error().retry_after_ms, 0u);
  BOOST_CHECK_MESSAGE(x.error().message.find("beta") != std::string::npos, x.error().message);
  auto never = find("b.safetensors");
  BOOST_REQUIRE(!never);
  BOOST_CHECK(never.error().code == ec::unknown_model);
}

BOOST_AUTO_TEST_CASE(a_model_of_this_node_while_it_drains_says_that_it_stops) {
  live("alpha", {vae_row("a.safetensors")}, 0, "draining");
  live("beta", {});
  auto x = find("a.safetensors");
  BOOST_REQUIRE(!x);
  BOOST_CHECK_MESSAGE(x.error().code == ec::shutting_down, x.error().message);
}

BOOST_AUTO_TEST_CASE(a_model_of_a_node_that_drains_is_served_by_another_that_has_it) {
  live("alpha", {vae_row("a.safetensors")}, 0, "draining");
  live("beta", {vae_row("a.safetensors")});
  auto x = find("a.safetensors");
  BOOST_REQUIRE(x);
  BOOST_CHECK_EQUAL(x->node, "beta");
}

BOOST_AUTO_TEST_CASE(a_model_is_unavailable_while_the_pool_here_starts_again) {
  live("alpha", {vae_row("a.safetensors")});
  live("beta", {});
  self->send(uut, register_atom_v, std::string{"vae"}, pool_actor{});
  run();
  auto x = find("a.safetensors");
  BOOST_REQUIRE(!x);
  BOOST_CHECK(x.error().code == ec::unavailable);
  self->send(uut, register_atom_v, std::string{"vae"}, pool);
  run();
  BOOST_CHECK(find("a.safetensors"));
}

BOOST_AUTO_TEST_CASE(a_name_is_unavailable_while_nobody_can_look_into_the_folders) {
  live("alpha", {});
  live("beta", {});
  auto catalog = system.spawn(fixed_catalog, std::vector<model_row>{});
  self->send(uut, register_atom_v, catalog);
  end(catalog);
  auto x = find("a.safetensors");
  BOOST_REQUIRE(!x);
  BOOST_CHECK(x.error().code == ec::unavailable);
}

BOOST_AUTO_TEST_CASE(an_unknown_name_is_unavailable_while_a_pool_of_its_kind_is_away) {
  live("alpha", {vae_row("a.safetensors")});
  auto x = find("b.safetensors");
  BOOST_REQUIRE(!x.has_value());
  BOOST_CHECK(x.error().code == ec::unavailable);
  BOOST_CHECK(x.error().message.find("beta") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_unknown_name_tells_the_nearest_when_all_are_here) {
  live("alpha", {vae_row("sd15.safetensors")});
  live("beta", {});
  auto x = find("sd14.safetensors");
  BOOST_REQUIRE(!x.has_value());
  BOOST_CHECK(x.error().code == ec::unknown_model);
  BOOST_CHECK(x.error().message.find("sd15.safetensors") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_file_that_was_just_put_there_is_found) {
  live("alpha", {});
  live("beta", {});
  auto catalog = system.spawn(fixed_catalog, std::vector<model_row>{vae_row("new.safetensors")});
  self->send(uut, register_atom_v, catalog);
  auto x = find("new.safetensors");
  BOOST_REQUIRE(x.has_value());
  BOOST_CHECK(x->local);
  end(catalog);
}

BOOST_AUTO_TEST_CASE(a_file_that_was_just_put_on_another_node_is_waited_for) {
  live("alpha", {});
  live("beta", {});
  auto catalog = system.spawn(fixed_catalog, std::vector<model_row>{});
  self->send(uut, register_atom_v, catalog);
  auto pending = ask_for("new.safetensors");
  run();
  BOOST_CHECK_EQUAL(searches(), 1u);
  live("beta", {vae_row("new.safetensors")});
  auto x = receive<route>(pending);
  BOOST_REQUIRE(x.has_value());
  BOOST_CHECK_EQUAL(x->node, "beta");
  BOOST_CHECK_EQUAL(searches(), 0u);
  pass(std::chrono::seconds{2}); // its timer finds nothing to do
  end(catalog);
}

BOOST_AUTO_TEST_CASE(a_name_that_no_node_tells_of_within_a_second_is_unknown) {
  live("alpha", {});
  live("beta", {vae_row("otter.safetensors")});
  auto catalog = system.spawn(fixed_catalog, std::vector<model_row>{});
  self->send(uut, register_atom_v, catalog);
  auto pending = ask_for("other.safetensors");
  run();
  pass(std::chrono::milliseconds{999});
  BOOST_CHECK_EQUAL(searches(), 1u);
  pass(std::chrono::milliseconds{1});
  auto x = receive<route>(pending);
  BOOST_REQUIRE(!x.has_value());
  BOOST_CHECK(x.error().code == ec::unknown_model);
  BOOST_CHECK(x.error().message.find("otter.safetensors") != std::string::npos);
  BOOST_CHECK_EQUAL(searches(), 0u);
  end(catalog);
}

BOOST_AUTO_TEST_CASE(without_other_nodes_a_name_is_unknown_at_once) {
  live("alpha", {});
  auto catalog = system.spawn(fixed_catalog, std::vector<model_row>{});
  self->send(uut, register_atom_v, catalog);
  BOOST_CHECK(!find("other.safetensors").has_value());
  BOOST_CHECK_EQUAL(searches(), 0u);
  end(catalog);
}

BOOST_AUTO_TEST_CASE(a_node_that_drains_is_not_chosen) {
  live("alpha", {});
  node_snapshot x;
  x.node = "beta";
  x.version = 99;
  x.state = "draining";
  x.models = {vae_row("a.safetensors")};
  pool_row row;
  row.kind = model_kind::vae;
  x.pools = {row};
  self->send(uut, snapshot_atom_v, x);
  run();
  BOOST_CHECK(!find("a.safetensors").has_value());
}

BOOST_AUTO_TEST_CASE(an_older_snapshot_changes_nothing) {
  live("beta", {vae_row("a.safetensors")});
  node_snapshot x;
  x.node = "beta";
  x.version = 0;
  x.state = "up";
  self->send(uut, snapshot_atom_v, x);
  run();
  BOOST_CHECK(find("a.safetensors").has_value());
}

BOOST_AUTO_TEST_CASE(a_dropped_node_stands_in_the_view_as_away) {
  live("alpha", {});
  live("beta", {});
  self->send(uut, drop_atom_v, std::string{"beta"});
  auto view = ask<cluster_view>(uut, list_atom_v);
  BOOST_REQUIRE(view.has_value());
  BOOST_REQUIRE_EQUAL(view->nodes.size(), 2u);
  BOOST_CHECK_EQUAL(view->nodes[0].state, "up");
  BOOST_CHECK_EQUAL(view->nodes[1].node, "beta");
  BOOST_CHECK_EQUAL(view->nodes[1].state, "away");
}

BOOST_AUTO_TEST_CASE(saves_are_unavailable_while_the_saving_node_is_away) {
  live("alpha", {});
  auto x = ask<route>(uut, find_atom_v);
  BOOST_REQUIRE(!x.has_value());
  BOOST_CHECK(x.error().code == ec::unavailable);
}

BOOST_AUTO_TEST_SUITE_END()
