#include "actors/save/save_worker.hpp"
#include "save_fixture.hpp"
#include "storage/publisher.hpp"

// One attempt of a job, step by step, with a store that says what the test says.

using namespace luna;
using namespace luna::testing;
using storage::job_work;

namespace {

struct ended_image {
  uint32_t index = 0;
  std::string error;
};

/// What the store was told.
struct store_desk {
  std::vector<uint32_t> recorded;
  std::vector<storage::file_identity> identities;
  std::vector<ended_image> ended;
  std::vector<std::pair<std::string, bool>> released; ///< error and whether it is damage
  std::vector<bool> is_final;                         ///< of what was released
  std::optional<failure> refuse;                      ///< the answer to a record
  int renames = 0;                                    ///< asked for
  std::optional<failure> refuse_rename;               ///< the answer to that
  std::function<void()> on_record = [] {};
};

save_store_actor::behavior_type fake_store(save_store_actor::pointer,
                                           std::shared_ptr<store_desk> desk) {
  auto none = [] { return std::string{}; };
  return {[=](submit_atom, const std::shared_ptr<storage::new_job>&) { return none(); },
          [=](resolve_atom, const std::shared_ptr<storage::new_job>&) { return none(); },
          [=](status_atom, const std::string&) { return none(); },
          [=](cancel_atom, const std::string&) { return none(); },
          [=](retry_atom, const std::string&) { return none(); },
          [=](discard_atom, const std::string&) { return none(); },
          [=](list_atom, const std::string&, uint32_t) { return none(); },
          [=](status_atom) { return none(); },
          [](drain_atom) { return true; },
          [desk](publish_atom, const std::string&, uint32_t image,
                 const std::shared_ptr<const storage::file_identity>& x) -> caf::result<bool> {
            desk->recorded.push_back(image);
            desk->identities.push_back(*x);
            desk->on_record();
            if (desk->refuse)
              return make_error(*desk->refuse);
            return true;
          },
          [desk](resolve_atom, const std::string&, uint32_t image,
                 const std::shared_ptr<const names_there>&)
            -> caf::result<std::shared_ptr<const storage::file_name>> {
            ++desk->renames;
            if (desk->refuse_rename)
              return make_error(*desk->refuse_rename);
            auto name = "x" + std::to_string(image) + "_" + std::to_string(desk->renames) + ".png";
            return std::make_shared<const storage::file_name>(
              storage::file_name{"/out", "", name, false});
          },
          [desk](answer_atom, const std::string&, const image_report& x) {
            desk->ended.push_back({x.image, x.error});
          },
          [desk](release_atom, const std::string&, const attempt_report& x) {
            desk->released.emplace_back(x.error, x.how == attempt_report::ending::damaged);
            desk->is_final.push_back(x.is_final);
          },
          [](keep_atom) {},
          [](tick_atom) {},
          [](restart_atom) {}};
}

struct fixture : save_fixture {
  std::shared_ptr<store_desk> desk = std::make_shared<store_desk>();
  save_store_actor fake = system.spawn(fake_store, desk);
  save_worker_actor uut =
    system.spawn(save_worker, fake,
                 std::make_shared<const storage::target_table>(
                   storage::target_table{std::make_shared<storage::publisher>(disk), {}}));
  std::vector<tensor_block> pixels;

  fixture() { BOOST_REQUIRE(disk->make_directories("/out")); }

  /// An attempt of a job with so many pictures, x0.png, x1.png, ...; their pixels lie in a file.
  job_work work(uint32_t count) {
    auto folder = disk->make_directories("/spool");
    auto spool = (*folder)->open("pixels", storage::open_mode::create);
    BOOST_REQUIRE(spool);
    job_work x;
    x.id = "j-1";
    x.task = R"({"images":[{"tensor":"image_0"}]})";
    std::vector<storage::piece_entry> table;
    auto picture = pictures(1);
    for (uint32_t i = 0; i < count; ++i) {
      x.images.push_back({i,
                          {"/out", "", "x" + std::to_string(i) + ".png", false},
                          dtype::u8,
                          {4, 4, 3},
                          std::nullopt});
      table.push_back({picture.size_bytes(), storage::crc32c(picture.bytes())});
    }
    x.pixels = storage::piece_reader{*spool, "/spool/pixels", 0, table};
    std::string record;
    for (uint32_t i = 0; i < count; ++i) {
      record.append(reinterpret_cast<const char*>(picture.bytes().data()), picture.size_bytes());
      record.resize(storage::aligned(record.size()));
    }
    BOOST_REQUIRE((*spool)->write_at(0, std::as_bytes(std::span{record})));
    return x;
  }

