#include <boost/test/unit_test.hpp>

#include <sys/stat.h>

#include "nodes/private_file.hpp"
#include "temporary_folder.hpp"

using namespace luna;

BOOST_AUTO_TEST_SUITE(private_file_test)

BOOST_AUTO_TEST_CASE(others_may_do_nothing_and_the_group_may_read) {
  const testing::temporary_folder folder;
  const auto file = folder.write("secret", "x");
  for (mode_t mode : {0600, 0400, 0640, 0440}) {
    ::chmod(file.c_str(), mode);
    BOOST_TEST(check_private_file(file, "the file").has_value(), std::oct << mode);
  }
  for (mode_t mode : {0644, 0604, 0601, 0620, 0660, 0777}) {
    ::chmod(file.c_str(), mode);
    const auto got = check_private_file(file, "the file");
    BOOST_TEST_REQUIRE(!got.has_value(), std::oct << mode);
    BOOST_TEST(got.error().message.find("chmod 600 " + file) != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(what_is_not_there_or_no_file_is_named) {
  const testing::temporary_folder folder;
  for (const auto& path : {(folder.path() / "none").string(), folder.path().string()}) {
    const auto got = check_private_file(path, "the secret file");
    BOOST_TEST_REQUIRE(!got.has_value());
    BOOST_TEST(got.error().message.starts_with("the secret file " + path), got.error().message);
  }
}

BOOST_AUTO_TEST_SUITE_END()
