#include "session_fakes.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(session_models_test, session_fixture)

// -- VAE ---

BOOST_AUTO_TEST_CASE(decodes_latents_with_the_defaults) {
  ask(1, decode_request(), latents());
  BOOST_REQUIRE_EQUAL(pool->jobs.size(), 1u);
  auto& task = pool->jobs.front().task;
  BOOST_CHECK_EQUAL(task.header.kind, "vae_decode");
  BOOST_CHECK(task.header.pool_kind == model_kind::vae);
  BOOST_CHECK(task.header.reply_type == dtype::f32);
  BOOST_CHECK(arguments_of<vae_tiling>(task.header).mode == tiling_mode::automatic);
  BOOST_CHECK_EQUAL(arguments_of<vae_tiling>(task.header).overlap, -1);
  BOOST_CHECK(task.tensors.at(0).tensor.shape() == (std::vector<int64_t>{1, 4, 2, 2}));
  pool->answer(tiles(0), {zeros("images", {1, 16, 16, 3})});
  run();
  auto x = answer();
  BOOST_CHECK_EQUAL(x.id, 1u);
  BOOST_CHECK_EQUAL(x.header, R"({"tiled":false,"tiles":0})");
  BOOST_CHECK_EQUAL(x.tensors.at(0).name, "images");
}

BOOST_AUTO_TEST_CASE(passes_on_how_to_tile) {
  auto header = decode_request();
  header.update({{"tiled", true},
                 {"tile_width", 96},
                 {"tile_height", 32},
                 {"overlap", 8},
                 {"tiled_method", "comfyui"},
                 {"dtype", "u8"},
                 {"priority", -1}});
  ask(1, header, latents());
  auto& task = pool->jobs.front().task.header;
  auto& tiling = arguments_of<vae_tiling>(task);
  BOOST_CHECK(tiling.mode == tiling_mode::on);
  BOOST_CHECK(tiling.method == tiling_method::comfyui);
  BOOST_CHECK_EQUAL(tiling.tile_width, 96);
  BOOST_CHECK_EQUAL(tiling.tile_height, 32);
  BOOST_CHECK_EQUAL(tiling.overlap, 8);
  BOOST_CHECK(task.reply_type == dtype::u8);
  BOOST_CHECK_EQUAL(task.priority, -1);
}

BOOST_AUTO_TEST_CASE(encodes_pixels) {
  ask(1, {{"cmd", "vae_encode"}, {"model", "vae.safetensors"}, {"tile_size", 256}},
      {zeros("pixels", {1, 16, 16, 3})});
  auto& task = pool->jobs.front().task.header;
  BOOST_CHECK_EQUAL(task.kind, "vae_encode");
  BOOST_CHECK_EQUAL(arguments_of<vae_tiling>(task).tile_width, 256);
  BOOST_CHECK_EQUAL(arguments_of<vae_tiling>(task).tile_height, 256);
}

BOOST_AUTO_TEST_CASE(refuses_wrong_vae_requests_by_name) {
  auto with = [&](const char* field, const json& value) {
    auto header = decode_request();
    header[field] = value;
    return header;
  };
  check(refusal({{"cmd", "vae_decode"}}, latents()), ec::bad_request, "'model'");
  check(refusal(decode_request()), ec::bad_request, "'latents'");
  check(refusal(decode_request(), {zeros("pixels", {1})}), ec::bad_request, "'latents'");
  check(refusal(decode_request(), {zeros("latents", {1}), zeros("more", {1})}), ec::bad_request,
        "'more'");
  check(refusal(with("tiled", "yes"), latents()), ec::bad_request, "'tiled'");
  check(refusal(with("tile_size", "512"), latents()), ec::bad_request, "'tile_size'");
  check(refusal(with("overlap", -1), latents()), ec::bad_request, "'overlap'");
  check(refusal(with("dtype", "f64"), latents()), ec::bad_request, "'dtype'");
  check(refusal(with("tile_sizes", 1), latents()), ec::bad_request, "'tile_size'");
  check(refusal({{"cmd", "vae_encode"}, {"model", "vae.safetensors"}, {"dtype", "u8"}},
                {zeros("pixels", {1, 8, 8, 3})}),
        ec::bad_request, "'dtype'");
  auto both = with("tile_size", 64);
  both["tile_width"] = 32;
  check(refusal(both, latents()), ec::bad_request, "tile_size");
  BOOST_CHECK(pool->jobs.empty());
}

