#include <boost/test/unit_test.hpp>

#include "imaging/safe_names.hpp"

using namespace luna;
using namespace luna::imaging;

BOOST_AUTO_TEST_SUITE(safe_names_test)

BOOST_AUTO_TEST_CASE(characters_that_some_file_system_refuses_become_underscores) {
  BOOST_TEST(safe_name("a<b>c:d\"e|f?g*h") == "a_b_c_d_e_f_g_h");
  BOOST_TEST(safe_name("a\nb\x7f") == "a_b_");
  BOOST_TEST(safe_name(std::string_view{"a\0b", 3}) == "a_b");
  BOOST_TEST(safe_name("d\u00e9codage \u732b") == "d\u00e9codage \u732b");
  BOOST_TEST(safe_name("  name. .") == "name");
  BOOST_TEST(safe_name(".hidden") == ".hidden");
}

BOOST_AUTO_TEST_CASE(device_names_of_windows_get_an_underscore) {
  for (const auto* name : {"CON", "nul", "com1", "LPT9", "con.txt", "Aux .png"})
    BOOST_TEST(safe_name(name) == std::string{"_"} + name);
  for (const auto* name : {"console", "com0", "com10", "lpt"})
    BOOST_TEST(safe_name(name) == name);
}

BOOST_AUTO_TEST_CASE(relative_paths_keep_their_folders) {
  BOOST_TEST(*safe_relative_path("a/b:c/d", "save_path") == "a/b_c/d");
  BOOST_TEST(*safe_relative_path("a//./b\\c/", "save_path") == "a/b/c");
  BOOST_TEST(*safe_relative_path("", "save_path") == "");
  BOOST_TEST(*safe_relative_path("a/...", "save_path") == "a");
}

BOOST_AUTO_TEST_CASE(paths_that_lead_out_are_not_permitted) {
  for (const auto* path :
       {"..", "a/../b", "a\\..\\b", "/etc", "\\x", "a/..", "C:\\out", "d:/out"}) {
    const auto got = safe_relative_path(path, "save_path");
    BOOST_TEST_REQUIRE(!got.has_value(), path);
    BOOST_TEST((got.error().code == ec::not_permitted));
    BOOST_TEST(got.error().message.find("save_path") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_component_of_more_than_255_bytes_is_refused_by_name) {
  BOOST_TEST(safe_relative_path(std::string(255, 'n'), "filename").has_value());
  const auto got = safe_relative_path("a/" + std::string(256, 'n'), "filename");
  BOOST_TEST_REQUIRE(!got.has_value());
  BOOST_TEST((got.error().code == ec::bad_request));
  BOOST_TEST(got.error().message.find("nnnn") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(only_the_allowed_folders_and_what_is_under_them_pass) {
  const std::vector<std::string> allowed = {"/srv/out/", "/data/./pictures"};
  BOOST_TEST(*confine("/srv/out", allowed, "output_dir") == "/srv/out");
  BOOST_TEST(*confine("/srv//out/a/./b/", allowed, "output_dir") == "/srv/out/a/b");
  BOOST_TEST(*confine("/data/pictures/x/..", allowed, "output_dir") == "/data/pictures");
  for (const auto* path : {"/srv", "/srv/output", "/srv/out/../x", "/srv/out/a/../../..", "/", "",
                           "srv/out", "/etc/passwd"}) {
    const auto got = confine(path, allowed, "output_dir");
    BOOST_TEST_REQUIRE(!got.has_value(), path);
    BOOST_TEST((got.error().code == ec::not_permitted));
    BOOST_TEST(got.error().message.find("/srv/out") != std::string::npos);
  }
  BOOST_TEST(*confine("/anything", {"/"}, "output_dir") == "/anything");
  BOOST_TEST(!confine("/anything", {}, "output_dir").has_value());
  const std::string with_nul{"/srv/out/a\0b", 12};
  BOOST_TEST(!confine(with_nul, allowed, "output_dir").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
