#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <string>

#include "actors/save/output_folders.hpp"
#include "storage/posix_file_system.hpp"
#include "temporary_folder.hpp"
#include "tests/unit/why.hpp"

using namespace luna;
using namespace luna::testing;

namespace {

namespace fs = std::filesystem;

const std::string nonce = "00112233445566778899aabbccddeeff";
const std::string content(64, 'a');

struct fixture {
  temporary_folder disk;
  std::string out = make("out");
  output_folders uut{storage::make_posix_file_system(), {out}};

  std::string make(const std::string& name) {
    fs::create_directories(disk.path() / name);
    return fs::canonical(disk.path() / name).string();
  }

  void write_proof(const std::string& folder, const std::string& text = content) {
    disk.write(folder + "/.luna-probe-" + nonce, text);
  }

  /// What is read, "nothing", or the code of the refusal.
  std::string read(const std::string& folder, const std::string& name = nonce) {
    auto found = uut.read_probe(folder, name);
    if (!found)
      return std::string{to_string(found.error().code)};
    return found->value_or("nothing");
  }

  /// "added", "known", or the refusal.
  std::string allow(const std::string& folder) {
    auto added = uut.allow(folder);
    return !added ? added.error().message : *added ? "added" : "known";
  }
};

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(output_folders_test, fixture)

BOOST_AUTO_TEST_CASE(tells_what_a_client_wrote_into_an_allowed_folder) {
  write_proof("out");
  write_proof("out/today/cats");
  BOOST_CHECK_EQUAL(read(out), content);
  BOOST_CHECK_EQUAL(read(out + "/"), content);
  BOOST_CHECK_EQUAL(read(out + "/today/cats"), content);
}

BOOST_AUTO_TEST_CASE(a_folder_without_the_file_is_another_one) {
  BOOST_CHECK_EQUAL(read(out), "nothing");
  BOOST_CHECK_EQUAL(read(out + "/absent"), "nothing");
  fs::remove(out);
  BOOST_CHECK_EQUAL(read(out), "nothing");
}

BOOST_AUTO_TEST_CASE(reads_nothing_but_proof_files) {
  for (auto& text : {std::string{}, std::string(63, 'a'), std::string(65, 'a'),
                     std::string(64, 'g'), std::string(1 << 20, 'a')}) {
    write_proof("out", text);
    BOOST_CHECK_EQUAL(read(out), "nothing");
  }
  for (auto* name : {"", "../../../etc/passwd", "00112233445566778899AABBCCDDEEFF",
                     "00112233445566778899aabbccddeef", "00112233445566778899aabbccddee/f"})
    BOOST_CHECK_EQUAL(read(out, name), "bad_request");
}

BOOST_AUTO_TEST_CASE(follows_no_link_to_a_proof_file) {
  disk.write("elsewhere/secret", content);
  fs::create_symlink(disk.path() / "elsewhere/secret", out + "/.luna-probe-" + nonce);
  BOOST_CHECK_EQUAL(read(out), "not_permitted");
  write_proof("elsewhere");
  fs::create_symlink(disk.path() / "elsewhere", out + "/link");
  BOOST_CHECK_EQUAL(read(out + "/link"), "not_permitted");
}

BOOST_AUTO_TEST_CASE(a_proof_file_that_is_no_file_is_none) {
  fs::create_directory(out + "/.luna-probe-" + nonce);
  BOOST_CHECK_EQUAL(read(out), "nothing");
}

BOOST_AUTO_TEST_CASE(reads_in_no_folder_that_is_not_allowed) {
  write_proof("other");
  BOOST_CHECK_EQUAL(read(make("other")), "not_permitted");
  BOOST_CHECK_EQUAL(read(out + "/../other"), "not_permitted");
  BOOST_CHECK_EQUAL(read("out"), "not_permitted");
  BOOST_CHECK_EQUAL(read(""), "not_permitted");
}

BOOST_AUTO_TEST_CASE(a_folder_that_was_added_is_as_good_as_the_first) {
  auto second = make("second");
  write_proof("second");
  BOOST_CHECK_EQUAL(allow(second), "added");
  BOOST_CHECK_EQUAL(read(second), content);
  BOOST_CHECK_EQUAL(uut.list().size(), 2u);
}

BOOST_AUTO_TEST_CASE(a_folder_that_is_allowed_is_not_added_again) {
  BOOST_CHECK_EQUAL(allow(out), "known");
  BOOST_CHECK_EQUAL(allow(make("out/below")), "known");
  BOOST_CHECK_EQUAL(uut.list().size(), 1u);
}

BOOST_AUTO_TEST_CASE(refuses_to_add_what_is_no_folder_of_its_own_name) {
  BOOST_CHECK(says(allow("second"), "absolute"));
  BOOST_CHECK(says(allow((disk.path() / "absent").string()), "make it first"));
  BOOST_CHECK(says(allow(disk.write("file", "x").string()), "it is a file"));
  BOOST_CHECK(says(allow("/"), "every file"));
  auto target = make("target");
  fs::create_directory_symlink(target, disk.path() / "link");
  BOOST_CHECK(says(allow((disk.path() / "link").string()), "ask for " + target));
  make("target/below");
  BOOST_CHECK(says(allow((disk.path() / "link/below").string()), "ask for " + target + "/below"));
  BOOST_CHECK_EQUAL(uut.list().size(), 1u);
}

BOOST_AUTO_TEST_CASE(adds_no_more_folders_than_its_limit) {
  for (size_t i = 0; i < output_folders::max_added; ++i)
    BOOST_REQUIRE_EQUAL(allow(make("n" + std::to_string(i))), "added");
  BOOST_CHECK(says(allow(make("one-more")), "limit"));
}

BOOST_AUTO_TEST_SUITE_END()
