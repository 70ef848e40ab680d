#include <boost/test/unit_test.hpp>

#include "bucket_fixture.hpp"
#include "storage/digest.hpp"

// An image comes to be in a bucket once, whole, or not at all.

namespace luna::storage::testing {

namespace {

struct fixture : bucket_fixture {
  std::string text = "the bytes of a picture";
  int records = 0;
  file_identity recorded;

  static std::string large() { return std::string(1500, 'x') + "end"; }

  static publish_request request(std::string filename, std::string subfolder = {},
                                 bool overwrite = false, std::string job = "j-1") {
    return {{"s3://renders/luna", std::move(subfolder), std::move(filename), overwrite},
            temporary_name(job, 0)};
  }

  result<reveal_outcome> publish(const publish_request& x, const std::string& bytes,
                                 std::optional<file_identity> earlier = std::nullopt) {
    return storage::publish(*make_target(), x, std::as_bytes(std::span{bytes}), earlier,
                            [this](const file_identity& identity) {
                              ++records;
                              recorded = identity;
                              return result<void>{};
                            });
  }

  /// Everything is lost from the n-th request on, the n-th with its effect.
  void break_at(uint64_t n) {
    bucket->decide = [n, first = bucket->requests()](uint64_t number, const s3::http_request&) {
      return number - first < n  ? fate::answered
           : number - first == n ? fate::answer_lost
                                 : fate::lost;
    };
  }

