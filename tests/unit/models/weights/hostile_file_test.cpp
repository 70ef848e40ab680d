// Broken and hostile model files: each is `bad_model_file` with the file's name, never a crash.
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <functional>

#include "base/safetensors.hpp"
#include "models/text/text_encoder.hpp"
#include "models/vae/vae.hpp"
#include "models/weights/inspect.hpp"
#include "support.hpp"
#include "vae/taesd_reference.hpp"

using namespace luna;
using namespace luna::models;

namespace {

namespace fs = std::filesystem;

std::string with_length(uint64_t length, std::string_view rest) {
  std::string bytes;
  for (int i = 0; i < 8; ++i)
    bytes += static_cast<char>(length >> (8 * i));
  return bytes += rest;
}

std::string with_header(const std::string& json, size_t data = 0) {
  return with_length(json.size(), json) + std::string(data, 'x');
}

std::string entry(const std::string& name, const std::string& shape, uint64_t begin, uint64_t end) {
  return "\"" + name + R"(":{"dtype":"F32","shape":)" + shape + ",\"data_offsets\":["
       + std::to_string(begin) + "," + std::to_string(end) + "]}";
}

void check_bad(const test::temporary_folder& folder, const std::string& what,
               const std::string& bytes) {
  auto path = folder / "hostile.safetensors";
  test::write_text(path, bytes);
  for (auto kind : {model_kind::text, model_kind::vae, model_kind::vision, model_kind::vlm}) {
    std::vector files{test::file_of(path)};
    auto got = inspect_model(kind, files);
    BOOST_REQUIRE_MESSAGE(!got, what << " is taken for a model");
    BOOST_CHECK_MESSAGE(got.error().code == ec::bad_model_file,
                        what << " is " << to_string(got.error().code));
    BOOST_CHECK_MESSAGE(got.error().message.find("hostile.safetensors") != std::string::npos,
                        what << ": " << got.error().message);
  }
}

/// The tiny CLIP-L's tensors with one changed.
std::string clip_with(const std::function<void(std::vector<named_tensor>&)>& change) {
  auto bytes =
    std::make_shared<std::string>(test::read_text(LUNA_TEST_MODELS "/clip_l.safetensors"));
  auto tensors = test::value(
    read_safetensors({reinterpret_cast<const std::byte*>(bytes->data()), bytes->size()}, bytes));
  change(tensors);
  return write_safetensors(tensors);
}

named_tensor& tensor(std::vector<named_tensor>& tensors, std::string_view name) {
  for (auto& x : tensors)
    if (x.name == name)
      return x;
  throw std::runtime_error("no such tensor");
}

failure inspect_failure(const fs::path& path, model_kind kind) {
  std::vector files{test::file_of(path)};
  auto got = inspect_model(kind, files);
  if (got)
    throw std::runtime_error("taken for a model");
  return got.error();
}

} // namespace

BOOST_AUTO_TEST_SUITE(hostile_file_test)

BOOST_AUTO_TEST_CASE(every_kind_of_broken_header_is_a_bad_model_file) {
  test::temporary_folder folder;
  check_bad(folder, "an empty file", "");
  check_bad(folder, "half a length", "\x01\x02\x03");
  check_bad(folder, "a length beyond the file", with_length(1000, "{}"));
  check_bad(folder, "the greatest length", with_length(UINT64_MAX, "{}"));
  check_bad(folder, "a length that overflows", with_length(UINT64_MAX - 7, "{}"));
  check_bad(folder, "a pickle", "PK\x03\x04" + std::string(100, '\0'));
  check_bad(folder, "no JSON", with_length(4, "abcd"));
  check_bad(folder, "no object", with_header("[1,2,3]"));
  check_bad(folder, "deep JSON",
            with_header("{\"a\":" + std::string(5000, '[') + std::string(5000, ']') + "}"));
  check_bad(folder, "metadata that is no object", with_header(R"({"__metadata__":3})"));
  check_bad(folder, "an entry without fields", with_header(R"({"a":{}})"));
  check_bad(folder, "an unknown type",
            with_header(R"({"a":{"dtype":"Q7","shape":[1],"data_offsets":[0,4]}})", 4));
  check_bad(folder, "a negative dimension", with_header("{" + entry("a", "[-1]", 0, 4) + "}", 4));
  check_bad(folder, "a shape that overflows",
            with_header("{" + entry("a", "[4294967296,4294967296]", 0, 4) + "}", 4));
  check_bad(folder, "a range that does not fit",
            with_header("{" + entry("a", "[2]", 0, 4) + "}", 4));
  check_bad(folder, "a range beyond the file", with_header("{" + entry("a", "[2]", 0, 8) + "}", 4));
  check_bad(folder, "a range that ends before it begins",
            with_header("{" + entry("a", "[1]", 4, 0) + "}", 4));
  check_bad(folder, "overlapping tensors",
            with_header("{" + entry("a", "[1]", 0, 4) + "," + entry("b", "[1]", 0, 4) + "}", 4));
  check_bad(folder, "a hole",
            with_header("{" + entry("a", "[1]", 0, 4) + "," + entry("b", "[1]", 8, 12) + "}", 12));
  check_bad(folder, "bytes after the last tensor",
            with_header("{" + entry("a", "[1]", 0, 4) + "}", 5));
}

