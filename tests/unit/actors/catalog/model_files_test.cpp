#include <boost/test/unit_test.hpp>

#include <chrono>
#include <filesystem>
#include <functional>

#include "actors/catalog/model_files.hpp"
#include "temporary_folder.hpp"

using namespace luna;
using namespace luna::testing;

namespace {

namespace fs = std::filesystem;
using strings = std::vector<std::string>;

struct fixture {
  temporary_folder root;
  model_search_path folders;

  std::string directory(const std::string& name) const {
    fs::create_directories(root.path() / name);
    return (root.path() / name).string();
  }

  fixture() {
    for (auto kind : {"checkpoints", "vae", "vae_approx", "clip", "text_encoders", "clip_vision"})
      folders[kind] = {directory(kind)};
  }

  strings listed(const std::string& folder) const {
    strings names;
    for (auto& row : list_model_files(folders))
      if (row.folder == folder)
        names.push_back(row.name);
    return names;
  }

  /// The file that a name means, relative to the root; or the error code.
  std::string found(model_kind kind, std::string_view name) const {
    auto x = find_model_files(folders, kind, name);
    if (!x)
      return std::string{to_string(x.error().code)};
    std::string text;
    for (auto& file : x->files)
      text += (text.empty() ? "" : " ") + file.path.lexically_relative(root.path()).string();
    return text;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(model_files_test, fixture)

BOOST_AUTO_TEST_CASE(files_are_listed_recursively_with_slashes) {
  root.write("vae/b.safetensors", "12345");
  root.write("vae/sub/deep/a.ckpt", "");
  root.write("vae/notes.txt", "");
  root.write("vae/upper.SAFETENSORS", "");
  root.write("vae/.git/x.safetensors", "");
  BOOST_TEST(listed("vae") == (strings{"b.safetensors", "sub/deep/a.ckpt", "upper.SAFETENSORS"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_row_tells_size_time_and_who_looks_there) {
  auto path = root.write("checkpoints/sd15.safetensors", "12345");
  auto rows = list_model_files(folders);
  BOOST_REQUIRE_EQUAL(rows.size(), 1u);
  BOOST_TEST(rows[0].bytes == 5u);
  BOOST_TEST(rows[0].modified_ns == models::stat_model_file(path).value().modified_ns);
  BOOST_TEST((rows[0].kinds == std::vector{model_kind::text, model_kind::vae}));
}

BOOST_AUTO_TEST_CASE(the_first_directory_that_has_a_name_wins) {
  folders["vae"].push_back(directory("other"));
  root.write("other/a.safetensors", "1");
  root.write("other/b.safetensors", "1");
  root.write("vae/a.safetensors", "22");
  BOOST_TEST(listed("vae") == (strings{"a.safetensors", "b.safetensors"}),
             boost::test_tools::per_element());
  BOOST_TEST(list_model_files(folders)[0].bytes == 2u);
  BOOST_TEST(found(model_kind::vae, "a.safetensors") == "vae/a.safetensors");
  BOOST_TEST(found(model_kind::vae, "b.safetensors") == "other/b.safetensors");
}

BOOST_AUTO_TEST_CASE(links_are_followed_but_not_in_circles) {
  root.write("elsewhere/x.safetensors", "1");
  fs::create_directory_symlink(root.path() / "elsewhere", root.path() / "vae/link");
  fs::create_directory_symlink(root.path() / "vae", root.path() / "elsewhere/back");
  BOOST_TEST(listed("vae") == strings{"link/x.safetensors"}, boost::test_tools::per_element());
  BOOST_TEST(found(model_kind::vae, "link/x.safetensors") == "vae/link/x.safetensors");
}

BOOST_AUTO_TEST_CASE(a_folder_that_is_not_there_is_empty) {
  folders["vae"] = {"/nonexistent/vae"};
  BOOST_TEST(listed("vae").empty());
}

BOOST_AUTO_TEST_CASE(what_comes_or_goes_in_a_folder_that_was_seen_shows_at_once) {
  auto settle = [&] {
    for (auto& x : fs::recursive_directory_iterator{root.path()})
      if (x.is_directory())
        fs::last_write_time(x, fs::last_write_time(x) - std::chrono::hours{1});
  };
  folders["vae"].push_back((root.path() / "later").string());
  root.write("vae/sub/a.safetensors", "");
  auto changed = [&](const std::function<void()>& act) {
    settle();
    std::vector<seen_folder> seen;
    list_model_files(folders, &seen);
    BOOST_TEST(!may_have_changed(seen));
    act();
    return may_have_changed(seen);
  };
  BOOST_TEST(changed([&] { root.write("vae/sub/b.safetensors", ""); }));
  BOOST_TEST(changed([&] { fs::remove(root.path() / "vae/sub/b.safetensors"); }));
  BOOST_TEST(changed([&] { directory("vae/sub/deeper"); }));
  BOOST_TEST(changed([&] { directory("later"); }));
  BOOST_TEST(changed([&] { fs::remove_all(root.path() / "vae/sub"); }));
  BOOST_TEST(!changed([] {}));
}

BOOST_AUTO_TEST_CASE(a_folder_that_has_just_changed_may_change_again_unseen) {
  root.write("vae/a.safetensors", "");
  std::vector<seen_folder> seen;
  list_model_files(folders, &seen);
  BOOST_TEST(may_have_changed(seen));
}

BOOST_AUTO_TEST_CASE(folders_of_a_kind_are_tried_in_order) {
  root.write("checkpoints/x.safetensors", "");
  BOOST_TEST(found(model_kind::text, "x.safetensors") == "checkpoints/x.safetensors");
  BOOST_TEST(found(model_kind::vae, "x.safetensors") == "checkpoints/x.safetensors");
  root.write("vae_approx/x.safetensors", "");
  BOOST_TEST(found(model_kind::vae, "x.safetensors") == "vae_approx/x.safetensors");
  root.write("vae/x.safetensors", "");
  BOOST_TEST(found(model_kind::vae, "x.safetensors") == "vae/x.safetensors");
  root.write("clip/x.safetensors", "");
  BOOST_TEST(found(model_kind::text, "x.safetensors") == "clip/x.safetensors");
  root.write("text_encoders/x.safetensors", "");
  BOOST_TEST(found(model_kind::text, "x.safetensors") == "text_encoders/x.safetensors");
}

BOOST_AUTO_TEST_CASE(a_name_with_its_folder_is_exact) {
  root.write("vae/x.safetensors", "");
  root.write("checkpoints/sub/x.safetensors", "");
  BOOST_TEST(found(model_kind::vae, "checkpoints:sub/x.safetensors")
             == "checkpoints/sub/x.safetensors");
  BOOST_TEST(found(model_kind::vae, "checkpoints:x.safetensors") == "unknown_model");
  BOOST_TEST(found(model_kind::text, "vae:x.safetensors") == "unknown_model"); // not text's folder
}

BOOST_AUTO_TEST_CASE(backslashes_count_as_slashes) {
  root.write("vae/sub/x.safetensors", "");
  BOOST_TEST(found(model_kind::vae, "sub\\x.safetensors") == "vae/sub/x.safetensors");
}

BOOST_AUTO_TEST_CASE(names_that_leave_the_folders_are_not_permitted) {
  root.write("secret.safetensors", "");
  for (auto name : {"../secret.safetensors", "..\\secret.safetensors", "/etc/passwd.pt",
                    "a/../../secret.safetensors", "vae:../secret.safetensors", "", ".", "a//b.pt",
                    "./x.safetensors", "sub/"})
    BOOST_TEST(found(model_kind::vae, name) == "not_permitted", name);
  BOOST_TEST(found(model_kind::vae, std::string_view{"a\0b.pt", 6}) == "not_permitted");
}

BOOST_AUTO_TEST_CASE(only_model_files_are_found) {
  root.write("vae/notes.txt", "");
  fs::create_directories(root.path() / "vae/folder.safetensors");
  BOOST_TEST(found(model_kind::vae, "notes.txt") == "unknown_model");
  BOOST_TEST(found(model_kind::vae, "folder.safetensors") == "unknown_model");
}

BOOST_AUTO_TEST_CASE(taesd_names_mean_a_pair_in_vae_approx) {
  root.write("vae_approx/taesd_encoder.safetensors", "1");
  BOOST_TEST(found(model_kind::vae, "taesd") == "unknown_model"); // half a pair
  BOOST_TEST(listed("vae_approx") == strings{"taesd_encoder.safetensors"},
             boost::test_tools::per_element());
  root.write("vae_approx/taesd_decoder.safetensors", "22");
  root.write("vae_approx/taesdxl_decoder.safetensors", "333"); // another name's half
  BOOST_TEST(found(model_kind::vae, "taesd")
             == "vae_approx/taesd_encoder.safetensors vae_approx/taesd_decoder.safetensors");
  BOOST_TEST(found(model_kind::vae, "vae_approx:taesd") == found(model_kind::vae, "taesd"));
  BOOST_TEST(found(model_kind::text, "taesd") == "unknown_model");
  auto rows = list_model_files(folders);
  BOOST_REQUIRE_EQUAL(rows.size(), 4u);
  BOOST_TEST(rows[0].name == "taesd");
  BOOST_TEST(rows[0].bytes == 3u);
}

BOOST_AUTO_TEST_SUITE_END()
