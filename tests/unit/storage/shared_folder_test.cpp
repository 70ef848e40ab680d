#include <boost/test/unit_test.hpp>

#include <map>

#include "storage/job_names.hpp"
#include "store_fixture.hpp"

// Several nodes and other programs write to one output folder, and know of each other only what
// they see there.

namespace luna::storage::testing {

namespace {

using namespace std::chrono_literals;

name_request counted(std::string stem, std::string extension = ".png") {
  auto x = named(std::move(stem));
  x.extension = std::move(extension);
  x.counter = counter_rule{};
  return x;
}

struct fixture : store_fixture {
  store_fixture other;

  fixture() {
    other.disk = disk;
    other.data_folder = "/data2";
    other.random_state = 77;
    start();
    other.start();
  }

  std::string text_at(const std::string& path) const { return disk->contents(path).value_or(""); }

  std::vector<std::string> markers() const {
    std::vector<std::string> found;
    for (auto& path : disk->files(output_folder))
      if (path.ends_with(".luna"))
        found.push_back(path);
    return found;
  }

  /// Looks at all pictures of a job. @returns what is wrong, or "".
  std::string wrong(store_fixture& node, const std::string& id, uint32_t first) {
    auto job = node.status(id);
    if (job.state != job_state::done)
      return id + " is " + std::string{to_string(job.state)} + ": " + job.error;
    for (auto& image : job.images)
      if (text_at(path_of(image.name)) != encoded(pixels_of(first + image.index)))
        return path_of(image.name) + " has another picture";
    return {};
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(shared_folder_test, fixture)

BOOST_AUTO_TEST_CASE(ids_of_one_moment_are_different_on_every_node) {
  auto mine = submitted(job_of("k", {named("a")}));
  auto theirs = other.submitted(job_of("k", {named("b")}));
  BOOST_CHECK_NE(mine, theirs);
  BOOST_CHECK(is_unique_id(mine));
  BOOST_CHECK_EQUAL(time_of_id(mine), clock.now.time_since_epoch().count());
  BOOST_CHECK_NE(store->node(), other.store->node());
  auto before = store->node();
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_CHECK_EQUAL(store->node(), before);
  BOOST_CHECK(!is_unique_id("j-018bcfe5687-0001")); // of an older version
}

BOOST_AUTO_TEST_CASE(two_nodes_lose_overwrite_and_mix_no_picture) {
  std::map<std::string, uint32_t> mine, theirs;
  for (uint32_t i = 0; i < 40; ++i) {
    auto& node = i % 2 == 0 ? static_cast<store_fixture&>(*this) : other;
    auto name = i % 4 < 2 ? counted("ComfyUI") : named(i % 8 < 6 ? "same" : std::to_string(i));
    auto id = node.submitted(job_of("k" + std::to_string(i), {name, name}, i * 2));
    (i % 2 == 0 ? mine : theirs)[id] = i * 2;
    if (i % 5 == 0)
      work_once();
    if (i % 7 == 0)
      other.work_once();
  }
  work_all();
  other.work_all();
  for (auto& [id, first] : mine)
    BOOST_CHECK_EQUAL(wrong(*this, id, first), "");
  for (auto& [id, first] : theirs)
    BOOST_CHECK_EQUAL(wrong(other, id, first), "");
  BOOST_CHECK_EQUAL(disk->files(output_folder).size(), 80u);
  BOOST_CHECK(markers().empty());
}

BOOST_AUTO_TEST_CASE(a_node_that_was_copied_with_its_data_loses_nothing_either) {
  // Both think the other's markers their own, so both promise the same names.
  other.store.reset();
  for (auto* name : {"identity"})
    disk->put(std::string{"/data2/"} + name, *disk->contents(std::string{"/data/"} + name));
  other.start();
  BOOST_REQUIRE_EQUAL(store->node(), other.store->node());
  std::vector<std::pair<std::string, std::string>> ids;
  for (uint32_t i = 0; i < 6; ++i)
    ids.emplace_back(submitted(job_of("m" + std::to_string(i), {counted("a")}, i)),
                     other.submitted(job_of("t" + std::to_string(i), {counted("a")}, 100 + i)));
  work_all();
  other.work_all();
  for (uint32_t i = 0; i < 6; ++i) {
    BOOST_CHECK_EQUAL(wrong(*this, ids[i].first, i), "");
    BOOST_CHECK_EQUAL(wrong(other, ids[i].second, 100 + i), "");
  }
  BOOST_CHECK_EQUAL(disk->files(output_folder).size(), 12u);
}

// -- markers -------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_promise_is_seen_by_others_until_the_picture_is_there) {
  auto id = submitted(job_of("k", {counted("ComfyUI"), counted("ComfyUI")}));
  BOOST_TEST(
    markers() == (std::vector<std::string>{"/out/ComfyUI_00001_.luna", "/out/ComfyUI_00002_.luna"}),
    boost::test_tools::per_element());
  BOOST_CHECK_NE(text_at("/out/ComfyUI_00001_.luna").find(id), std::string::npos);
  BOOST_CHECK_EQUAL(
    other.status(other.submitted(job_of("k", {counted("ComfyUI")}))).images[0].name.filename,
    "ComfyUI_00003_.png");
  work_all();
  BOOST_CHECK_EQUAL(markers().size(), 1u);
  other.work_all();
  BOOST_CHECK(markers().empty());
}

BOOST_AUTO_TEST_CASE(pictures_of_one_stem_share_a_marker_until_the_last_is_there) {
  auto webp = named("a");
  webp.extension = ".webp";
  auto id = submitted(job_of("k", {named("a"), webp}));
  BOOST_CHECK_EQUAL(status(id).images[0].name.filename, "a.png");
  BOOST_CHECK_EQUAL(status(id).images[1].name.filename, "a.webp");
  BOOST_CHECK_EQUAL(markers().size(), 1u);
  auto later = submitted(job_of("l", {named("a", {}, collision_rule::rename)}));
  BOOST_CHECK_EQUAL(status(later).images[0].name.filename, "a_2.png");
  auto avif = named("a");
  avif.extension = ".avif";
  submitted(job_of("m", {avif}));
  BOOST_CHECK_EQUAL(markers().size(), 2u);
  BOOST_REQUIRE(work_once());
  BOOST_CHECK_EQUAL(markers().size(), 2u);
  work_all();
  BOOST_CHECK(markers().empty());
}

BOOST_AUTO_TEST_CASE(a_job_that_ends_without_its_picture_takes_its_marker_along) {
  auto cancelled = submitted(job_of("c", {named("c")}));
  BOOST_REQUIRE(store->cancel(cancelled));
  auto failed = submitted(job_of("f", {named("f")}));
  BOOST_REQUIRE(store->take());
  BOOST_CHECK_EQUAL(markers().size(), 1u);
  BOOST_REQUIRE(store->finish_attempt(failed, "bad", true));
  BOOST_CHECK(markers().empty());
  BOOST_REQUIRE(store->commit());
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_REQUIRE(store->maintain());
  BOOST_CHECK(markers().empty());
  BOOST_REQUIRE(store->retry(failed));
  BOOST_CHECK_EQUAL(markers().size(), 1u);
  work_all();
  BOOST_CHECK(markers().empty());
}

BOOST_AUTO_TEST_CASE(a_job_that_is_discarded_or_gives_up_its_pictures_leaves_no_marker) {
  auto fail = [this](const std::string& id) {
    BOOST_REQUIRE(store->take());
    BOOST_REQUIRE(store->finish_attempt(id, "bad", true));
  };
  auto discarded = submitted(job_of("d", {named("d")}));
  fail(discarded);
  BOOST_REQUIRE(store->retry(discarded));
  BOOST_CHECK_EQUAL(markers().size(), 1u);
  fail(discarded);
  BOOST_REQUIRE(store->discard(discarded));
  BOOST_CHECK(markers().empty());
  options.max_jobs = 3; // of which one may be a failed one
  start();
  auto given_up = submitted(job_of("g", {named("g")}));
  fail(given_up);
  fail(submitted(job_of("h", {named("h")})));
  BOOST_CHECK(status(given_up).pixels == pixel_state::given_up);
  BOOST_CHECK(markers().empty());
  BOOST_CHECK_EQUAL(status(submitted(job_of("i", {named("g")}))).images[0].name.filename, "g.png");
}

BOOST_AUTO_TEST_CASE(a_job_that_is_refused_leaves_no_marker) {
  options.spool_bytes = 100;
  start();
  BOOST_CHECK(!store->accept(job_of("k", {named("a")})));
  BOOST_CHECK(markers().empty());
}

BOOST_AUTO_TEST_CASE(a_start_makes_lost_markers_again_and_clears_those_of_dead_jobs) {
  auto done = submitted(job_of("d", {named("d")}));
  work_all();
  auto id = submitted(job_of("k", {counted("n")}));
  auto fast = job_of("fast", {counted("n")}); // told before it is durable
  fast.fast = true;
  auto lost = store->accept(fast); // told before it is durable, and not shown before that
  BOOST_REQUIRE(lost);
  BOOST_CHECK_EQUAL(lost->job.images[0].name.filename, "n_00002_.png");
  BOOST_CHECK_EQUAL(markers().size(), 1u);
  auto ended = submitted(job_of("e", {counted("e")}));
  BOOST_REQUIRE((*disk->open_directory(output_folder))->sync()); // its marker's name is durable
  BOOST_REQUIRE(store->cancel(ended));
  BOOST_REQUIRE(store->commit());
  BOOST_REQUIRE((*disk->open_directory(output_folder))->remove("n_00001_.luna"));
  disk->put("/out/theirs.luna", "luna promise 1\nnode somebody else\n");
  disk->put("/out/empty.luna", "");
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_REQUIRE(store->maintain());
  BOOST_TEST(markers()
               == (std::vector<std::string>{"/out/empty.luna", "/out/n_00001_.luna",
                                            "/out/n_00002_.luna", "/out/theirs.luna"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_marker_that_somebody_made_by_hand_counts_and_stays) {
  disk->put("/out/n_00007_.luna", "");
  auto id = submitted(job_of("k", {counted("n")}));
  BOOST_CHECK_EQUAL(status(id).images[0].name.filename, "n_00008_.png");
  work_all();
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_REQUIRE(store->maintain());
  BOOST_CHECK_EQUAL(markers().size(), 1u);
}

BOOST_AUTO_TEST_CASE(a_node_that_was_faster_with_a_name_keeps_it) {
  auto mine = store->accept(job_of("k", {counted("n"), named("a")}));
  auto theirs = other.submitted(job_of("k", {counted("n"), named("a")}, 5));
  BOOST_REQUIRE(mine);
  BOOST_CHECK_EQUAL(mine->job.images[0].name.filename, "n_00001_.png");
  BOOST_CHECK_EQUAL(other.status(theirs).images[0].name.filename, "n_00001_.png");
  BOOST_REQUIRE(store->commit()); // before it is told
  auto job = status(mine->job.id);
  BOOST_CHECK_EQUAL(job.images[0].name.filename, "n_00002_.png");
  BOOST_CHECK_EQUAL(job.images[1].name.filename, "a_2.png");
  BOOST_CHECK_EQUAL(job.images[0].renamed_from, "");
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_CHECK_EQUAL(status(mine->job.id).images[1].name.filename, "a_2.png");
}

BOOST_AUTO_TEST_CASE(a_name_that_was_told_before_it_was_durable_says_that_it_has_changed) {
  auto fast = job_of("k", {counted("n")});
  fast.fast = true;
  auto mine = store->accept(fast);
  BOOST_REQUIRE(mine && mine->at_once);
  other.submitted(job_of("k", {counted("n")}, 5));
  BOOST_REQUIRE(store->commit());
  auto image = status(mine->job.id).images[0];
  BOOST_CHECK_EQUAL(image.name.filename, "n_00002_.png");
  BOOST_CHECK_EQUAL(image.renamed_from, "n_00001_.png");
}

BOOST_AUTO_TEST_CASE(kill_at_any_moment_of_a_submit_leaves_no_marker_without_its_job) {
  for (uint64_t at = 1; at < 60; ++at) {
    fixture x;
    x.disk->cut_power_at(x.disk->operations() + at); // with all that was written: as kill -9
    static_cast<void>(x.submit(job_of("k", {counted("n"), named("deep", "x/y")})));
    if (!x.disk->power_is_cut())
      return;
    BOOST_REQUIRE_EQUAL(x.power_cycle(survival::everything), "");
    auto jobs = x.store->list(std::nullopt, 10);
    BOOST_CHECK(x.markers().empty() || jobs->size() == 1);
  }
  BOOST_FAIL("the submit never ended");
}

BOOST_AUTO_TEST_CASE(a_folder_that_takes_no_markers_is_as_good_as_before) {
  disk->inject({io_op::link, ".luna", io_kind::no_permission});
  auto id = submitted(job_of("k", {counted("n")}));
  work_all();
  BOOST_CHECK_EQUAL(wrong(*this, id, 0), "");
}

// -- names that others take ----------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_name_that_another_program_takes_becomes_the_next_free_one) {
  auto id = submitted(job_of("k", {counted("ComfyUI"), named("a")}));
  disk->put("/out/ComfyUI_00001_.png", "theirs");
  disk->put("/out/a.png", "theirs");
  work_all();
  BOOST_CHECK_EQUAL(wrong(*this, id, 0), "");
  auto job = status(id);
  BOOST_CHECK_EQUAL(job.attempts, 1u);
  BOOST_CHECK_EQUAL(job.images[0].name.filename, "ComfyUI_00002_.png");
  BOOST_CHECK_EQUAL(job.images[0].renamed_from, "ComfyUI_00001_.png");
  BOOST_CHECK_EQUAL(job.images[1].name.filename, "a_2.png");
  BOOST_CHECK_EQUAL(job.images[1].renamed_from, "a.png");
  BOOST_CHECK_EQUAL(text_at("/out/a.png"), "theirs");
  BOOST_CHECK(markers().empty());
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_CHECK_EQUAL(status(id).images[1].renamed_from, "a.png");
}

BOOST_AUTO_TEST_CASE(a_folder_of_the_promised_name_is_gone_round) {
  auto id = submitted(job_of("k", {named("a")}));
  disk->put("/out/a.png/inside.txt", "x");
  work_all();
  BOOST_CHECK_EQUAL(wrong(*this, id, 0), "");
  BOOST_CHECK_EQUAL(status(id).images[0].name.filename, "a_2.png");
}

BOOST_AUTO_TEST_CASE(a_job_that_asked_for_exactly_this_name_does_not_get_another) {
  auto id = submitted(job_of("k", {named("a", {}, collision_rule::fail)}));
  disk->put("/out/a.png", "theirs");
  auto work = store->take();
  BOOST_REQUIRE(work);
  auto ok = write(*work, work->images[0]);
  BOOST_REQUIRE(!ok);
  BOOST_CHECK(ok.error().code == ec::bad_request); // so that it is not tried again
  BOOST_CHECK_EQUAL(text_at("/out/a.png"), "theirs");
  BOOST_CHECK_EQUAL(status(id).images[0].renamed_from, "");
  BOOST_CHECK_EQUAL(disk->files(output_folder).size(), 2u); // and the marker
}

BOOST_AUTO_TEST_CASE(a_renamed_picture_is_there_once_whatever_operation_the_power_ends) {
  for (uint64_t at = 1;; ++at)
    for (auto keeps : {survival::synced, survival::everything, survival::random}) {
      fixture x;
      auto id = x.submitted(job_of("k", {counted("n"), named("a")}));
      x.disk->put("/out/n_00001_.png", "theirs");
      x.disk->put("/out/a.png", "theirs");
      x.disk->cut_power_at(x.disk->operations() + at);
      x.work_all();
      if (!x.disk->power_is_cut()) {
        BOOST_CHECK_GT(at, 20u);
        return;
      }
      BOOST_TEST_CONTEXT("the power goes at " << x.disk->journal().back() << ", survival "
                                              << int(keeps)) {
        BOOST_REQUIRE_EQUAL(x.power_cycle(keeps, at), "");
        x.clock.advance(1min);
        x.work_all();
        BOOST_CHECK_EQUAL(x.wrong(x, id, 0), "");
        BOOST_CHECK_EQUAL(x.status(id).images[1].renamed_from, "a.png");
        BOOST_CHECK_EQUAL(x.text_at("/out/a.png"), "theirs");
        BOOST_REQUIRE(x.store->maintain());
        BOOST_CHECK_EQUAL(x.disk->files(output_folder).size(), 4u);
      }
    }
}

BOOST_AUTO_TEST_CASE(a_job_of_an_older_version_gets_another_name_too) {
  auto names = std::make_shared<faulty_file_system>();
  BOOST_REQUIRE(names->make_directories("/out"));
  names->put("/out/photo_2024.png", "theirs");
  name_reservations all{names};
  file_name promised{"/out", "", "photo_2024.png", false};
  all.restore("j", promised);
  auto next = all.rename("j", {"/out", "", "photo_2024", ".png", collision_rule::rename, {}},
                         promised, nullptr);
  BOOST_REQUIRE(next);
  BOOST_CHECK_EQUAL(next->filename, "photo_2024_2.png");
  BOOST_CHECK_EQUAL(all.size(), 1u);
}

// -- counters in large folders -------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_counter_lists_its_folder_once_and_still_sees_what_others_do) {
  for (int i = 1; i <= 50; ++i)
    disk->put("/out/n_" + std::to_string(i) + "_.png", "x");
  auto next = [&](const char* key) {
    return status(submitted(job_of(key, {counted("n")}))).images[0].name.filename;
  };
  BOOST_CHECK_EQUAL(next("a"), "n_00051_.png");
  disk->inject({io_op::list, "/out"}); // from here on a list would fail and the folder seem empty
  BOOST_CHECK_EQUAL(next("b"), "n_00052_.png");
  disk->put("/out/n_00099_.webp", "theirs");
  BOOST_CHECK_EQUAL(next("c"), "n_00100_.png");
  work_all();
  BOOST_CHECK_EQUAL(next("d"), "n_00101_.png");
  auto folder = *disk->open_directory(output_folder);
  for (auto* name : {"n_00099_.webp", "n_00100_.png", "n_00052_.png", "n_00051_.png"})
    BOOST_REQUIRE(folder->remove(name));
  work_all();
  BOOST_REQUIRE(folder->remove("n_00101_.png"));
  BOOST_CHECK_EQUAL(next("e"), "n_00051_.png");
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_watched_is_listed_each_time) {
  disk->set_watches(false);
  disk->put("/out/n_7_.png", "x");
  auto id = submitted(job_of("a", {counted("n")}));
  BOOST_CHECK_EQUAL(status(id).images[0].name.filename, "n_00008_.png");
  disk->put("/out/n_9_.png", "x");
  id = submitted(job_of("b", {counted("n")}));
  BOOST_CHECK_EQUAL(status(id).images[0].name.filename, "n_00010_.png");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
