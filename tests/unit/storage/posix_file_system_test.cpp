#include <boost/test/unit_test.hpp>

#include <fstream>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "storage/posix_file_system.hpp"
#include "temporary_folder.hpp"

using namespace luna::storage;

namespace {

struct fixture {
  testing::temporary_folder folder;
  std::shared_ptr<file_system> files = make_posix_file_system();
  std::shared_ptr<directory> root = *files->open_directory(folder.path);

  static std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span{text});
  }

  void write(const std::string& name, std::string_view text) {
    auto handle = root->open(name, open_mode::create);
    BOOST_REQUIRE(handle);
    BOOST_REQUIRE((*handle)->truncate(0));
    BOOST_REQUIRE((*handle)->write_at(0, bytes_of(text)));
  }

  std::string read(const std::string& name) { return read_file(*root, name, 1 << 20).value(); }
};

template <class T>
io_kind kind_of(const io_result<T>& x) {
  BOOST_REQUIRE(!x);
  return x.error().kind;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(posix_file_system_test, fixture)

BOOST_AUTO_TEST_CASE(what_is_made_has_the_permissions_asked_for_whatever_the_umask) {
  auto before = ::umask(0027);
  auto modes_with = [&](file_modes modes) {
    auto made = make_posix_file_system(modes)->make_directories(folder.path.string() + "/a");
    BOOST_REQUIRE(made);
    BOOST_REQUIRE((*made)->open("f", open_mode::create_new));
    struct stat file{};
    struct stat dir{};
    ::stat((folder.path.string() + "/a/f").c_str(), &file);
    ::stat((folder.path.string() + "/a").c_str(), &dir);
    BOOST_REQUIRE((*made)->remove("f"));
    ::rmdir((folder.path.string() + "/a").c_str());
    return std::pair{file.st_mode & 07777, dir.st_mode & 07777};
  };
  auto by_umask = modes_with({});
  auto exact = modes_with({0664, 02775});
  auto closed = modes_with({0600, 0700});
  ::umask(before);
  BOOST_CHECK(by_umask == std::pair(0640u, 0750u));
  BOOST_CHECK(exact == std::pair(0664u, 02775u));
  BOOST_CHECK(closed == std::pair(0600u, 0700u));
}

BOOST_AUTO_TEST_CASE(what_was_there_keeps_its_permissions) {
  write("f", "x");
  ::chmod((folder.path.string() + "/f").c_str(), 0640);
  auto there = make_posix_file_system({0600, 0700})->open_directory(folder.path);
  BOOST_REQUIRE((*there)->open("f", open_mode::create));
  struct stat x{};
  ::stat((folder.path.string() + "/f").c_str(), &x);
  BOOST_CHECK_EQUAL(x.st_mode & 07777, 0640u);
}

BOOST_AUTO_TEST_CASE(gathered_pieces_are_written_one_after_the_other) {
  auto handle = root->open("a", open_mode::create_new);
  std::vector<std::string> texts;
  std::vector<std::span<const std::byte>> pieces;
  std::string wanted = "0123456789";
  for (int i = 0; i < 200; ++i) // more than one call takes
    texts.push_back(i % 3 == 0 ? std::string{} : std::string(static_cast<size_t>(i), 'a' + i % 26));
  for (auto& text : texts) {
    pieces.push_back(bytes_of(text));
    wanted += text;
  }
  BOOST_REQUIRE((*handle)->write_at(0, bytes_of("0123456789")));
  BOOST_REQUIRE((*handle)->write_at(10, pieces));
  BOOST_REQUIRE((*handle)->sync_data());
  BOOST_CHECK_EQUAL(read("a"), wanted);
}

BOOST_AUTO_TEST_CASE(reading_ends_at_the_end_of_the_file) {
  write("a", "abc");
  std::array<std::byte, 8> into;
  auto handle = root->open("a", open_mode::read);
  BOOST_CHECK_EQUAL((*handle)->read_at(1, into).value(), 2u);
  BOOST_CHECK_EQUAL((*handle)->read_at(9, into).value(), 0u);
}

BOOST_AUTO_TEST_CASE(reserved_space_reads_as_zeros_and_counts_as_size) {
  auto handle = root->open("a", open_mode::create_new);
  BOOST_REQUIRE((*handle)->allocate(100000));
  BOOST_CHECK_EQUAL((*handle)->info()->size, 100000u);
  BOOST_CHECK_EQUAL(read("a"), std::string(100000, '\0'));
}

BOOST_AUTO_TEST_CASE(open_modes_say_what_is_wrong) {
  BOOST_CHECK(kind_of(root->open("a", open_mode::read)) == io_kind::not_found);
  BOOST_CHECK(kind_of(root->open("a", open_mode::read_write)) == io_kind::not_found);
  write("a", "x");
  BOOST_CHECK(kind_of(root->open("a", open_mode::create_new)) == io_kind::exists);
  BOOST_REQUIRE(root->make_directory("d"));
  BOOST_CHECK(!root->open("d", open_mode::read));
  BOOST_CHECK(kind_of(root->make_directory("d")) == io_kind::exists);
  BOOST_CHECK(kind_of(root->open_directory("a")) == io_kind::not_directory);
  BOOST_CHECK(kind_of(root->remove("nope")) == io_kind::not_found);
}

BOOST_AUTO_TEST_CASE(names_are_single_components) {
  for (auto name : {"", ".", "..", "a/b", "/etc"}) {
    BOOST_CHECK(kind_of(root->open(name, open_mode::create)) == io_kind::bad_name);
    BOOST_CHECK(kind_of(root->info(name)) == io_kind::bad_name);
    BOOST_CHECK(kind_of(root->open_directory(name)) == io_kind::bad_name);
  }
  BOOST_CHECK(kind_of(root->open(std::string(300, 'x'), open_mode::create)) == io_kind::bad_name);
}

BOOST_AUTO_TEST_CASE(links_are_seen_and_never_followed) {
  std::filesystem::create_directory(folder.path / "real");
  write("file", "x");
  std::filesystem::create_directory_symlink(folder.path / "real", folder.path / "link");
  std::filesystem::create_symlink(folder.path / "file", folder.path / "filelink");
  BOOST_CHECK(kind_of(root->open_directory("link")) == io_kind::is_link);
  BOOST_CHECK(kind_of(root->open("filelink", open_mode::read)) == io_kind::is_link);
  BOOST_CHECK(root->info("link")->kind == file_kind::link);
  BOOST_CHECK(files->open_directory(folder.at("link"))); // a trusted path
}

BOOST_AUTO_TEST_CASE(rename_new_does_not_replace_and_rename_does) {
  write("a", "new");
  write("b", "old");
  BOOST_CHECK(kind_of(root->rename_new("a", "b")) == io_kind::exists);
  BOOST_CHECK_EQUAL(read("b"), "old");
  BOOST_REQUIRE(root->rename_new("a", "c"));
  BOOST_CHECK_EQUAL(read("c"), "new");
  BOOST_REQUIRE(root->rename("c", "b"));
  BOOST_CHECK_EQUAL(read("b"), "new");
  BOOST_CHECK(kind_of(root->info("c")) == io_kind::not_found);
}

BOOST_AUTO_TEST_CASE(a_renamed_file_keeps_its_inode) {
  write("a", "x");
  auto before = root->info("a")->inode;
  BOOST_REQUIRE(root->rename_new("a", "b"));
  BOOST_CHECK_EQUAL(root->info("b")->inode, before);
}

BOOST_AUTO_TEST_CASE(a_file_without_a_name_is_seen_by_nobody_until_it_gets_one) {
  auto unnamed = root->create_unnamed();
  if (!unnamed) { // an old overlay or network file system
    BOOST_CHECK(kind_of(unnamed) == io_kind::not_supported);
    return;
  }
  BOOST_REQUIRE((*unnamed)->write_at(0, bytes_of("text")));
  BOOST_CHECK(root->list()->empty());
  write("taken", "theirs");
  BOOST_CHECK(kind_of(root->link_new(**unnamed, "taken")) == io_kind::exists);
  BOOST_CHECK_EQUAL(read("taken"), "theirs");
  BOOST_REQUIRE(root->link_new(**unnamed, "a"));
  BOOST_CHECK_EQUAL(read("a"), "text");
  BOOST_CHECK_EQUAL((*unnamed)->info()->inode, root->info("a")->inode);
  BOOST_CHECK_EQUAL((*unnamed)->info()->device,
                    (*root->open("taken", open_mode::read))->info()->device);
}

BOOST_AUTO_TEST_CASE(a_watch_tells_which_names_come_and_go) {
  BOOST_REQUIRE(root->make_directory("d"));
  auto folder = *root->open_directory("d");
  auto watch = folder->watch();
  if (!watch)
    return; // a network file system, where changes by others are not told
  auto told = [&] {
    std::string text;
    auto changes = watch->changes();
    BOOST_REQUIRE(changes);
    for (auto& x : *changes)
      text += (x.added ? "+" : "-") + x.name + " ";
    return text;
  };
  BOOST_CHECK_EQUAL(told(), "");
  write("outside", "x");
  BOOST_REQUIRE(folder->open("a", open_mode::create_new));
  BOOST_REQUIRE(folder->rename("a", "b"));
  BOOST_REQUIRE(folder->remove("b"));
  BOOST_CHECK_EQUAL(told(), "+a -a +b -b ");
  if (auto unnamed = folder->create_unnamed()) {
    BOOST_REQUIRE(folder->link_new(**unnamed, "c"));
    BOOST_CHECK_EQUAL(told(), "+c ");
    BOOST_REQUIRE(folder->remove("c"));
  }
  std::filesystem::rename(folder->path(), folder->path() + " elsewhere");
  BOOST_CHECK(!watch->changes());
  BOOST_CHECK(!watch->changes());
}

BOOST_AUTO_TEST_CASE(more_changes_than_the_system_keeps_are_not_known_any_more) {
  auto watch = root->watch();
  if (!watch)
    return;
  std::ifstream setting{"/proc/sys/fs/inotify/max_queued_events"};
  int most = 0;
  setting >> most;
  if (most == 0 || most > 50000)
    return;
  write("a", "x");
  for (int i = 0; i < most; i += 2) // two changes each
    BOOST_REQUIRE(root->rename(i % 4 == 0 ? "a" : "b", i % 4 == 0 ? "b" : "a"));
  BOOST_CHECK(!watch->changes());
}

BOOST_AUTO_TEST_CASE(a_fifo_is_no_file_and_does_not_hang) {
  BOOST_REQUIRE_EQUAL(::system(("mkfifo " + folder.at("pipe")).c_str()), 0);
  BOOST_CHECK(!root->open("pipe", open_mode::read));
}

BOOST_AUTO_TEST_CASE(folders_are_made_on_the_way_and_listed) {
  auto deep = make_below(root, "x/y/z");
  BOOST_REQUIRE(deep);
  BOOST_CHECK_EQUAL((*deep)->path(), folder.at("x/y/z"));
  BOOST_CHECK(make_below(root, "x/y/z"));
  BOOST_CHECK(open_below(root, "x/y"));
  BOOST_CHECK(kind_of(open_below(root, "x/q")) == io_kind::not_found);
  BOOST_CHECK(kind_of(make_below(root, "x/../q")) == io_kind::bad_name);
  BOOST_CHECK((root->list().value() == std::vector<std::string>{"x"}));
  BOOST_REQUIRE(root->sync());
  BOOST_CHECK(files->make_directories(folder.at("m/n")));
  BOOST_CHECK(files->open_directory(folder.at("m/n")));
}

BOOST_AUTO_TEST_CASE(a_lock_excludes_other_handles_until_it_is_closed) {
  auto first = root->open("lock", open_mode::create);
  auto second = root->open("lock", open_mode::create);
  BOOST_REQUIRE((*first)->lock());
  BOOST_CHECK(kind_of((*second)->lock()) == io_kind::locked);
  first->reset();
  BOOST_CHECK((*second)->lock());
}

BOOST_AUTO_TEST_CASE(a_file_larger_than_the_limit_is_not_read) {
  write("a", "0123456789");
  BOOST_CHECK(read_file(*root, "a", 10));
  BOOST_CHECK(!read_file(*root, "a", 9));
}

BOOST_AUTO_TEST_CASE(free_space_is_known) {
  BOOST_CHECK_GT(root->free_bytes().value(), 0u);
}

BOOST_AUTO_TEST_SUITE_END()
