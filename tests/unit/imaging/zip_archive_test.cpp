#include <boost/test/unit_test.hpp>

#include <archive.h>
#include <archive_entry.h>
#include <string>
#include <vector>

#include "imaging/zip_archive.hpp"
#include "tests/unit/why.hpp"

using namespace luna;
using namespace luna::imaging;

namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span{text});
}

std::vector<std::pair<std::string, std::string>> read_back(const std::vector<std::byte>& file) {
  std::vector<std::pair<std::string, std::string>> out;
  auto* reader = archive_read_new();
  archive_read_support_format_zip(reader);
  BOOST_TEST_REQUIRE(archive_read_open_memory(reader, file.data(), file.size()) == ARCHIVE_OK);
  archive_entry* entry = nullptr;
  const auto next = [&] {
    const int status = archive_read_next_header(reader, &entry);
    return status == ARCHIVE_OK || status == ARCHIVE_WARN; // not ARCHIVE_EOF, which is above both
  };
  while (next()) {
    std::string content(static_cast<size_t>(archive_entry_size(entry)), '\0');
    BOOST_TEST(archive_read_data(reader, content.data(), content.size())
               == static_cast<la_ssize_t>(content.size()));
    const char* name = archive_entry_pathname(entry); // none where the locale has no such letters
    out.emplace_back(name != nullptr ? name : "", content);
  }
  archive_read_free(reader);
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(zip_archive_test)

BOOST_AUTO_TEST_CASE(files_come_back_with_their_names_and_bytes) {
  std::vector<std::byte> file;
  auto zip = zip_archive::open(
    [&](std::span<const std::byte> bytes) -> result<void> {
      file.insert(file.end(), bytes.begin(), bytes.end());
      return {};
    },
    1700000000);
  BOOST_TEST_REQUIRE(zip.has_value(), luna::testing::why(zip));
  const std::string large(3000000, 'x');
  BOOST_TEST_REQUIRE(zip->add("a.png", bytes_of("one")).has_value());
  BOOST_TEST_REQUIRE(zip->add("d/b\u00e9.png", bytes_of(large)).has_value());
  BOOST_TEST_REQUIRE(zip->add("empty", {}).has_value());
  BOOST_TEST(file.size() > 2000000u); // the first part has gone on already
  BOOST_TEST_REQUIRE(zip->finish().has_value());
  const auto got = read_back(file);
  BOOST_TEST_REQUIRE(got.size() == 3u);
  BOOST_TEST(got[0].first == "a.png");
  BOOST_TEST(got[0].second == "one");
  const std::string_view all{reinterpret_cast<const char*>(file.data()), file.size()};
  const auto name = all.find("d/b\u00e9.png");
  BOOST_TEST_REQUIRE(name != std::string_view::npos);
  constexpr size_t flags_to_name = 24; // of a local header
  BOOST_TEST((static_cast<uint8_t>(all[name - flags_to_name + 1]) & 0x08) != 0); // UTF-8
  BOOST_TEST((got[1].second == large));
  BOOST_TEST(got[2].second == "");
}

BOOST_AUTO_TEST_CASE(the_sinks_failure_is_the_answer) {
  auto zip = zip_archive::open(
    [](std::span<const std::byte>) -> result<void> { return fail(ec::unavailable, "disk full"); },
    0);
  BOOST_TEST_REQUIRE(zip.has_value());
  result<void> ok;
  for (int i = 0; ok && i < 5; ++i)
    ok = zip->add("f" + std::to_string(i), bytes_of(std::string(1 << 20, 'x')));
  BOOST_TEST_REQUIRE(!ok.has_value());
  BOOST_TEST(ok.error().message == "disk full");
}

BOOST_AUTO_TEST_CASE(an_archive_that_is_given_up_writes_no_end) {
  size_t written = 0;
  {
    auto zip = zip_archive::open(
      [&](std::span<const std::byte> bytes) -> result<void> {
        written += bytes.size();
        return {};
      },
      0);
    BOOST_TEST_REQUIRE(zip->add("a", bytes_of("one")).has_value());
  }
  BOOST_TEST(written == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
