#include <boost/test/unit_test.hpp>

#include "simulated_node.hpp"
#include "storage/digest.hpp"
#include "storage/publisher.hpp"

namespace luna::storage::testing {

namespace {

struct fixture {
  std::shared_ptr<faulty_file_system> disk = std::make_shared<faulty_file_system>();
  publisher files{disk};
  std::string text = "the bytes of a picture";
  int records = 0;

  fixture() { BOOST_REQUIRE(disk->make_directories(output_folder)); }

  static publish_request request(std::string name, std::string subfolder = {},
                                 bool overwrite = false) {
    return {
      {output_folder, std::move(subfolder), std::move(name), overwrite}, ".luna-j-0.tmp", true};
  }

  std::span<const std::byte> bytes() const { return std::as_bytes(std::span{text}); }

  result<reveal_outcome> publish(const publish_request& x,
                                 std::optional<file_identity> recorded = std::nullopt) {
    return storage::publish(files, x, bytes(), recorded, [this](const file_identity&) {
      ++records;
      return result<void>{};
    });
  }

  bool has_published(const publish_request& x,
                     std::optional<file_identity> recorded = std::nullopt) {
    auto outcome = publish(x, std::move(recorded));
    return outcome && *outcome == reveal_outcome::revealed;
  }

  /// What a publishing record would say of the file that stands there.
  file_identity recorded(const std::string& name) {
    auto handle = (*disk->open_directory(output_folder))->open(name, open_mode::read);
    BOOST_REQUIRE(handle);
    auto info = (*handle)->info();
    return {info->inode, info->size, sha256::of(bytes()), info->device};
  }