BOOST_AUTO_TEST_CASE(what_is_no_model_is_called_what_it_is) {
  test::temporary_folder folder;
  auto path = folder / "model.safetensors";
  auto check = [&](const std::string& bytes, const std::string& part) {
    test::write_text(path, bytes);
    auto got = inspect_failure(path, model_kind::text);
    BOOST_TEST((got.code == ec::bad_model_file));
    BOOST_CHECK_MESSAGE(got.message.find(part) != std::string::npos, got.message);
  };
  check("", "it is empty");
  check("<!DOCTYPE html>\n<html><head><title>Log in</title>", "an HTML page");
  check("\n\n  <HTML lang=\"en\">", "an HTML page");
  check("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "a Git LFS pointer");
  check("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "git lfs pull");
  check("PK\x03\x04" + std::string(100, '\0'), "torch.save");
  check(std::string{"\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19."}, "a Python pickle");
  check("GGUF" + std::string("\x03\0\0\0\x10\0\0\0", 8), "a GGUF file");
  check("Invalid username or password.\n", "begins with \"Invalid username or password.\"");
  check("{\"error\":\"Repository not found\"}", "begins with \"{");
}

BOOST_AUTO_TEST_CASE(a_truncated_file_says_how_many_bytes_are_missing) {
  test::temporary_folder folder;
  auto path = folder / "clip.safetensors";
  fs::copy_file(LUNA_TEST_MODELS "/clip_l.safetensors", path);
  auto whole = fs::file_size(path);
  for (auto missing : {uint64_t{1}, uint64_t{4096}, whole / 2}) {
    fs::resize_file(path, whole - missing);
    auto got = inspect_failure(path, model_kind::text);
    BOOST_TEST((got.code == ec::bad_model_file));
    auto want = "it is incomplete: " + std::to_string(missing) + " of its " + std::to_string(whole)
              + " bytes are missing";
    BOOST_CHECK_MESSAGE(got.message.find(want) != std::string::npos, got.message);
    fs::resize_file(path, whole);
  }
  fs::resize_file(path, 1000);
  auto got = inspect_failure(path, model_kind::text);
  BOOST_CHECK_MESSAGE(got.message.find("incomplete: its header alone has") != std::string::npos,
                      got.message);
}

BOOST_AUTO_TEST_CASE(a_header_of_more_than_16_mib_is_not_even_read) {
  test::temporary_folder folder;
  auto path = folder / "hostile.safetensors";
  test::write_text(path, with_length(uint64_t{17} << 20, "{"));
  fs::resize_file(path, uint64_t{32} << 20); // a sparse file
  BOOST_TEST((inspect_failure(path, model_kind::text).code == ec::bad_model_file));
}

BOOST_AUTO_TEST_CASE(a_text_tower_with_wrong_tensors_is_told_with_the_tensors_name) {
  test::temporary_folder folder;
  auto path = folder / "clip.safetensors";
  auto check = [&](const std::string& name,
                   const std::function<void(std::vector<named_tensor>&)>& change) {
    test::write_text(path, clip_with(change));
    auto got = inspect_failure(path, model_kind::text);
    BOOST_TEST((got.code == ec::bad_model_file));
    BOOST_CHECK_MESSAGE(got.message.find(name) != std::string::npos, got.message);
  };
  auto bias = std::string{"text_model.encoder.layers.5.self_attn.k_proj.bias"};
  check(bias, [&](auto& all) { std::erase_if(all, [&](auto& x) { return x.name == bias; }); });
  check(bias, [&](auto& all) {
    tensor(all, bias).tensor = test::floats({127}, std::vector<float>(127));
  });
  check(bias, [&](auto& all) {
    std::vector<int64_t> numbers(128);
    tensor(all, bias).tensor =
      tensor_block::copy_of(dtype::i64, {128}, std::as_bytes(std::span{numbers}));
  });
  check("text_model.embeddings", [&](auto& all) {
    auto& x = tensor(all, "text_model.embeddings.position_embedding.weight").tensor;
    x = x.reshaped({77 * 128});
  });
  check("text_model.final_layer_norm.bias", [&](auto& all) {
    std::erase_if(all, [](auto& x) { return x.name == "text_model.final_layer_norm.bias"; });
  });
}

BOOST_AUTO_TEST_CASE(a_tower_of_impossible_size_is_not_served) {
  test::temporary_folder folder;
  auto path = folder / "clip.safetensors";
  auto check = [&](const std::string& name, tensor_block block) {
    test::write_text(path, clip_with([&](auto& all) { tensor(all, name).tensor = block; }));
    BOOST_TEST((inspect_failure(path, model_kind::text).code == ec::unsupported_model));
  };
  check("text_model.embeddings.token_embedding.weight",
        test::floats({100, 2}, std::vector<float>(200)));
  check("text_model.embeddings.token_embedding.weight",
        test::floats({49408, 1}, std::vector<float>(49408)));
  check("text_model.embeddings.position_embedding.weight",
        test::floats({1, 128}, std::vector<float>(128)));
}

BOOST_AUTO_TEST_CASE(an_autoencoder_with_wrong_tensors_is_told_with_the_tensors_name) {
  test::temporary_folder folder;
  auto path = folder / "vae.safetensors";
  auto net = test::make_autoencoder(4, 4, 1);
  net.decoder[4].tensor = test::noise({4, 4, 1, 1}, 1);
  test::write_joined(net, path);
  auto got = inspect_failure(path, model_kind::vae);
  BOOST_TEST((got.code == ec::bad_model_file));
  BOOST_TEST(got.message.find("taesd_decoder." + net.decoder[4].name) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(two_files_that_share_a_tensor_do_not_belong_together) {
  test::temporary_folder folder;
  auto net = test::make_autoencoder(4, 4, 1);
  test::write_half(net.encoder, folder / "a.safetensors");
  test::write_half(net.encoder, folder / "b.safetensors");
  std::vector files{test::file_of(folder / "a.safetensors"),
                    test::file_of(folder / "b.safetensors")};
  auto got = inspect_model(model_kind::vae, files);
  BOOST_REQUIRE(!got);
  BOOST_TEST((got.error().code == ec::bad_model_file));
}

BOOST_AUTO_TEST_CASE(a_file_that_has_changed_since_it_was_listed_is_told) {
  test::temporary_folder folder;
  auto path = folder / "vae.safetensors";
  test::write_joined(test::make_autoencoder(4, 4, 1), path);
  std::vector files{test::file_of(path)};
  auto facts = test::value(inspect_model(model_kind::vae, files));
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds{5});
  auto got = test::load_vae(files, facts, {}, {});
  BOOST_REQUIRE(!got);
  BOOST_TEST((got.error().code == ec::unavailable));
}

BOOST_AUTO_TEST_CASE(a_file_of_the_same_size_and_time_that_was_put_in_its_place_is_told) {
  test::temporary_folder folder;
  auto path = folder / "vae.safetensors";
  auto other = folder / "other.safetensors";
  test::write_joined(test::make_autoencoder(4, 4, 1), path);
  test::write_joined(test::make_autoencoder(4, 4, 2), other);
  std::vector files{test::file_of(path)};
  auto facts = test::value(inspect_model(model_kind::vae, files));
  auto time = fs::last_write_time(path);
  fs::rename(other, path);
  fs::last_write_time(path, time);
  auto now = test::file_of(path);
  BOOST_TEST(now.bytes == files[0].bytes);
  BOOST_TEST(now.modified_ns == files[0].modified_ns);
  BOOST_TEST((now != files[0]));
  BOOST_TEST((test::load_vae(files, facts, {}, {}).error().code == ec::unavailable));
  BOOST_TEST((hash_model(files).error().code == ec::unavailable));
}

BOOST_AUTO_TEST_CASE(a_file_that_shrinks_during_the_load_is_told_and_kills_nobody) {
  test::temporary_folder folder;
  auto path = folder / "clip.safetensors";
  fs::copy_file(LUNA_TEST_MODELS "/clip_l.safetensors", path);
  std::vector files{test::file_of(path)};
  auto facts = test::value(inspect_model(model_kind::text, files));
  run_context context;
  context.progress = [&](std::string_view, uint64_t value, uint64_t) {
    if (value > 0 && fs::file_size(path) > 4096)
      fs::resize_file(path, 4096);
  };
  auto got = test::load_text_encoder(files, facts, {}, context);
  BOOST_REQUIRE(!got);
  BOOST_TEST((got.error().code == ec::unavailable));
  BOOST_TEST(got.error().message.find("clip.safetensors") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_rewritten_during_the_load_is_told) {
  test::temporary_folder folder;
  auto path = folder / "vae.safetensors";
  test::write_joined(test::make_autoencoder(4, 4, 1), path);
  std::vector files{test::file_of(path)};
  auto facts = test::value(inspect_model(model_kind::vae, files));
  auto touched = false;
  run_context context;
  context.progress = [&](std::string_view, uint64_t, uint64_t) {
    if (!std::exchange(touched, true))
      fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds{5});
  };
  auto got = test::load_vae(files, facts, {}, context);
  BOOST_REQUIRE(!got);
  BOOST_TEST((got.error().code == ec::unavailable));
}

BOOST_AUTO_TEST_SUITE_END()
