#include <filesystem>

#include "actors/catalog/model_catalog.hpp"
#include "device/tiny_vae.hpp"
#include "fakes.hpp"
#include "fixture.hpp"
#include "temporary_folder.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

using listing_pointer = std::shared_ptr<const model_listing>;
using model_pointer = std::shared_ptr<const resolved_model>;

struct fixture : actor_fixture {
  temporary_folder root;
  catalog_actor uut;

  fixture() {
    catalog_options options;
    for (auto kind : {"checkpoints", "vae", "vae_approx", "text_encoders"}) {
      std::filesystem::create_directories(root.path() / kind);
      options.folders[kind] = {(root.path() / kind).string()};
    }
    options.aliases = {{"mine", "sub\\tiny.safetensors"}, {"exact", "vae:sub/tiny.safetensors"}};
    uut = system.spawn(model_catalog, options, thread_policy::scheduled);
    run();
  }

  std::filesystem::path put_vae(const std::string& name = "vae/sub/tiny.safetensors") {
    return root.write(name, tiny_vae{}.file());
  }

  void put_clip() {
    std::filesystem::copy_file(std::filesystem::path{LUNA_TEST_MODELS} / "clip_l.safetensors",
                               root.path() / "text_encoders/clip_l.safetensors");
  }

  result<model_pointer> resolve(const std::string& name, model_kind kind = model_kind::vae) {
    return ask<model_pointer>(uut, resolve_atom_v, kind, model_ref{{name}, ""});
  }

  result<model_description> info(const std::string& name, model_kind kind = model_kind::vae) {
    return ask<model_description>(uut, info_atom_v, kind, model_ref{{name}, ""});
  }

  /// Makes all folders look as if nothing had come or gone for an hour.
  void settle() {
    for (auto& x : std::filesystem::recursive_directory_iterator{root.path()})
      if (x.is_directory())
        std::filesystem::last_write_time(x, std::filesystem::last_write_time(x) - 1h);
  }

  listing_pointer list() { return ask<listing_pointer>(uut, list_atom_v).value(); }