  file_identity identity() const { return {1u << 30, text.size(), sha256::of(bytes())}; }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(publisher_test, fixture)

BOOST_AUTO_TEST_CASE(the_file_has_its_name_and_nothing_else_is_left) {
  BOOST_REQUIRE(has_published(request("a.png")));
  BOOST_CHECK(disk->contents("/out/a.png") == text);
  BOOST_CHECK_EQUAL(disk->files(output_folder).size(), 1u);
  BOOST_CHECK_EQUAL(records, 1);
}

BOOST_AUTO_TEST_CASE(what_was_published_survives_a_power_cut_with_its_folders) {
  BOOST_REQUIRE(has_published(request("a.png", "x/y/z")));
  disk->restart(survival::synced);
  BOOST_CHECK(disk->contents("/out/x/y/z/a.png") == text);
}

BOOST_AUTO_TEST_CASE(a_folder_that_exists_without_being_durable_is_made_durable) {
  auto root = disk->open_directory(output_folder);
  BOOST_REQUIRE((*root)->make_directory("x"));
  BOOST_REQUIRE(has_published(request("a.png", "x")));
  disk->restart(survival::synced);
  BOOST_CHECK(disk->contents("/out/x/a.png") == text);
}

BOOST_AUTO_TEST_CASE(the_record_comes_after_the_bytes_are_durable_and_before_the_name) {
  auto x = request("a.png");
  auto outcome =
    storage::publish(files, x, bytes(), std::nullopt, [&](const file_identity& identity) {
      BOOST_CHECK(disk->files(output_folder).empty());
      BOOST_CHECK_EQUAL(disk->journal().back(), "sync /out/(unnamed)");
      BOOST_CHECK(identity.digest == sha256::of(bytes()));
      BOOST_CHECK_EQUAL(identity.size, text.size());
      return result<void>{};
    });
  BOOST_CHECK(outcome);
}

BOOST_AUTO_TEST_CASE(without_a_durable_record_the_file_gets_no_name) {
  auto outcome = storage::publish(files, request("a.png"), bytes(), std::nullopt, [](auto&) {
    return result<void>{fail(ec::unavailable, "the log is broken")};
  });
  BOOST_REQUIRE(!outcome);
  BOOST_CHECK_EQUAL(outcome.error().message, "the log is broken");
  BOOST_CHECK(disk->files(output_folder).empty());
}

BOOST_AUTO_TEST_CASE(a_file_that_took_the_name_meanwhile_is_never_replaced) {
  disk->put("/out/a.png", "mine");
  auto outcome = publish(request("a.png"));
  BOOST_REQUIRE(outcome);
  BOOST_CHECK(*outcome == reveal_outcome::taken);
  BOOST_CHECK(disk->contents("/out/a.png") == "mine");
  BOOST_CHECK_EQUAL(disk->files(output_folder).size(), 1u);
}

BOOST_AUTO_TEST_CASE(overwrite_replaces) {
  disk->put("/out/a.png", "old");
  BOOST_REQUIRE(has_published(request("a.png", {}, true)));
  BOOST_CHECK(disk->contents("/out/a.png") == text);
}

BOOST_AUTO_TEST_CASE(a_recorded_file_under_its_name_is_not_written_again) {
  disk->put("/out/a.png", text);
  BOOST_REQUIRE(has_published(request("a.png"), recorded("a.png")));
  BOOST_CHECK_EQUAL(records, 0);
}

BOOST_AUTO_TEST_CASE(published_means_the_same_device_inode_size_and_digest) {
  disk->put("/out/a.png", text);
  auto right = recorded("a.png");
  BOOST_CHECK(*files.is_published(request("a.png"), right));
  auto changed = [&](auto change) {
    auto x = right;
    change(x);
    return *files.is_published(request("a.png"), x);
  };
  BOOST_CHECK(!changed([](auto& x) { ++x.inode; })); // another node's, with the same picture
  BOOST_CHECK(!changed([](auto& x) { ++x.size; }));
  BOOST_CHECK(!changed([](auto& x) { ++x.device; }));
  BOOST_CHECK(!changed([](auto& x) { x.digest[0] = std::byte{0x55}; }));
  BOOST_CHECK(changed([](auto& x) { x.device = 0; })); // an older version did not know it
}

BOOST_AUTO_TEST_CASE(another_file_under_the_name_does_not_count_as_published) {
  disk->put("/out/a.png", std::string(text.size(), 'x'));
  BOOST_CHECK(!*files.is_published(request("a.png"), identity()));
  BOOST_CHECK(!*files.is_published(request("b.png"), identity()));
  BOOST_CHECK(!*files.is_published(request("b.png", "no/such/folder"), identity()));
}

BOOST_AUTO_TEST_CASE(asking_removes_the_left_over_temporary_file) {
  disk->put("/out/.luna-j-0.tmp", "half");
  BOOST_CHECK(!*files.is_published(request("a.png"), identity()));
  BOOST_CHECK(disk->files(output_folder).empty());
}

BOOST_AUTO_TEST_CASE(a_left_over_temporary_file_is_written_anew) {
  disk->put("/out/.luna-j-0.tmp", "half of an earlier attempt that was longer than this");
  BOOST_REQUIRE(has_published(request("a.png")));
  BOOST_CHECK(disk->contents("/out/a.png") == text);
}

BOOST_AUTO_TEST_CASE(a_failed_sync_is_not_repeated_on_the_same_file) {
  disk->inject({io_op::sync, "(unnamed)", io_kind::broken, 0, 1});
  auto failed = publish(request("a.png"));
  BOOST_REQUIRE(!failed);
  BOOST_CHECK(failed.error().code == ec::unavailable);
  BOOST_CHECK(disk->files(output_folder).empty());
  BOOST_REQUIRE(has_published(request("a.png")));
  disk->restart(survival::synced);
  BOOST_CHECK(disk->contents("/out/a.png") == text);
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_overloaded_and_leaves_nothing) {
  disk->set_capacity(10);
  auto failed = publish(request("a.png"));
  BOOST_REQUIRE(!failed);
  BOOST_CHECK(failed.error().code == ec::overloaded);
  BOOST_CHECK(disk->files(output_folder).empty());
}

BOOST_AUTO_TEST_CASE(missing_rights_and_a_read_only_disk_are_not_permitted) {
  for (auto kind : {io_kind::no_permission, io_kind::read_only}) {
    disk->inject({io_op::create, "/out", kind, 0, 1});
    auto failed = publish(request("a.png"));
    BOOST_REQUIRE(!failed);
    BOOST_CHECK(failed.error().code == ec::not_permitted);
  }
}

BOOST_AUTO_TEST_CASE(a_link_below_the_root_is_not_followed) {
  disk->put_link("/out/elsewhere");
  auto failed = publish(request("a.png", "elsewhere"));
  BOOST_REQUIRE(!failed);
  BOOST_CHECK(failed.error().code == ec::not_permitted);
  BOOST_CHECK(!publish(request("a.png", "../etc")));
}

BOOST_AUTO_TEST_CASE(a_link_under_the_final_name_is_not_replaced) {
  disk->put_link("/out/a.png");
  BOOST_CHECK(!has_published(request("a.png")));
  BOOST_CHECK(!*files.is_published(request("a.png"), identity()));
}

BOOST_AUTO_TEST_CASE(a_file_system_without_unnamed_files_does_as_well) {
  disk->set_unnamed_files(false);
  disk->put("/out/.luna-j-0.tmp", "half of an earlier attempt that was longer than this");
  disk->put("/out/b.png", "theirs");
  BOOST_REQUIRE(has_published(request("a.png")));
  BOOST_REQUIRE(has_published(request("a.png", {}, true)));
  BOOST_CHECK(*publish(request("b.png")) == reveal_outcome::taken);
  BOOST_CHECK(disk->contents("/out/a.png") == text);
  BOOST_CHECK(disk->contents("/out/b.png") == "theirs");
  BOOST_CHECK_EQUAL(disk->files(output_folder).size(), 2u);
}

BOOST_AUTO_TEST_CASE(a_temporary_file_that_may_be_another_nodes_is_not_removed) {
  // A job of an older version: its id is the clock's, and another node's job may have the same.
  publish_request old{{output_folder, "", "a.png", false}, ".luna-j-018bcfe5687-0001-0.tmp"};
  disk->put("/out/" + old.temporary, "theirs");
  for (auto unnamed : {true, false}) {
    disk->set_unnamed_files(unnamed);
    old.name.filename = unnamed ? "a.png" : "b.png";
    BOOST_REQUIRE(has_published(old));
    BOOST_CHECK(!*files.is_published(old, identity()));
    BOOST_CHECK(disk->contents("/out/" + old.temporary) == "theirs");
  }
  disk->put("/out/" + old.temporary, text); // unless it is what was recorded
  BOOST_CHECK(!*files.is_published(old, recorded(old.temporary)));
  BOOST_CHECK(!disk->contents("/out/" + old.temporary));
}

BOOST_AUTO_TEST_CASE(a_folder_of_that_name_is_final_for_a_picture_that_would_replace) {
  disk->put("/out/a.png/inside.txt", "x");
  auto outcome = publish(request("a.png", {}, true));
  BOOST_REQUIRE(!outcome);
  BOOST_CHECK(outcome.error().code == ec::bad_request);
  BOOST_CHECK_NE(outcome.error().message.find("/out/a.png is a folder"), std::string::npos);
  BOOST_CHECK_EQUAL(disk->files(output_folder).size(), 1u);
  BOOST_CHECK(*publish(request("a.png")) == reveal_outcome::taken);
}

BOOST_AUTO_TEST_CASE(the_marker_goes_with_the_sync_that_makes_the_name_durable) {
  publisher mine{disk, "node"};
  promise_markers markers{"node"};
  auto folder = disk->open_directory(output_folder);
  BOOST_CHECK(markers.make(**folder, "a.luna", "j") == promise_markers::outcome::ours);
  BOOST_REQUIRE((*folder)->sync());
  auto x = request("a.png");
  x.marker = "a.luna";
  auto outcome = storage::publish(mine, x, bytes(), {}, [](auto&) { return result<void>{}; });
  BOOST_REQUIRE(outcome);
  disk->restart(survival::synced);
  BOOST_CHECK(disk->files(output_folder) == std::vector<std::string>{"/out/a.png"});
}

BOOST_AUTO_TEST_CASE(a_root_that_is_not_there_is_not_made) {
  publish_request x{{"/mnt/unmounted", "", "a.png", false}, ".t", true};
  BOOST_CHECK(!publish(x));
  BOOST_CHECK(!disk->open_directory("/mnt/unmounted"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