BOOST_AUTO_TEST_CASE(refuses_a_body_that_is_no_safetensors) {
  auto in = request(1, decode_request());
  auto text = std::make_shared<const std::string>("no safetensors at all");
  in->body = {text, std::as_bytes(std::span{*text})};
  self->send(uut, run_atom_v, in);
  run();
  BOOST_CHECK(problem().code == ec::bad_request);
}

BOOST_AUTO_TEST_CASE(says_how_many_images_fit_when_a_reply_passes_the_limit) {
  context->limits.body_bytes = 20000; // an image of 16 x 16 has 3072
  ask(1, decode_request(), latents());
  pool->answer({}, {zeros("images", {8, 16, 16, 3})});
  run();
  auto x = problem();
  check(x, ec::bad_request, "6 images");
  BOOST_CHECK_EQUAL(json::parse(x.details)["max_body_bytes"], 20000);
}

// -- text ---

BOOST_AUTO_TEST_CASE(tokenizes_with_and_without_word_ids) {
  for (auto word_ids : {false, true}) {
    ask(1, {{"cmd", "clip_tokenize"},
            {"model", "clip.safetensors"},
            {"text", "a cat"},
            {"return_word_ids", word_ids}});
    auto& job = pool->jobs.front();
    BOOST_CHECK_EQUAL(job.task.header.kind, "clip_tokenize");
    BOOST_CHECK_EQUAL(arguments_of<tokenize_arguments>(job.task.header).text, "a cat");
    model_result x;
    x.answer.warnings = {{"embedding", "w", 0}};
    text_token plain{49406, 1.0, -1, 0, 0};
    text_token embedded{0, 1.25, 0, 3, 2};
    x.answer.attributes = caf::make_message(tokenize_answer{{{"l", {{plain, embedded}}}}, {"e0"}});
    x.tensors = {zeros("e0", {4, 8})};
    job.promise.deliver(std::move(x));
    pool->jobs.pop_front();
    run();
    auto got = answer();
    json embedding{{"embedding", "e0"}, {"row", 3}};
    auto expected = word_ids ? json::array({{49406, 1.0, 0}, {embedding, 1.25, 2}})
                             : json::array({json::array({49406, 1.0}), {embedding, 1.25}});
    auto header = json::parse(got.header);
    BOOST_CHECK_EQUAL(header["tokens"]["l"][0], expected);
    BOOST_CHECK_EQUAL(header["warnings"][0]["message"], "w");
    BOOST_CHECK_EQUAL(got.tensors.at(0).name, "e0");
  }
}

BOOST_AUTO_TEST_CASE(hands_the_wanted_clean_up_of_text_on_with_every_prompt) {
  for (auto [cmd, field] : {std::pair{"clip_tokenize", "text"},
                            {"clip_encode", "positive"},
                            {"clip_encode_sdxl", "positive"}}) {
    ask(1, {{"cmd", cmd},
            {"model", "clip.safetensors"},
            {field, "a"},
            {"text_cleanup", "transformers4"}});
    auto& header = pool->jobs.front().task.header;
    auto cleanup = header.kind == "clip_tokenize" ? arguments_of<tokenize_arguments>(header).cleanup
                                                  : arguments_of<prompt_arguments>(header).cleanup;
    BOOST_CHECK(cleanup == text_cleanup::transformers4);
    pool->jobs.front().promise.deliver(model_result{});
    pool->jobs.pop_front();
    run();
    answer();
  }
}

