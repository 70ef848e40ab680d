#include "authority.hpp"
#include "tests/unit/why.hpp"
#include "tls/certificate.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

struct fixture {
  scratch_folder folder;
  authority studio{folder, "studio"};

  tls::certificate_facts facts(const wanted_certificate& wanted) {
    return tls::facts_of(*read(wanted));
  }

  certificate_pointer read(const wanted_certificate& wanted) {
    auto options = studio.issue("x", wanted);
    std::unique_ptr<std::FILE, decltype(&std::fclose)> in{
      std::fopen(options.certificate.c_str(), "r"), &std::fclose};
    return {PEM_read_X509(in.get(), nullptr, nullptr, nullptr), &X509_free};
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(certificate_test, fixture)

BOOST_AUTO_TEST_CASE(it_says_who_issued_what_to_whom_and_for_how_long) {
  auto x = facts({"beta", "DNS:beta,IP:10.0.0.2,IP:fd00::2,email:a@b.c"});
  BOOST_CHECK_EQUAL(x.subject, "CN=beta");
  BOOST_CHECK_EQUAL(x.issuer, "CN=studio CA");
  BOOST_CHECK_EQUAL(tls::names_of(x), "beta, 10.0.0.2, fd00::2");
  BOOST_CHECK(x.not_after - x.not_before == 24h * 365 + 1h);
  BOOST_CHECK_NE(tls::describe(x).find("CN=beta, issued by CN=studio CA, valid from 2"),
                 std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_a_stranger_wrote_cannot_break_a_line) {
  auto x = facts({"beta\nready node=alpha", "DNS:a"});
  BOOST_CHECK_EQUAL(x.subject.find('\n'), std::string::npos);
  BOOST_CHECK_LE(facts({"b", "DNS:" + std::string(3000, 'a')}).names.front().size(), 200u);
}

BOOST_AUTO_TEST_CASE(only_the_alternative_names_count_and_only_exactly) {
  BOOST_CHECK(tls::carries_name(*read({"x", "DNS:gamma,DNS:beta"}), "beta"));
  BOOST_CHECK(tls::carries_name(*read({"x", "DNS:node_1.lan"}), "node_1.lan"));
  BOOST_CHECK(!tls::carries_name(*read({"beta", "DNS:gamma"}), "beta"));
  BOOST_CHECK(!tls::carries_name(*read({"beta", ""}), "beta"));
  BOOST_CHECK(!tls::carries_name(*read({"x", "DNS:*.lan"}), "beta.lan"));
  BOOST_CHECK(!tls::carries_name(*read({"x", "DNS:betas"}), "beta"));
}

BOOST_AUTO_TEST_CASE(a_date_problem_depends_on_the_clock) {
  auto x = facts({"beta", "DNS:beta"});
  BOOST_CHECK_EQUAL(tls::date_problem(x, x.not_before), "");
  BOOST_CHECK_EQUAL(tls::date_problem(x, x.not_before - 1s), "it is not valid yet");
  BOOST_CHECK_EQUAL(tls::date_problem(x, x.not_after), "");
  BOOST_CHECK_EQUAL(tls::date_problem(x, x.not_after + 1s), "it has expired");
}

BOOST_AUTO_TEST_SUITE_END()