  ~fixture() { end(uut); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(model_catalog_test, fixture)

BOOST_AUTO_TEST_CASE(a_name_is_resolved_to_its_file_and_facts) {
  auto path = put_vae();
  auto model = resolve("sub/tiny.safetensors").value();
  BOOST_TEST(model->name == "sub/tiny.safetensors");
  BOOST_TEST(model->files.at(0).path.string() == path.string());
  BOOST_TEST(model->facts.family == "taesd");
  BOOST_TEST(model->facts.latent_channels == 4);
  BOOST_TEST((model->kind == model_kind::vae));
}

BOOST_AUTO_TEST_CASE(aliases_mean_their_file) {
  put_vae();
  auto model = resolve("mine").value();
  BOOST_TEST(model->name == "sub/tiny.safetensors");
  BOOST_TEST(model->key == resolve("exact").value()->key);
  auto& names = model->names;
  for (auto name : {"sub/tiny.safetensors", "vae:sub/tiny.safetensors", "mine", "exact"})
    BOOST_TEST((std::find(names.begin(), names.end(), name) != names.end()), name);
}

BOOST_AUTO_TEST_CASE(an_unknown_name_is_answered_with_the_nearest) {
  put_vae();
  auto answer = resolve("sub/tinny.safetensors");
  BOOST_REQUIRE(!answer);
  BOOST_TEST((answer.error().code == ec::unknown_model));
  BOOST_TEST(answer.error().message.find("'sub/tiny.safetensors'") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(hints_come_only_from_folders_of_the_kind) {
  put_vae();
  auto answer = resolve("sub/tinny.safetensors", model_kind::text);
  BOOST_TEST(answer.error().message.find("did you mean 'sub/tiny") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(no_name_is_a_bad_request) {
  auto answer = ask<model_pointer>(uut, resolve_atom_v, model_kind::vae, model_ref{});
  BOOST_TEST((answer.error().code == ec::bad_request));
}

BOOST_AUTO_TEST_CASE(a_path_out_of_the_folders_is_not_permitted) {
  BOOST_TEST((resolve("../../etc/passwd.pt").error().code == ec::not_permitted));
}

BOOST_AUTO_TEST_CASE(a_broken_file_and_a_pickle_are_told_apart) {
  root.write("vae/broken.safetensors", "no header");
  root.write("vae/old.ckpt", "PK");
  BOOST_TEST((resolve("broken.safetensors").error().code == ec::bad_model_file));
  BOOST_TEST((resolve("old.ckpt").error().code == ec::unsupported_model));
}

BOOST_AUTO_TEST_CASE(a_replaced_file_is_another_model_of_the_same_place) {
  auto path = put_vae();
  auto before = resolve("mine").value();
  BOOST_TEST((resolve("mine").value() == before)); // looked into once
  std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) + 1s);
  auto after = resolve("mine").value();
  BOOST_TEST(after->key != before->key);
  BOOST_TEST(after->place == before->place);
}

BOOST_AUTO_TEST_CASE(another_file_of_the_same_size_and_time_is_another_model) {
  auto path = put_vae();
  auto before = resolve("mine").value();
  auto hash = info("mine").value().hash;
  auto time = std::filesystem::last_write_time(path);
  auto other = root.write("vae/other.partial", tiny_vae{}.file() + ' ');
  std::filesystem::resize_file(other, before->files[0].bytes);
  std::filesystem::rename(other, path);
  std::filesystem::last_write_time(path, time);
  auto after = resolve("mine").value();
  BOOST_TEST(after->files[0].bytes == before->files[0].bytes);
  BOOST_TEST(after->files[0].modified_ns == before->files[0].modified_ns);
  BOOST_TEST(after->key != before->key);
  info("mine").value();
  BOOST_TEST(state_of<model_catalog_state>(uut).hashes.size() == 2u);
}

BOOST_AUTO_TEST_CASE(one_file_is_two_models_for_two_kinds) {
  put_vae("checkpoints/both.safetensors");
  auto vae = resolve("both.safetensors").value();
  auto text = resolve("both.safetensors", model_kind::text);
  BOOST_REQUIRE(!text); // there is no text encoder in it
  BOOST_TEST((text.error().code != ec::unknown_model));
  BOOST_TEST(vae->place.find("vae") == 0u);
}

BOOST_AUTO_TEST_CASE(the_type_that_a_file_has_need_not_be_named) {
  put_clip();
  model_ref named{{"clip_l.safetensors"}, "stable_diffusion"};
  auto x = ask<model_pointer>(uut, resolve_atom_v, model_kind::text, named).value();
  auto y = resolve("clip_l.safetensors", model_kind::text).value();
  BOOST_TEST(x->key == y->key);
  BOOST_TEST(x->place == y->place);
}

BOOST_AUTO_TEST_CASE(two_text_files_are_one_model) {
  put_clip();
  std::filesystem::copy_file(std::filesystem::path{LUNA_TEST_MODELS} / "clip_g.safetensors",
                             root.path() / "text_encoders/clip_g.safetensors");
  model_ref pair{{"clip_l.safetensors", "clip_g.safetensors"}, "sdxl"};
  auto x = ask<model_pointer>(uut, resolve_atom_v, model_kind::text, pair).value();
  BOOST_TEST(x->facts.family == "sdxl");
  BOOST_TEST(x->files.size() == 2u);
  BOOST_TEST(x->key != resolve("clip_l.safetensors", model_kind::text).value()->key);
}

BOOST_AUTO_TEST_CASE(a_pair_is_one_model_of_two_files) {
  put_vae("vae_approx/taesd_encoder.safetensors");
  put_vae("vae_approx/taesd_decoder.safetensors");
  auto answer = resolve("taesd");
  // Both halves are whole files here, so they share names: told as broken, with both files named.
  BOOST_REQUIRE(!answer);
  BOOST_TEST((answer.error().code == ec::bad_model_file));
}

BOOST_AUTO_TEST_CASE(the_revision_changes_with_the_files_and_only_then) {
  put_vae();
  auto first = list();
  BOOST_REQUIRE_EQUAL(first->rows.size(), 1u);
  pass(2s);
  BOOST_TEST(list()->revision == first->revision);
  root.write("vae/another.safetensors", "");
  pass(2s);
  auto second = list();
  BOOST_TEST(second->revision != first->revision);
  BOOST_TEST(second->rows.size() == 2u);
  std::filesystem::remove(root.path() / "vae/another.safetensors");
  pass(2s);
  BOOST_TEST(list()->revision == first->revision);
}

BOOST_AUTO_TEST_CASE(a_file_that_comes_after_a_listing_is_in_the_next_one) {
  put_vae();
  settle();
  auto first = list();
  BOOST_TEST((list() == first)); // nobody has touched the folders
  root.write("vae/sub/second.safetensors", "");
  BOOST_TEST(list()->rows.size() == 2u);
  root.write("vae/sub/third.safetensors", ""); // within the same tick of the file system's clock
  BOOST_TEST(list()->rows.size() == 3u);
  std::filesystem::create_directories(root.path() / "vae/new");
  root.write("vae/new/fourth.safetensors", "");
  BOOST_TEST(list()->rows.size() == 4u);
}

BOOST_AUTO_TEST_CASE(a_file_that_grows_where_it_is_is_seen_after_five_seconds) {
  auto path = put_vae();
  settle();
  auto first = list();
  std::filesystem::resize_file(path, 10);
  pass(4999ms);
  BOOST_TEST((list() == first));
  pass(1ms);
  BOOST_TEST(list()->rows.at(0).bytes == 10u);
}

BOOST_AUTO_TEST_CASE(the_listing_tells_the_family_once_it_is_known) {
  put_vae();
  auto before = list();
  BOOST_TEST(before->rows.at(0).family == "");
  resolve("mine");
  auto after = list();
  BOOST_TEST(after->rows.at(0).family == "taesd");
  BOOST_TEST(after->revision == before->revision);
}

BOOST_AUTO_TEST_CASE(info_of_a_vae_tells_what_a_proxy_needs) {
  auto path = put_vae();
  auto x = info("mine").value();
  BOOST_TEST(x.family == "taesd");
  BOOST_TEST(x.latent_channels == 4);
  BOOST_TEST(x.latent_dim == 2);
  BOOST_TEST(x.downscale_ratio == 8);
  BOOST_TEST(x.upscale_ratio == 8);
  BOOST_TEST(x.output_channels == 3);
  BOOST_TEST(!x.weight_keys.empty());
  std::vector files{models::stat_model_file(path).value()};
  BOOST_TEST(x.hash == models::hash_model(files).value());
}

BOOST_AUTO_TEST_CASE(info_of_a_text_encoder_tells_keys_and_layers) {
  put_clip();
  auto x = info("clip_l.safetensors", model_kind::text).value();
  BOOST_TEST(x.type == "stable_diffusion");
  BOOST_TEST(x.token_keys == std::vector<std::string>{"l"}, boost::test_tools::per_element());
  BOOST_TEST(x.layers > 0);
  BOOST_TEST((x.kind == model_kind::text));
}

BOOST_AUTO_TEST_CASE(info_of_an_unknown_model_is_an_error) {
  BOOST_TEST((info("nothing.safetensors").error().code == ec::unknown_model));
}

BOOST_AUTO_TEST_CASE(a_hash_is_computed_once_per_file_version) {
  auto path = put_vae();
  auto first = info("mine").value().hash;
  auto& state = state_of<model_catalog_state>(uut);
  self->send_exit(state.hasher, caf::exit_reason::kill); // the known hash needs none
  run();
  BOOST_TEST(info("mine").value().hash == first);
  BOOST_TEST(state.hashes.size() == 1u);
  std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) + 1s);
  info("mine").value();
  BOOST_TEST(state.hashes.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_replaced_before_it_is_hashed_is_hashed_as_the_new_one) {
  auto path = put_vae();
  auto pending = self->request(uut, 3600s, info_atom_v, model_kind::vae, model_ref{{"mine"}, ""});
  auto& state = state_of<model_catalog_state>(uut);
  while (state.waiting.empty())
    BOOST_REQUIRE(scheduler.try_run_once());
  std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) + 1s);
  run();
  auto told = receive<model_description>(pending);
  BOOST_REQUIRE(told.has_value());
  std::vector files{models::stat_model_file(path).value()};
  BOOST_TEST(told->hash == models::hash_model(files).value());
  BOOST_TEST(state.waiting.empty());
}

BOOST_AUTO_TEST_CASE(a_dead_hasher_fails_its_askers_and_is_replaced) {
  put_vae();
  auto pending = self->request(uut, 3600s, info_atom_v, model_kind::vae, model_ref{{"mine"}, ""});
  auto& state = state_of<model_catalog_state>(uut);
  while (state.waiting.empty())
    BOOST_REQUIRE(scheduler.try_run_once());
  kill_before_its_mail(state.hasher);
  run();
  BOOST_TEST(!receive<model_description>(pending));
  BOOST_TEST(static_cast<bool>(info("mine")));
}

BOOST_AUTO_TEST_SUITE_END()
