#include <boost/test/unit_test.hpp>

#include "models/device.hpp"
#include "models/text/text_encoder.hpp"
#include "models/vae/vae.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

BOOST_AUTO_TEST_SUITE(device_test)

BOOST_AUTO_TEST_CASE(the_cpu_is_always_there_and_first) {
  BOOST_TEST(available_devices().at(0) == "cpu");
  auto memory = test::value(memory_of("cpu"));
  BOOST_TEST(memory.total_bytes > memory.used_bytes);
  BOOST_TEST(memory.used_bytes > uint64_t{10} << 20);
}

BOOST_AUTO_TEST_CASE(names_of_devices_that_are_not_there_are_refused) {
  for (auto name :
       {"", "gpu", "cuda", "cuda:", "cuda:x", "cuda:-1", "cuda:99", "cuda:1000000", "cpu:0"})
    BOOST_TEST((memory_of(name).error().code == ec::bad_request));
}

BOOST_AUTO_TEST_CASE(a_load_names_a_device_or_precision_that_it_cannot_have) {
  std::vector files{test::file_of(LUNA_TEST_MODELS "/clip_l.safetensors")};
  auto facts = test::value(inspect_model(model_kind::text, files));
  BOOST_TEST((test::load_text_encoder(files, facts, {"cuda:99", "exact"}, {}).error().code
              == ec::bad_request));
  BOOST_TEST(
    (test::load_text_encoder(files, facts, {"cpu", "sloppy"}, {}).error().code == ec::bad_request));
  facts.served_by = nullptr;
  BOOST_TEST((load_model(files, facts, {}, {}).error().code == ec::unsupported_model));
}

BOOST_AUTO_TEST_SUITE_END()
