#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <string>

#include "nodes/starter_token.hpp"
#include "tests/unit/nodes/temporary_folder.hpp"

namespace luna {

namespace {

namespace fs = std::filesystem;

struct fixture {
  testing::temporary_folder disk;

  /// The token, or why it is refused.
  std::string read(const std::string& text, fs::perms mode) {
    auto file = disk.write("token", text);
    fs::permissions(file, mode);
    auto token = read_starter_token(file);
    return token ? *token : token.error().message;
  }
};

constexpr auto mine = fs::perms::owner_read | fs::perms::owner_write;

} // namespace

BOOST_FIXTURE_TEST_SUITE(starter_token_test, fixture)

BOOST_AUTO_TEST_CASE(is_the_text_of_a_file_of_its_own) {
  BOOST_TEST(read(std::string(64, 'a') + "\n", mine) == std::string(64, 'a'));
}

BOOST_AUTO_TEST_CASE(is_refused_where_others_can_read_it) {
  for (auto more : {fs::perms::group_read, fs::perms::others_read})
    BOOST_TEST(read(std::string(64, 'a'), mine | more).find("chmod 600") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(is_refused_when_it_is_short_or_absent) {
  BOOST_TEST(read("abc", mine).find("at least 16") != std::string::npos);
  BOOST_TEST(!read_starter_token(disk.path() / "absent"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna
