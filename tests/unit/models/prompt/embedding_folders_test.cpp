#include <boost/test/unit_test.hpp>

#include <filesystem>

#include "base/safetensors.hpp"
#include "models/prompt/embedding_source.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

namespace {

void write_embedding(const std::filesystem::path& path, float value) {
  std::vector<named_tensor> tensors{{"emb_params", test::floats({1, 2}, {value, value})}};
  test::write_text(path, write_safetensors(tensors));
}

float first_value(const embedding_source& source, std::string_view name) {
  return test::value(source.find(name)).at(0).tensor.as<float>()[0];
}

ec code(const embedding_source& source, std::string_view name) {
  auto found = source.find(name);
  return found ? ec::none : found.error().code;
}

} // namespace

BOOST_AUTO_TEST_SUITE(embedding_folders_test)

BOOST_AUTO_TEST_CASE(names_are_found_with_and_without_extension_in_all_sub_folders) {
  test::temporary_folder folder;
  write_embedding(folder / "a.safetensors", 1);
  write_embedding(folder / "style/b.safetensors", 2);
  auto source = make_embedding_folders({folder / ""});
  BOOST_TEST(first_value(*source, "a") == 1);
  BOOST_TEST(first_value(*source, "a.safetensors") == 1);
  BOOST_TEST(first_value(*source, "b") == 2);
  BOOST_TEST(first_value(*source, "style/b") == 2);
  BOOST_TEST((code(*source, "c") == ec::unknown_model));
  BOOST_TEST((code(*source, "style") == ec::unknown_model));
}

BOOST_AUTO_TEST_CASE(the_first_folder_wins) {
  test::temporary_folder folder;
  write_embedding(folder / "1/a.safetensors", 1);
  write_embedding(folder / "2/a.safetensors", 2);
  BOOST_TEST(first_value(*make_embedding_folders({folder / "2", folder / "1"}), "a") == 2);
  BOOST_TEST(first_value(*make_embedding_folders({folder / "none", folder / "1"}), "a") == 1);
}

BOOST_AUTO_TEST_CASE(names_that_leave_the_folders_are_not_permitted) {
  test::temporary_folder folder;
  write_embedding(folder / "secret.safetensors", 1);
  write_embedding(folder / "inside/a.safetensors", 2);
  auto source = make_embedding_folders({folder / "inside"});
  BOOST_TEST((code(*source, "../secret") == ec::not_permitted));
  BOOST_TEST((code(*source, "x/../../secret") == ec::not_permitted));
  BOOST_TEST((code(*source, (folder / "secret").string()) == ec::not_permitted));
  BOOST_TEST((code(*source, std::string_view{"a\0b", 3}) == ec::not_permitted));
}

BOOST_AUTO_TEST_CASE(pickles_are_refused_with_a_way_out_and_broken_files_are_told) {
  test::temporary_folder folder;
  test::write_text(folder / "p.pt", "pickle");
  test::write_text(folder / "q.bin", "pickle");
  test::write_text(folder / "b.safetensors", "not a header");
  auto source = make_embedding_folders({folder / ""});
  BOOST_TEST((code(*source, "p") == ec::unsupported_model));
  BOOST_TEST((code(*source, "q") == ec::unsupported_model));
  BOOST_TEST((code(*source, "b") == ec::bad_model_file));
}

BOOST_AUTO_TEST_CASE(a_loop_of_links_ends) {
  test::temporary_folder folder;
  write_embedding(folder / "x/a.safetensors", 1);
  std::filesystem::create_directory_symlink(folder / "", folder / "x/loop");
  BOOST_TEST(first_value(*make_embedding_folders({folder / ""}), "a") == 1);
}

BOOST_AUTO_TEST_SUITE_END()