BOOST_AUTO_TEST_CASE(encodes_prompts_and_leaves_out_a_negative_that_is_null) {
  ask(1, {{"cmd", "clip_encode"},
          {"model", "clip.safetensors"},
          {"positive", "a"},
          {"layer", -2},
          {"projected", false},
          {"loras", json::array()}});
  ask(2, {{"cmd", "clip_encode"},
          {"model", "clip.safetensors"},
          {"positive", "a"},
          {"negative", nullptr},
          {"layer", nullptr}});
  auto& first = arguments_of<prompt_arguments>(pool->jobs[0].task.header);
  BOOST_CHECK(first.wants_negative);
  BOOST_CHECK_EQUAL(first.negative, "");
  BOOST_CHECK(first.layer.chosen);
  BOOST_CHECK_EQUAL(first.layer.layer, -2);
  BOOST_CHECK(!first.layer.projected);
  auto& second = arguments_of<prompt_arguments>(pool->jobs[1].task.header);
  BOOST_CHECK(!second.wants_negative);
  BOOST_CHECK(!second.layer.chosen);
  BOOST_CHECK(second.layer.projected);
}

BOOST_AUTO_TEST_CASE(encodes_sdxls_pair_and_gives_the_sizes_back) {
  ask(1, {{"cmd", "clip_encode_sdxl"},
          {"model", "clip.safetensors"},
          {"positive", "a"},
          {"positive_l", "b"},
          {"width", 832},
          {"crop_h", 16}});
  auto& job = pool->jobs.front();
  auto& text = arguments_of<prompt_arguments>(job.task.header);
  BOOST_CHECK(text.pair);
  BOOST_CHECK_EQUAL(text.positive, "a");
  BOOST_CHECK_EQUAL(text.positive_l, "b");
  BOOST_CHECK_EQUAL(text.negative_l, "");
  pool->answer();
  run();
  auto header = reply();
  BOOST_CHECK_EQUAL(header["positive"]["width"], 832);
  BOOST_CHECK_EQUAL(header["positive"]["crop_h"], 16);
  BOOST_CHECK_EQUAL(header["positive"]["target_width"], 1024);
  BOOST_CHECK_EQUAL(header["negative"], header["positive"]);
}

BOOST_AUTO_TEST_CASE(sdxls_sizes_are_bounded) {
  check(refusal({{"cmd", "clip_encode_sdxl"},
                 {"model", "clip.safetensors"},
                 {"positive", "a"},
                 {"width", 20000}}),
        ec::bad_request, "'width'");
}

BOOST_AUTO_TEST_CASE(takes_the_model_of_several_files) {
  directory->models["clip_l.safetensors"] = here(pool_handle);
  json model{{"type", "sdxl"}, {"files", {"clip_l.safetensors", "sub\\clip_g.safetensors"}}};
  ask(1, {{"cmd", "clip_encode"}, {"model", model}, {"positive", "a"}});
  BOOST_REQUIRE_EQUAL(directory->asked.size(), 1u);
  BOOST_CHECK(directory->asked[0].first == model_kind::text);
  BOOST_CHECK_EQUAL(directory->asked[0].second.type, "sdxl");
  BOOST_CHECK_EQUAL(directory->asked[0].second.files.at(1), "sub/clip_g.safetensors");
}

BOOST_AUTO_TEST_CASE(encodes_given_tokens_and_embeddings) {
  auto tokens = json::parse(R"({"l":[[[1,1.0],[{"embedding":"e","row":2},0.5],[3,2,7]]]})");
  ask(1, {{"cmd", "clip_encode_from_tokens"}, {"model", "clip.safetensors"}, {"tokens", tokens}},
      {zeros("e", {4, 8})});
  auto& task = pool->jobs.front().task;
  BOOST_CHECK_EQUAL(task.header.kind, "clip_encode_from_tokens");
  auto& arguments = arguments_of<token_arguments>(task.header);
  auto& chunks = arguments.tokens;
  BOOST_REQUIRE_EQUAL(chunks.size(), 1u);
  BOOST_CHECK_EQUAL(chunks[0].key, "l");
  BOOST_CHECK(
    (chunks[0].chunks
     == std::vector<token_chunk>{{{1, 1.0, -1, 0, 0}, {0, 0.5, 0, 2, 0}, {3, 2.0, -1, 0, 7}}}));
  BOOST_TEST(arguments.embeddings == std::vector<std::string>{"e"},
             boost::test_tools::per_element());
  BOOST_CHECK_EQUAL(task.tensors.at(0).name, "e");
}

