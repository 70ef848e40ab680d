#include <boost/test/unit_test.hpp>

#include <cstdlib>

#include "bucket_fixture.hpp"
#include "storage/s3/xml.hpp"

// One request, whatever the network and the store make of it.

namespace luna::storage::testing {

namespace {

using namespace std::chrono_literals;
using s3::put_outcome;
using std::chrono::milliseconds;

struct fixture : bucket_fixture {
  std::string text = "a picture";

  s3::s3_client client() { return {options, world()}; }

  std::span<const std::byte> bytes() const { return std::as_bytes(std::span{text}); }

  s3::object_spec spec(bool exclusive = true) const {
    return {"luna/a b.png", "image/png", s3::hex_digest(bytes()), "mine", exclusive};
  }

  /// The first requests end so, the others are answered.
  void begin_with(std::vector<fate> fates) {
    bucket->decide = [fates = std::move(fates)](uint64_t n, const s3::http_request&) {
      return n <= fates.size() ? fates[n - 1] : fate::answered;
    };
  }
};

/// A transport that answers always the same and keeps the requests.
struct canned final : s3::http_transport {
  s3::http_response answer;
  std::vector<s3::http_request> requests;

  tl::expected<s3::http_response, s3::no_answer> send(const s3::http_request& request) override {
    requests.push_back(request);
    return answer;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(s3_client_test, fixture)

BOOST_AUTO_TEST_CASE(an_object_is_put_with_its_type_its_digest_and_its_owner) {
  auto put = client().put(spec(), bytes());
  BOOST_TEST_REQUIRE(put.has_value(), luna::testing::why(put));
  BOOST_CHECK(*put == put_outcome::written);
  auto& object = bucket->objects().at("luna/a b.png");
  BOOST_CHECK_EQUAL(object.bytes, text);
  BOOST_CHECK_EQUAL(object.headers.at("content-type"), "image/png");
  auto facts = client().head("luna/a b.png");
  BOOST_TEST_REQUIRE(facts.has_value(), luna::testing::why(facts));
  BOOST_REQUIRE(*facts);
  BOOST_CHECK_EQUAL((*facts)->size, text.size());
  BOOST_CHECK_EQUAL((*facts)->digest, s3::hex_digest(bytes()));
  BOOST_CHECK_EQUAL((*facts)->owner, "mine");
  BOOST_CHECK(!client().head("luna/other").value());
}

BOOST_AUTO_TEST_CASE(a_key_that_is_taken_is_left_alone_unless_it_may_be_replaced) {
  bucket->objects()["luna/a b.png"].bytes = "theirs";
  BOOST_CHECK(client().put(spec(), bytes()).value() == put_outcome::taken);
  BOOST_CHECK_EQUAL(bucket->objects().at("luna/a b.png").bytes, "theirs");
  BOOST_CHECK(client().put(spec(false), bytes()).value() == put_outcome::written);
  BOOST_CHECK_EQUAL(bucket->objects().at("luna/a b.png").bytes, text);
}

BOOST_AUTO_TEST_CASE(a_busy_store_and_lost_answers_are_tried_again_with_growing_pauses) {
  begin_with({fate::busy, fate::lost, fate::busy});
  BOOST_CHECK(client().put(spec(), bytes()).value() == put_outcome::written);
  BOOST_TEST(pauses == (std::vector<milliseconds>{200ms, 400ms, 800ms}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_store_that_stays_away_is_unavailable_after_all_tries) {
  bucket->decide = [](auto, auto&) { return fate::lost; };
  auto put = client().put(spec(), bytes());
  BOOST_REQUIRE(!put);
  BOOST_CHECK(put.error().code == ec::unavailable);
  BOOST_CHECK_NE(put.error().message.find("http://store:9000"), std::string::npos);
  BOOST_CHECK_EQUAL(bucket->requests(), options.tries);
  bucket->decide = [](auto, auto&) { return fate::busy; };
  put = client().put(spec(), bytes());
  BOOST_REQUIRE(!put);
  BOOST_CHECK(put.error().code == ec::unavailable);
  BOOST_CHECK_NE(put.error().message.find("503 SlowDown"), std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_refusal_is_not_tried_again_and_names_no_secret) {
  bucket->decide = [](auto, auto&) { return fate::refused; };
  auto put = client().put(spec(), bytes());
  BOOST_REQUIRE(!put);
  BOOST_CHECK(put.error().code == ec::not_permitted);
  BOOST_CHECK_EQUAL(bucket->requests(), 1u);
  BOOST_CHECK_NE(put.error().message.find("403 AccessDenied"), std::string::npos);
  BOOST_CHECK_EQUAL(put.error().message.find(secret), std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_token_that_is_over_is_the_stores_trouble_and_a_bad_request_the_objects) {
  auto answering = std::make_shared<canned>();
  auto surroundings = world();
  surroundings.transport = answering;
  s3::s3_client client{options, surroundings};
  auto code_of = [&](int status, const std::string& code) {
    answering->answer = {status, {}, "<Error><Code>" + code + "</Code></Error>"};
    auto put = client.put(spec(), bytes());
    BOOST_REQUIRE(!put);
    return put.error().code;
  };
  for (auto* code : {"ExpiredToken", "InvalidToken", "AuthorizationHeaderMalformed"})
    BOOST_CHECK(code_of(400, code) == ec::not_permitted);
  BOOST_CHECK(code_of(403, "RequestTimeTooSkewed") == ec::not_permitted);
  BOOST_CHECK(code_of(404, "NoSuchBucket") == ec::unavailable);
  BOOST_CHECK(code_of(301, "PermanentRedirect") == ec::unavailable);
  BOOST_CHECK(code_of(507, "XMinioStorageFull") == ec::unavailable);
  BOOST_CHECK(code_of(400, "KeyTooLongError") == ec::bad_request);
  answering->answer = {400, {}, {}};
  BOOST_CHECK(client.head("k").error().code == ec::not_permitted);
}

BOOST_AUTO_TEST_CASE(the_store_says_how_long_to_wait_within_reason) {
  auto answering = std::make_shared<canned>();
  auto surroundings = world();
  surroundings.transport = answering;
  options.tries = 2;
  for (auto [said, want] : {std::pair{"2", 2000ms}, {"9999", 5000ms}, {"soon", 200ms}}) {
    answering->answer = {429, {{"retry-after", said}}, {}};
    pauses.clear();
    BOOST_CHECK(!s3::s3_client(options, surroundings).head("k"));
    BOOST_TEST(pauses == std::vector<milliseconds>{want}, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(each_request_is_signed_over_what_is_sent_and_has_an_end) {
  auto answering = std::make_shared<canned>();
  answering->answer = {200, {}, {}};
  auto surroundings = world();
  surroundings.transport = answering;
  options.endpoint = "https://store:443/";
  options.virtual_host = true;
  BOOST_CHECK(s3::s3_client(options, surroundings).put(spec(), bytes()));
  auto& request = answering->requests.at(0);
  BOOST_CHECK_EQUAL(request.origin, "https://renders.store");
  BOOST_CHECK_EQUAL(request.path, "/luna/a%20b.png");
  std::map<std::string, std::string> headers{request.headers.begin(), request.headers.end()};
  BOOST_CHECK_EQUAL(headers.at("host"), "renders.store");
  BOOST_CHECK_EQUAL(headers.at("if-none-match"), "*");
  BOOST_CHECK_EQUAL(headers.at("x-amz-content-sha256"), s3::hex_digest(bytes()));
  BOOST_CHECK(headers.at("authorization").starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
  BOOST_CHECK_NE(headers.at("authorization").find("if-none-match;"), std::string::npos);
  BOOST_CHECK(!headers.contains("x-amz-security-token"));
  BOOST_CHECK_GT(request.total_timeout.count(), 0);
  BOOST_CHECK_GT(request.connect_timeout.count(), 0);
  options.credentials_file = credentials_file("aws_access_key_id=A\naws_secret_access_key=B\n"
                                              "aws_session_token=T\n");
  BOOST_CHECK(s3::s3_client(options, surroundings).put(spec(), bytes()));
  auto& second = answering->requests.at(1).headers;
  BOOST_CHECK(std::find(second.begin(), second.end(),
                        std::pair<std::string, std::string>{"x-amz-security-token", "T"})
              != second.end());
}

BOOST_AUTO_TEST_CASE(a_list_is_read_over_its_pages_whatever_the_names_are) {
  bucket->page = 2;
  for (auto* key : {"f/a", "f/a&b <c>", "f/a+\xc3\xa9", "f/b", "f/a/deeper", "g/a"})
    bucket->objects()[key];
  auto keys = client().list("f/a");
  BOOST_TEST_REQUIRE(keys.has_value(), luna::testing::why(keys));
  BOOST_TEST(*keys == (std::vector<std::string>{"f/a", "f/a&b <c>", "f/a+\xc3\xa9"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_list_is_asked_for_once_for_a_client_waits) {
  bucket->decide = [](auto, auto&) { return fate::lost; };
  BOOST_CHECK(!client().list("f/"));
  BOOST_CHECK_EQUAL(bucket->requests(), 1u);
}

BOOST_AUTO_TEST_CASE(a_completion_that_fails_after_its_status_is_no_success) {
  auto answering = std::make_shared<canned>();
  auto surroundings = world();
  surroundings.transport = answering;
  answering->answer = {200, {}, "<Error><Code>InternalError</Code></Error>"};
  auto done = s3::s3_client(options, surroundings).complete_upload({"k", "u"}, {"e"}, true);
  BOOST_REQUIRE(!done);
  BOOST_CHECK_EQUAL(answering->requests.size(), options.tries);
}

BOOST_AUTO_TEST_CASE(a_credentials_file_is_its_owners_alone) {
  for (mode_t mode : {0640, 0604, 0666}) {
    auto file = credentials_file("aws_access_key_id=A\naws_secret_access_key=B\n", mode);
    auto read = s3::read_credentials(file);
    BOOST_REQUIRE(!read);
    BOOST_CHECK(read.error().code == ec::not_permitted);
    BOOST_CHECK_NE(read.error().message.find("chmod 600 " + file), std::string::npos);
  }
  BOOST_CHECK(s3::read_credentials(credentials_file("AWS_ACCESS_KEY_ID=A\n"
                                                    "aws_secret_access_key = B\n")));
  BOOST_CHECK(!s3::read_credentials(folder.at("none")));
  BOOST_CHECK(!s3::read_credentials(folder.path.string()));
}

BOOST_AUTO_TEST_CASE(of_several_sections_the_first_counts_and_a_half_is_refused) {
  auto read = s3::read_credentials(credentials_file("# mine\n[one]\n aws_access_key_id = A \n"
                                                    "aws_secret_access_key=B=C\n[two]\n"
                                                    "aws_access_key_id = X\n"));
  BOOST_REQUIRE(read);
  BOOST_CHECK_EQUAL(read->access_key, "A");
  BOOST_CHECK_EQUAL(read->secret_key, "B=C");
  auto half = s3::read_credentials(credentials_file("aws_access_key_id = A\n"));
  BOOST_REQUIRE(!half);
  BOOST_CHECK_NE(half.error().message.find("aws_secret_access_key"), std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_is_no_xml_gives_nothing) {
  BOOST_CHECK(!s3::xml_text("", "A"));
  BOOST_CHECK(!s3::xml_text("<A>", "A"));
  BOOST_CHECK_EQUAL(s3::xml_text("<A>&lt;&amp;&#x41;&#66;&no;&</A>", "A").value(), "<&AB&no;&");
  BOOST_CHECK_EQUAL(s3::xml_elements("<K>1</K><K>2</K><K>", "K").size(), 2u);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
