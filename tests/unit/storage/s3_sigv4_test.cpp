#include <boost/test/unit_test.hpp>

#include <string>

#include "storage/s3/sigv4.hpp"

// The signatures are AWS's own: the published test suite of Signature Version 4, and the examples
// of S3's documentation.

namespace luna::storage::s3 {

namespace {

const credentials suite_keys{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};
const credentials s3_keys{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
const std::string empty_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string signature_of(const std::string& authorization) {
  return authorization.substr(authorization.rfind('=') + 1);
}

std::string suite(const std::string& method, const std::string& path, name_values query,
                  name_values more = {}, const std::string& body = {}) {
  name_values headers{{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}};
  headers.insert(headers.end(), more.begin(), more.end());
  return signature_of(authorization({method, path, std::move(query), std::move(headers),
                                     hex_digest(std::as_bytes(std::span{body}))},
                                    suite_keys, {"us-east-1", "service"}, "20150830T123600Z"));
}

std::string s3_example(const std::string& method, const std::string& path, name_values query,
                       name_values more, const std::string& body_hash) {
  name_values headers{{"host", "examplebucket.s3.amazonaws.com"},
                      {"x-amz-content-sha256", body_hash},
                      {"x-amz-date", "20130524T000000Z"}};
  headers.insert(headers.end(), more.begin(), more.end());
  return signature_of(authorization({method, path, std::move(query), std::move(headers), body_hash},
                                    s3_keys, {"us-east-1", "s3"}, "20130524T000000Z"));
}

} // namespace

BOOST_AUTO_TEST_SUITE(s3_sigv4_test)

BOOST_AUTO_TEST_CASE(the_published_suite_is_signed_as_published) {
  BOOST_CHECK_EQUAL(suite("GET", "/", {}),
                    "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  BOOST_CHECK_EQUAL(suite("POST", "/", {}),
                    "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
  BOOST_CHECK_EQUAL(suite("GET", "/", {{"Param2", "value2"}, {"Param1", "value1"}}),
                    "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
  BOOST_CHECK_EQUAL(suite("GET", percent_encoded("/\xe1\x88\xb4", true), {}),
                    "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
  BOOST_CHECK_EQUAL(
    suite("GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", {}),
    "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f");
  BOOST_CHECK_EQUAL(suite("POST", "/", {}, {{"content-type", "application/x-www-form-urlencoded"}},
                          "Param1=value1"),
                    "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

BOOST_AUTO_TEST_CASE(the_examples_of_s3_are_signed_as_published) {
  BOOST_CHECK_EQUAL(s3_example("GET", "/test.txt", {}, {{"range", "bytes=0-9"}}, empty_hash),
                    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  BOOST_CHECK_EQUAL(s3_example("PUT", percent_encoded("/test$file.text", true), {},
                               {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                                {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                               "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
                    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  BOOST_CHECK_EQUAL(s3_example("GET", "/", {{"lifecycle", ""}}, {}, empty_hash),
                    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  BOOST_CHECK_EQUAL(s3_example("GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}, {}, empty_hash),
                    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

BOOST_AUTO_TEST_CASE(the_canonical_form_is_the_published_one) {
  signable x{"GET",
             "/",
             {{"Param2", "value2"}, {"Param1", "value1"}},
             {{"x-amz-date", "20150830T123600Z"}, {"host", "example.amazonaws.com"}},
             empty_hash};
  BOOST_CHECK_EQUAL(canonical_request(x), "GET\n/\nParam1=value1&Param2=value2\n"
                                          "host:example.amazonaws.com\n"
                                          "x-amz-date:20150830T123600Z\n\n"
                                          "host;x-amz-date\n"
                                            + empty_hash);
}

BOOST_AUTO_TEST_CASE(spaces_in_values_count_once_and_repeated_headers_are_joined) {
  signable x{"GET", "/", {}, {{"a", "  b   c "}, {"z", "1"}, {"z", "2"}}, empty_hash};
  BOOST_CHECK_EQUAL(canonical_request(x), "GET\n/\n\na:b c\nz:1,2\n\na;z\n" + empty_hash);
}

BOOST_AUTO_TEST_CASE(what_is_not_plain_is_percent_encoded) {
  BOOST_CHECK_EQUAL(percent_encoded("a b/c+\xc3\xa9%~", true), "a%20b/c%2B%C3%A9%25~");
  BOOST_CHECK_EQUAL(percent_encoded("a/b", false), "a%2Fb");
  BOOST_CHECK_EQUAL(canonical_query({{"b", "1"}, {"a", "x y"}, {"a", "="}}), "a=%3D&a=x%20y&b=1");
}

BOOST_AUTO_TEST_CASE(a_date_is_written_in_utc) {
  BOOST_CHECK_EQUAL(amz_date(std::chrono::sys_seconds{std::chrono::seconds{1440938160}}),
                    "20150830T123600Z");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::s3