BOOST_AUTO_TEST_CASE(names_the_token_that_is_wrong) {
  auto with = [](const char* tokens) {
    return json{{"cmd", "clip_encode_from_tokens"},
                {"model", "clip.safetensors"},
                {"tokens", json::parse(tokens)}};
  };
  check(refusal({{"cmd", "clip_encode_from_tokens"}, {"model", "x"}}), ec::bad_request, "'tokens'");
  for (auto* wrong : {"[]", "{}", "7", R"({"":[]})"})
    check(refusal(with(wrong)), ec::bad_request, "'tokens' must be");
  check(refusal(with(R"({"l":7})")), ec::bad_request, "'tokens.l'");
  check(refusal(with(R"({"l":[[[1,1]],7]})")), ec::bad_request, "'tokens.l[1]'");
  for (auto* wrong :
       {"7", "[1]", "[1,1,1,1]", "[-1,1]", "[1.5,1]", "[2147483648,1]", "[\"1\",1]", "[1,\"1\"]",
        "[1,1,-1]", "[1,1e39]", "[1,-1e300]", "[{\"embedding\":\"e\"},1]",
        "[{\"embedding\":\"\",\"row\":0},1]", "[{\"embedding\":\"e\",\"row\":-1},1]",
        "[{\"embedding\":\"e\",\"row\":0,\"x\":1},1]"})
    check(refusal(with((R"({"l":[[[1,1],)" + std::string{wrong} + "]]}").c_str())), ec::bad_request,
          "'tokens.l[0][1]'");
  BOOST_CHECK(pool->jobs.empty());
}

BOOST_AUTO_TEST_CASE(refuses_lora_and_wrong_text_fields) {
  json header{{"cmd", "clip_encode"}, {"model", "clip.safetensors"}, {"positive", "a"}};
  auto with = [&](const char* field, const json& value) {
    auto x = header;
    x[field] = value;
    return x;
  };
  check(refusal(with("loras", {{{"name", "x"}, {"strength", 1}}})), ec::bad_request, "LoRA");
  check(refusal(with("layer", 0)), ec::bad_request, "'layer'");
  check(refusal(with("layer", -2.5)), ec::bad_request, "'layer'");
  check(refusal(with("dtype", "u8")), ec::bad_request, "'dtype'");
  check(refusal(with("positive", nullptr)), ec::bad_request, "'positive'");
  check(refusal(with("text_cleanup", "transformers3")), ec::bad_request, "'text_cleanup'");
  check(refusal(with("text", "a")), ec::bad_request, "'text'");
}

BOOST_AUTO_TEST_CASE(asks_a_pool_for_model_info) {
  ask(1, {{"cmd", "model_info"}, {"model", "clip.safetensors"}, {"kind", "text"}});
  auto& task = pool->jobs.front().task.header;
  BOOST_CHECK_EQUAL(task.kind, "model_info");
  BOOST_CHECK(task.pool_kind == model_kind::text);
  model_description told;
  told.family = "clip_l";
  pool->answer(caf::make_message(told));
  run();
  BOOST_CHECK_EQUAL(reply()["family"], "clip_l");
  check(refusal({{"cmd", "model_info"}, {"model", "x"}, {"kind", "lora"}}), ec::bad_request,
        "'kind'");
}

// -- where it runs ---

BOOST_AUTO_TEST_CASE(hands_on_what_the_directory_says_of_a_model) {
  check(refusal({{"cmd", "vae_decode"}, {"model", "none.safetensors"}}, latents()),
        ec::unknown_model, "none.safetensors");
}