  void attempt(job_work x) {
    self->send(uut, run_atom_v, std::make_shared<const job_work>(std::move(x)));
    run();
  }

  ~fixture() { end(uut, fake); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(save_worker_test, fixture)

BOOST_AUTO_TEST_CASE(a_picture_gets_its_name_after_its_record) {
  desk->on_record = [this] {
    BOOST_CHECK(!is_there("x0.png"));
    BOOST_CHECK(files().empty()); // complete, without a name
  };
  attempt(work(1));
  BOOST_REQUIRE_EQUAL(desk->recorded.size(), 1u);
  BOOST_CHECK_EQUAL(desk->identities[0].size, disk->contents("/out/x0.png")->size());
  BOOST_REQUIRE_EQUAL(desk->ended.size(), 1u);
  BOOST_CHECK_EQUAL(desk->ended[0].error, "");
  BOOST_REQUIRE_EQUAL(desk->released.size(), 1u);
  BOOST_CHECK_EQUAL(desk->released[0].first, "");
  BOOST_CHECK(!desk->released[0].second);
  BOOST_TEST(files() == std::vector<std::string>{"/out/x0.png"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_record_that_is_refused_reveals_nothing_and_leaves_nothing) {
  desk->refuse = failure{ec::cancelled, "the job was cancelled", 0, {}};
  attempt(work(2));
  BOOST_CHECK(files().empty());
  BOOST_REQUIRE_EQUAL(desk->ended.size(), 2u);
  BOOST_CHECK_EQUAL(desk->ended[1].error, "the job was cancelled");
  BOOST_CHECK_EQUAL(desk->released.size(), 1u);
}

BOOST_AUTO_TEST_CASE(a_name_that_another_program_took_is_left_to_it_and_the_next_one_recorded) {
  disk->put("/out/x0.png", "theirs");
  disk->put("/out/x0_1.png", "theirs, too");
  attempt(work(2));
  BOOST_CHECK(disk->contents("/out/x0.png") == "theirs");
  BOOST_CHECK_EQUAL(desk->renames, 2);
  BOOST_TEST(desk->recorded == (std::vector<uint32_t>{0, 0, 0, 1}),
             boost::test_tools::per_element());
  BOOST_REQUIRE_EQUAL(desk->ended.size(), 2u);
  BOOST_CHECK_EQUAL(desk->ended[0].error, "");
  BOOST_CHECK_EQUAL(desk->ended[1].error, "");
  BOOST_CHECK_EQUAL(desk->released.size(), 1u);
  BOOST_TEST(
    files()
      == (std::vector<std::string>{"/out/x0.png", "/out/x0_1.png", "/out/x0_2.png", "/out/x1.png"}),
    boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_name_that_was_asked_for_exactly_is_not_changed) {
  disk->put("/out/x0.png", "theirs");
  desk->refuse_rename = failure{ec::bad_request, "/out/x0.png is taken", 0, {}};
  attempt(work(2));
  BOOST_REQUIRE_EQUAL(desk->ended.size(), 2u);
  BOOST_CHECK_EQUAL(desk->ended[0].error, "/out/x0.png is taken");
  BOOST_CHECK_EQUAL(desk->ended[1].error, "");
  BOOST_TEST(files() == (std::vector<std::string>{"/out/x0.png", "/out/x1.png"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(names_that_others_take_again_and_again_fail_the_attempt) {
  disk->inject({io_op::link, "/out/x0", storage::io_kind::exists});
  attempt(work(2));
  BOOST_REQUIRE_EQUAL(desk->ended.size(), 2u);
  BOOST_CHECK_NE(desk->ended[0].error.find("taken by other programs"), std::string::npos);
  BOOST_CHECK_EQUAL(desk->ended[1].error, "");
}

BOOST_AUTO_TEST_CASE(what_an_earlier_attempt_has_written_is_not_written_again) {
  attempt(work(1));
  BOOST_REQUIRE_EQUAL(desk->identities.size(), 1u);
  auto again = work(1);
  again.images[0].recorded = desk->identities[0];
  auto before = disk->contents("/out/x0.png");
  attempt(again);
  BOOST_CHECK_EQUAL(desk->recorded.size(), 1u);
  BOOST_REQUIRE_EQUAL(desk->ended.size(), 2u);
  BOOST_CHECK_EQUAL(desk->ended[1].error, "");
  BOOST_CHECK(disk->contents("/out/x0.png") == before);
}

BOOST_AUTO_TEST_CASE(a_cancelled_job_is_only_looked_at) {
  attempt(work(1));
  BOOST_REQUIRE_EQUAL(desk->identities.size(), 1u);
  auto check = work(2);
  check.only_check = true;
  check.images[0].recorded = check.images[1].recorded = desk->identities[0];
  check.images[1].recorded->inode = 999;
  attempt(check);
  BOOST_REQUIRE_EQUAL(desk->ended.size(), 2u); // only the one that is there is told
  BOOST_CHECK_EQUAL(desk->ended[1].index, 0u);
  BOOST_CHECK(!is_there("x1.png"));
  BOOST_CHECK_EQUAL(desk->released.size(), 2u);
}

BOOST_AUTO_TEST_CASE(damaged_pixels_are_told_and_the_other_pictures_written) {
  auto x = work(3);
  auto spool = (*disk->open_directory("/spool"))->open("pixels", storage::open_mode::read_write);
  std::string wrong{"wrong"};
  BOOST_REQUIRE((*spool)->write_at(storage::aligned(48), std::as_bytes(std::span{wrong})));
  attempt(x);
  BOOST_CHECK_EQUAL(files().size(), 2u);
  BOOST_REQUIRE_EQUAL(desk->released.size(), 1u);
  BOOST_CHECK(desk->released[0].second);
  BOOST_CHECK_NE(desk->released[0].first.find("/spool/pixels"), std::string::npos);
  attempt(work(1)); // and the next job is none the worse
  BOOST_REQUIRE_EQUAL(desk->released.size(), 2u);
  BOOST_CHECK(!desk->released[1].second);
}

BOOST_AUTO_TEST_CASE(a_task_that_cannot_be_read_ends_the_attempt_with_the_reason) {
  auto x = work(1);
  x.task = "{";
  attempt(x);
  BOOST_REQUIRE_EQUAL(desk->released.size(), 1u);
  BOOST_CHECK_NE(desk->released[0].first, "");
  BOOST_CHECK(files().empty());
}

BOOST_AUTO_TEST_CASE(ten_thousand_pictures_that_fail_are_no_recursion) {
  disk->inject({io_op::create, "/out"});
  attempt(work(10000));
  BOOST_CHECK_EQUAL(desk->ended.size(), 10000u);
  BOOST_CHECK_EQUAL(desk->released.size(), 1u);
}

BOOST_AUTO_TEST_CASE(a_failure_that_comes_again_each_time_is_final) {
  auto x = work(2);
  x.plan = R"({"time":"2026_11_22_100000","files":[)"
           R"({"kind":"picture","format":"png","affix":"","batch":0,"of":0},)"
           R"({"kind":"picture","format":"png","affix":"","batch":0,"of":0}]})";
  x.images[1].shape = {2, 3, 2, 4}; // what an encoder refuses
  attempt(x);
  BOOST_CHECK(is_there("x0.png"));
  BOOST_CHECK((desk->is_final == std::vector{true}));
  disk->inject({io_op::create, "/out"}); // now one that may go away is beside it
  attempt(x);
  BOOST_CHECK((desk->is_final == std::vector{true, false}));
}

BOOST_AUTO_TEST_SUITE_END()
