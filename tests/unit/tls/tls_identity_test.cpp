#include <fstream>

#include "authority.hpp"
#include "tests/unit/why.hpp"
#include "tls/tls_identity.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

struct fixture {
  scratch_folder folder;
  authority studio{folder, "studio"};
  std::vector<std::string> reports;

  std::shared_ptr<tls::identity_source> open(const tls::tls_options& options) {
    auto source =
      tls::identity_source::open(options, [this](const std::string& x) { reports.push_back(x); });
    BOOST_REQUIRE_EQUAL(why(source), "");
    return *source;
  }

  static std::string problem(const tls::tls_options& options) {
    return why(tls::tls_identity::read(options));
  }

  static std::string warning(const tls::tls_options& options, tls::time_point now) {
    auto identity = tls::tls_identity::read(options);
    BOOST_REQUIRE_EQUAL(why(identity), "");
    return (*identity)->warning(now);
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void copy(const std::string& from, const std::string& to) {
  std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(tls_identity_test, fixture)

BOOST_AUTO_TEST_CASE(what_is_wrong_with_a_file_is_said_with_its_key_and_name) {
  auto good = studio.issue("alpha");
  BOOST_CHECK_EQUAL(problem(good), "");
  auto text = (folder.path / "text").string();
  std::ofstream{text} << "no certificate";
  auto wrong = good;
  wrong.ca = text;
  BOOST_CHECK(has(problem(wrong), "cluster.tls.ca: the file " + text));
  wrong = good;
  wrong.certificate = text;
  BOOST_CHECK(has(problem(wrong), "cluster.tls.certificate: the file " + text));
  wrong = good;
  wrong.key = studio.issue("beta").key;
  BOOST_CHECK(has(problem(wrong), "cluster.tls.key: the file " + wrong.key));
  wrong.key = "/nowhere";
  BOOST_CHECK(has(problem(wrong), "cluster.tls.key: the file /nowhere cannot be read"));
}

BOOST_AUTO_TEST_CASE(a_certificate_without_the_nodes_name_is_none) {
  auto options = studio.issue("alpha", {"alpha", "DNS:beta,IP:10.0.0.1"});
  BOOST_CHECK(has(problem(options), "its subjectAltName has beta, 10.0.0.1, and the other nodes "
                                    "expect DNS:alpha"));
}

BOOST_AUTO_TEST_CASE(a_certificate_that_expires_within_a_month_is_said_in_time) {
  auto options = studio.issue("alpha");
  auto end = (*tls::tls_identity::read(options))->own().not_after;
  BOOST_CHECK_EQUAL(warning(options, end - 24h * 31), "");
  BOOST_CHECK(has(warning(options, end - 24h * 29 - 1h), "expires in 29 days"));
  BOOST_CHECK(has(warning(options, end - 25h), "expires in 1 day;"));
  BOOST_CHECK(has(warning(options, end + 1s), "has expired; no other node will accept it"));
  BOOST_CHECK(has(warning(options, end - 24h * 366), "is not valid yet"));
  BOOST_CHECK(has(warning(options, end + 1s), options.certificate));
}

BOOST_AUTO_TEST_CASE(a_renewed_certificate_is_used_without_a_restart) {
  auto options = studio.issue("alpha");
  auto source = open(options);
  auto before = source->current();
  BOOST_CHECK(source->current() == before);
  auto renewed = studio.issue("alpha", {"renewed", "DNS:alpha"});
  copy(renewed.certificate, options.certificate); // the key is still the old one
  BOOST_CHECK(source->current() == before);
  BOOST_REQUIRE_EQUAL(reports.size(), 1u);
  BOOST_CHECK(has(reports[0], "the old ones stay in force: cluster.tls.key"));
  BOOST_CHECK(source->current() == before);
  BOOST_CHECK_EQUAL(reports.size(), 1u);
  copy(renewed.key, options.key);
  BOOST_CHECK_EQUAL(source->current()->own().subject, "CN=renewed");
  BOOST_CHECK_EQUAL(reports.size(), 1u);
}

BOOST_AUTO_TEST_SUITE_END()