BOOST_AUTO_TEST_CASE(sends_a_task_to_another_node_by_the_exchange) {
  directory->models["vae.safetensors"] = there();
  ask(1, decode_request(), latents());
  BOOST_REQUIRE_EQUAL(exchange->jobs.size(), 1u);
  BOOST_CHECK_EQUAL(exchange->jobs.front().to.node, "beta");
  BOOST_CHECK_EQUAL(exchange->jobs.front().task.tensors.size(), 1u);
  exchange->jobs.front().promise.deliver(model_result{{}, {zeros("images", {1, 8, 8, 3})}});
  run();
  BOOST_CHECK_EQUAL(answer().tensors.size(), 1u);
}

BOOST_AUTO_TEST_CASE(runs_once_more_elsewhere_when_a_node_dies) {
  directory->models["vae.safetensors"] = there();
  ask(1, decode_request(), latents());
  directory->models["vae.safetensors"] = here(other_pool_handle);
  exchange->jobs.front().promise.deliver(make_error(ec::unavailable, "the node went away"));
  run();
  BOOST_CHECK(client->answers.empty());
  pass(200ms);
  BOOST_REQUIRE_EQUAL(other_pool->jobs.size(), 1u);
  BOOST_CHECK_EQUAL(other_pool->jobs.front().task.tensors.size(), 1u);
  other_pool->answer(tiles(0));
  run();
  BOOST_CHECK_EQUAL(reply()["tiled"], false);
}

BOOST_AUTO_TEST_CASE(gives_up_when_there_is_no_other_place) {
  directory->models["vae.safetensors"] = there();
  ask(1, decode_request(), latents());
  exchange->jobs.front().promise.deliver(make_error(ec::unavailable, "the node went away"));
  run();
  pass(200ms);
  check(problem(), ec::unavailable, "the node went away");
  BOOST_CHECK_EQUAL(exchange->jobs.size(), 1u);
}

BOOST_AUTO_TEST_CASE(says_why_it_failed_first_when_the_directory_knows_no_place_any_more) {
  ask(1, decode_request(), latents());
  directory->models.clear();
  pool->refuse(ec::unavailable, "the pool went away");
  run();
  pass(200ms);
  check(problem(), ec::unavailable, "the pool went away");
}

BOOST_AUTO_TEST_CASE(runs_elsewhere_only_once) {
  ask(1, decode_request(), latents());
  directory->models["vae.safetensors"] = here(other_pool_handle);
  pool->refuse(ec::unavailable);
  run();
  pass(200ms);
  directory->models["vae.safetensors"] = there();
  other_pool->refuse(ec::unavailable, "the second went away, too");
  run();
  check(problem(), ec::unavailable, "the second");
  BOOST_CHECK(exchange->jobs.empty());
}

BOOST_AUTO_TEST_CASE(does_not_run_elsewhere_what_failed_for_another_reason) {
  ask(1, decode_request(), latents());
  directory->models["vae.safetensors"] = here(other_pool_handle);
  pool->refuse(ec::out_of_memory);
  run();
  BOOST_CHECK(problem().code == ec::out_of_memory);
  pass(1s);
  BOOST_CHECK(other_pool->jobs.empty());
}

BOOST_AUTO_TEST_CASE(does_not_run_elsewhere_without_the_time_for_it) {
  auto header = decode_request();
  header["deadline_ms"] = 300;
  ask(1, header, latents());
  directory->models["vae.safetensors"] = here(other_pool_handle);
  pool->refuse(ec::unavailable);
  run();
  BOOST_CHECK(problem().code == ec::unavailable);
}

BOOST_AUTO_TEST_CASE(does_not_run_elsewhere_what_was_cancelled_meanwhile) {
  ask(1, decode_request(), latents());
  directory->models["vae.safetensors"] = here(other_pool_handle);
  pool->refuse(ec::unavailable);
  run();
  self->send(uut, cancel_atom_v, uint64_t{1});
  run();
  BOOST_CHECK(problem().code == ec::cancelled);
  pass(1s);
  BOOST_CHECK(other_pool->jobs.empty());
}

BOOST_AUTO_TEST_SUITE_END()