  void mend() { bucket->decide = nullptr; }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(s3_target_test, fixture)

BOOST_AUTO_TEST_CASE(a_small_image_is_one_put_after_its_record) {
  auto target = make_target();
  auto staged = target->write(request("a.png", "x/y"), std::as_bytes(std::span{text}));
  BOOST_TEST_REQUIRE(staged.has_value(), luna::testing::why(staged));
  BOOST_CHECK_EQUAL(bucket->requests(), 0u);
  BOOST_CHECK(target->reveal(request("a.png", "x/y"), *staged));
  BOOST_CHECK_EQUAL(bucket->requests(), 1u);
  BOOST_CHECK_EQUAL(bucket->objects().at("luna/x/y/a.png").bytes, text);
}

BOOST_AUTO_TEST_CASE(a_large_image_goes_in_parts_and_is_seen_whole_or_not_at_all) {
  auto target = make_target();
  auto bytes = large();
  auto staged = target->write(request("a.png"), std::as_bytes(std::span{bytes}));
  BOOST_TEST_REQUIRE(staged.has_value(), luna::testing::why(staged));
  BOOST_CHECK(bucket->objects().empty());
  BOOST_CHECK_EQUAL(bucket->open_uploads(), 1u);
  BOOST_CHECK(target->reveal(request("a.png"), *staged));
  BOOST_CHECK_EQUAL(bucket->objects().at("luna/a.png").bytes, bytes);
  BOOST_CHECK_EQUAL(bucket->open_uploads(), 0u);
  BOOST_CHECK(target->is_published(request("a.png"), staged->identity).value());
}

BOOST_AUTO_TEST_CASE(a_part_that_fails_leaves_nothing_behind) {
  auto bytes = large();
  bucket->decide = [](uint64_t, const s3::http_request& x) {
    return x.query.find("partNumber=3") != x.query.npos ? fate::busy : fate::answered;
  };
  BOOST_CHECK(!publish(request("a.png"), bytes));
  BOOST_CHECK_EQUAL(records, 0);
  BOOST_CHECK_EQUAL(bucket->open_uploads(), 0u);
  BOOST_CHECK(bucket->objects().empty());
}

BOOST_AUTO_TEST_CASE(another_nodes_upload_of_the_same_key_is_not_aborted) {
  bucket->leave_upload("luna/a.png");
  BOOST_CHECK(publish(request("a.png"), large()));
  BOOST_CHECK_EQUAL(bucket->open_uploads(), 1u);
}

BOOST_AUTO_TEST_CASE(two_nodes_that_upload_the_same_key_do_not_end_each_others_upload) {
  auto one = make_target();
  auto other = make_target();
  auto bytes = large();
  auto first = one->write(request("a.png"), std::as_bytes(std::span{bytes}));
  auto second = other->write(request("a.png", {}, false, "j-2"), std::as_bytes(std::span{bytes}));
  BOOST_REQUIRE(first && second);
  auto shown = one->reveal(request("a.png"), *first);
  BOOST_TEST_REQUIRE(shown.has_value(), luna::testing::why(shown));
  BOOST_CHECK(*shown == reveal_outcome::revealed);
  BOOST_CHECK(*other->reveal(request("a.png", {}, false, "j-2"), *second) == reveal_outcome::taken);
  other->discard(request("a.png", {}, false, "j-2"), *second);
  BOOST_CHECK_EQUAL(bucket->open_uploads(), 0u);
}

BOOST_AUTO_TEST_CASE(a_discarded_image_is_gone) {
  auto target = make_target();
  auto bytes = large();
  auto staged = target->write(request("a.png"), std::as_bytes(std::span{bytes}));
  BOOST_REQUIRE(staged);
  target->discard(request("a.png"), *staged);
  BOOST_CHECK_EQUAL(bucket->open_uploads(), 0u);
}

BOOST_AUTO_TEST_CASE(a_lost_answer_to_the_last_step_is_found_out_by_the_same_attempt) {
  for (auto& bytes : {text, large()}) {
    bucket->objects().clear();
    bucket->decide = [](uint64_t, const s3::http_request& x) {
      static int lost = 0;
      auto last = (x.method == "PUT" && x.query.empty())
               || (x.method == "POST" && x.query.starts_with("uploadId"));
      return last && lost++ % 2 == 0 ? fate::answer_lost : fate::answered;
    };
    auto done = publish(request("a.png"), bytes);
    BOOST_TEST(done.has_value(), luna::testing::why(done));
    BOOST_CHECK_EQUAL(bucket->objects().at("luna/a.png").writes, 1);
  }
}

BOOST_AUTO_TEST_CASE(whatever_request_breaks_the_next_attempt_ends_with_one_object) {
  for (auto& bytes : {text, large()})
    for (uint64_t n = 1; n <= 8; ++n) {
      bucket->objects().clear();
      records = 0;
      auto left_before = bucket->open_uploads();
      break_at(n);
      auto first = publish(request("a.png"), bytes);
      if (!first)
        BOOST_CHECK(make_target()->is_outage(first.error()));
      mend();
      auto again =
        publish(request("a.png"), bytes, records > 0 ? std::optional{recorded} : std::nullopt);
      BOOST_TEST_CONTEXT(bytes.size() << " bytes, broken at request " << n) {
        BOOST_TEST(again.has_value(), luna::testing::why(again));
        BOOST_REQUIRE_EQUAL(bucket->objects().size(), 1u);
        BOOST_CHECK_EQUAL(bucket->objects().at("luna/a.png").bytes, bytes);
        BOOST_CHECK_EQUAL(bucket->objects().at("luna/a.png").writes, 1);
        // An upload whose beginning was not answered, or whose end could not be asked for.
        BOOST_CHECK_LE(bucket->open_uploads(), left_before + 1);
      }
    }
}

BOOST_AUTO_TEST_CASE(what_another_program_or_job_wrote_is_not_ours) {
  for (auto& bytes : {text, large()}) {
    bucket->objects().clear();
    BOOST_REQUIRE(publish(request("a.png"), bytes));
    auto other = publish(request("a.png", {}, false, "j-2"), bytes);
    BOOST_TEST_REQUIRE(other.has_value(), luna::testing::why(other));
    BOOST_CHECK(*other == reveal_outcome::taken);
    BOOST_CHECK_EQUAL(bucket->objects().at("luna/a.png").writes, 1);
    BOOST_CHECK_EQUAL(bucket->open_uploads(), 0u);
    BOOST_CHECK(!make_target()->is_published(request("a.png", {}, false, "j-2"), recorded).value());
    BOOST_CHECK(publish(request("a.png", {}, true, "j-2"), bytes)); // overwrite
  }
}

BOOST_AUTO_TEST_CASE(a_store_without_conditions_is_asked_first) {
  bucket->honours_conditions = false;
  options.conditional_puts = false;
  bucket->objects()["luna/a.png"].bytes = "theirs";
  for (auto& bytes : {text, large()}) {
    BOOST_CHECK(*publish(request("a.png"), bytes) == reveal_outcome::taken);
    BOOST_CHECK_EQUAL(bucket->objects().at("luna/a.png").bytes, "theirs");
  }
  BOOST_CHECK(publish(request("b.png"), text));
  // An answer that was lost: found out by asking, and by asking again.
  break_at(2);
  BOOST_CHECK(!publish(request("c.png"), text));
  mend();
  BOOST_CHECK(publish(request("c.png"), text, recorded));
  BOOST_CHECK_EQUAL(bucket->objects().at("luna/c.png").writes, 1);
}

BOOST_AUTO_TEST_CASE(a_cancelled_image_is_looked_for_and_its_recorded_upload_is_aborted) {
  bucket->leave_upload("luna/a.png"); // another node's
  auto bytes = large();
  auto staged = make_target()->write(request("a.png"), std::as_bytes(std::span{bytes}));
  BOOST_REQUIRE(staged);
  BOOST_CHECK_EQUAL(bucket->open_uploads(), 2u);
  BOOST_CHECK(!make_target()->is_published(request("a.png"), staged->identity).value());
  BOOST_CHECK_EQUAL(bucket->open_uploads(), 1u);
}

BOOST_AUTO_TEST_CASE(a_job_goes_to_the_prefix_that_it_was_promised) {
  options.prefix = "/elsewhere/";
  BOOST_CHECK_EQUAL(make_target()->root(), "s3://renders/elsewhere");
  BOOST_CHECK(publish(request("a.png"), text));
  BOOST_CHECK(bucket->objects().contains("luna/a.png"));
  options.bucket = "another";
  auto lost = publish(request("b.png"), text);
  BOOST_REQUIRE(!lost);
  BOOST_CHECK(make_target()->is_outage(lost.error()));
  BOOST_CHECK_NE(lost.error().message.find("put its bucket back"), std::string::npos);
  options.bucket = "renders";
  options.prefix = "";
  BOOST_CHECK_EQUAL(make_target()->root(), "s3://renders");
  BOOST_CHECK(publish({{"s3://renders", "", "top.png", false}, "t", true}, text));
  BOOST_CHECK(bucket->objects().contains("top.png"));
}

BOOST_AUTO_TEST_CASE(names_are_those_of_one_folder) {
  for (auto* key :
       {"luna/x/a.png", "luna/x/a_2.png", "luna/x/b.png", "luna/x/a/c.png", "luna/a.png"})
    bucket->objects()[key];
  auto names = make_target()->names("x", "a");
  BOOST_TEST_REQUIRE(names.has_value(), luna::testing::why(names));
  BOOST_TEST(*names == (std::vector<std::string>{"a.png", "a_2.png"}),
             boost::test_tools::per_element());
  BOOST_CHECK_EQUAL(make_target()->names("", "a").value().at(0), "a.png");
}

BOOST_AUTO_TEST_CASE(wrong_keys_are_an_outage_for_they_can_be_put_right) {
  bucket->decide = [](auto, auto&) { return fate::refused; };
  auto done = publish(request("a.png"), text);
  BOOST_REQUIRE(!done);
  BOOST_CHECK(make_target()->is_outage(done.error()));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
