#include "actors/save/save_intake.hpp"
#include "save_fixture.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

const std::vector<std::string> allowed{"/out", "/more"};
const std::chrono::system_clock::time_point moment{std::chrono::seconds{1'700'000'000}};

storage::new_job read(const save_submission& x) {
  auto job = read_submission(x, allowed, moment);
  BOOST_REQUIRE_EQUAL(why(job), "");
  return *job;
}

failure refusal(const save_submission& x) {
  auto job = read_submission(x, allowed, moment);
  BOOST_REQUIRE(!job);
  BOOST_CHECK(!job.error().message.empty());
  return job.error();
}

struct fixture : save_fixture {};

} // namespace

BOOST_FIXTURE_TEST_SUITE(save_intake_test, fixture)

BOOST_AUTO_TEST_CASE(a_batch_becomes_an_image_for_each_picture_in_bytes) {
  auto submission = saving("sub/cat", "key", 2, {{"priority", 1}});
  auto job = read(submission);
  BOOST_CHECK_EQUAL(job.key, "key");
  BOOST_CHECK_EQUAL(job.task, submission.task);
  BOOST_CHECK_EQUAL(job.priority, 1);
  BOOST_REQUIRE_EQUAL(job.images.size(), 2u);
  for (int i : {0, 1}) {
    auto& image = job.images[static_cast<size_t>(i)];
    BOOST_CHECK_EQUAL(image.name.root, "/out");
    BOOST_CHECK_EQUAL(image.name.subfolder, "sub");
    BOOST_CHECK_EQUAL(image.name.stem, "cat_" + std::to_string(i));
    BOOST_CHECK_EQUAL(image.name.extension, ".png");
    BOOST_CHECK(image.name.collision == storage::collision_rule::rename);
    BOOST_CHECK(!image.name.counter);
    BOOST_CHECK(image.pixels.type() == dtype::u8);
    BOOST_CHECK_EQUAL(format_shape(image.pixels.shape()), "[4, 4, 3]");
    BOOST_CHECK_EQUAL(static_cast<int>(image.pixels.bytes().front()), 10 + i);
  }
}

BOOST_AUTO_TEST_CASE(floats_are_rounded_to_bytes) {
  std::vector<float> grey(4 * 4 * 3, 0.5f);
  auto x = saving("a");
  x.tensors = {
    {"image_0", tensor_block::copy_of(dtype::f32, {4, 4, 3}, std::as_bytes(std::span{grey}))}};
  auto job = read(x);
  BOOST_CHECK(job.images[0].pixels.type() == dtype::u8);
  BOOST_CHECK_EQUAL(job.images[0].pixels.size_bytes(), grey.size());
}

BOOST_AUTO_TEST_CASE(the_folder_below_the_allowed_one_belongs_to_the_name) {
  auto job = read(saving("cat", "", 1, {{"output_dir", "/more/today"}, {"save_path", "cats"}}));
  BOOST_CHECK_EQUAL(job.images[0].name.root, "/more");
  BOOST_CHECK_EQUAL(job.images[0].name.subfolder, "today/cats");
}

BOOST_AUTO_TEST_CASE(counter_and_collision_are_the_stores_to_settle) {
  auto job = read(
    saving("cat", "", 1, {{"counter", {{"digits", 4}, {"suffix", "-"}}}, {"collision", "fail"}}));
  auto& name = job.images[0].name;
  BOOST_CHECK(name.collision == storage::collision_rule::fail);
  BOOST_REQUIRE(name.counter);
  BOOST_CHECK_EQUAL(name.counter->digits, 4u);
  BOOST_CHECK_EQUAL(name.counter->suffix, "-");
  job = read(saving("cat", "", 1, {{"collision", "overwrite"}}));
  BOOST_CHECK(job.images[0].name.collision == storage::collision_rule::overwrite);
}

BOOST_AUTO_TEST_CASE(a_task_without_a_name_is_called_after_its_moment) {
  auto job =
    read(saving("", "", 1, {{"timestamp", "2026-11-22T10:00:00"}, {"model_name", "m.pt"}}));
  BOOST_CHECK_EQUAL(job.images[0].name.stem, "2026_11_22_100000_m");
  auto one = read(saving("")).images[0].name.stem;
  BOOST_CHECK_EQUAL(one, read(saving("")).images[0].name.stem);
  BOOST_CHECK_EQUAL(one.rfind("2023_11_1", 0), 0u); // the given moment, in the zone of this machine
}

BOOST_AUTO_TEST_CASE(what_cannot_be_done_is_refused_while_the_client_still_has_the_pictures) {
  BOOST_CHECK(refusal({"{", "", {}}).code == ec::bad_request);
  BOOST_CHECK(refusal({"[]", "", {}}).code == ec::bad_request);
  BOOST_CHECK(refusal(saving("a", "", 1, {{"filname", "b"}})).code == ec::bad_request);
  BOOST_CHECK(refusal(saving(std::string(300, 'x'))).code == ec::bad_request);
  auto nothing = saving("a");
  nothing.tensors.clear();
  BOOST_CHECK(refusal(nothing).code == ec::bad_request);
  auto flat = saving("a");
  flat.tensors[0].tensor = pictures(1).reshaped({48});
  BOOST_CHECK(refusal(flat).code == ec::bad_request);
}

BOOST_AUTO_TEST_CASE(nothing_leaves_the_allowed_folders) {
  BOOST_CHECK(refusal(saving("../a")).code == ec::not_permitted);
  BOOST_CHECK(refusal(saving("a", "", 1, {{"save_path", "x/../../y"}})).code == ec::not_permitted);
  BOOST_CHECK(refusal(saving("a", "", 1, {{"output_dir", "/etc"}})).code == ec::not_permitted);
  BOOST_CHECK(refusal(saving("a", "", 1, {{"output_dir", "/outer"}})).code == ec::not_permitted);
  auto job = read_submission(saving("a"), {}, moment);
  BOOST_REQUIRE(!job);
  BOOST_CHECK(job.error().code == ec::not_permitted);
}

BOOST_AUTO_TEST_CASE(a_refused_submission_does_not_reach_the_store) {
  BOOST_REQUIRE_EQUAL(start(), "");
  auto answer = now(submit_atom_v, saving("../a"));
  BOOST_REQUIRE(!answer);
  BOOST_CHECK(answer.error().code == ec::not_permitted);
  BOOST_CHECK(events->empty());
  auto counters = said(status_atom_v);
  BOOST_CHECK_EQUAL(counters["queued"], 0);
  BOOST_CHECK_EQUAL(counters["spool_bytes"], 0);
  submitted(saving("a"));
  BOOST_CHECK(is_there("a.png"));
}

BOOST_AUTO_TEST_SUITE_END()
