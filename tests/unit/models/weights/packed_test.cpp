// A linear layer whose weight is kept as fp16 computes in fp32 with exactly that weight, from half
// of the memory.
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linear.h>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <c10/core/InferenceMode.h>

#include <array>
#include <cmath>
#include <limits>
#include <ostream>

#include "base/safetensors.hpp"
#include "models/device.hpp"
#include "models/weights/convert.hpp"
#include "models/weights/packed.hpp"
#include "models/weights/tensors.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

namespace {

struct sizes {
  int64_t rows;
  int64_t columns;
};

std::ostream& operator<<(std::ostream& out, const sizes& x) {
  return out << x.rows << "x" << x.columns;
}

/// Whole blocks of the packed layout, of one and of many, and shapes that do not fill them.
constexpr std::array<sizes, 7> all_sizes{
  {{64, 64}, {192, 70}, {1280, 1280}, {832, 1280}, {128, 5120}, {37, 64}, {100, 70}}};

/// A layer in a file, and what is loaded from it.
struct fixture {
  test::temporary_folder folder;
  weight_memory memory{at::kCPU, uint64_t{64} << 20};
  c10::InferenceMode mode;

  packed_linear load(const tensor_block& weight, const tensor_block& bias) {
    auto path = folder / "layer.safetensors";
    test::write_text(
      path, write_safetensors(std::vector<named_tensor>{{"x.weight", weight}, {"x.bias", bias}}));
    auto file = test::file_of(path);
    auto opened = test::value(checkpoint::open({&file, 1}));
    run_context context;
    weight_reader reader{opened, context, 1, true};
    return test::value(
      packed_linear::load({{"x.weight", "x.bias"}}, reader, memory, weight.dim(0), weight.dim(1)));
  }
};

tensor_block weights_of(sizes s) {
  return test::noise({s.rows, s.columns}, 1, 1.0 / std::sqrt(s.columns));
}

} // namespace

BOOST_AUTO_TEST_SUITE(packed_test)

BOOST_DATA_TEST_CASE_F(fixture, the_product_is_that_of_the_fp16_weights,
                       boost::unit_test::data::make(all_sizes)
                         * boost::unit_test::data::make({1, 2, 3}),
                       s, threads) {
  init_worker_thread(threads);
  auto weight = weights_of(s);
  auto bias = test::noise({s.rows}, 2);
  auto layer = load(weight, bias);
  auto exact = view_of(weight).to(at::kHalf).to(at::kDouble);
  auto offset = view_of(bias).to(at::kHalf).to(at::kDouble);
  for (int64_t length : {1, 77, 154}) {
    auto values = test::noise({length, s.columns}, 3);
    auto x = view_of(values);
    auto want = at::linear(x.to(at::kDouble), exact, offset);
    BOOST_TEST(at::allclose(layer(x).to(at::kDouble), want, 1e-5, 1e-5), length << " rows");
  }
}

BOOST_DATA_TEST_CASE_F(fixture, the_number_of_threads_does_not_change_the_product,
                       boost::unit_test::data::make({sizes{1280, 1280}, sizes{128, 5120}}), s) {
  auto layer = load(weights_of(s), test::noise({s.rows}, 2));
  auto values = test::noise({77, s.columns}, 3);
  auto x = view_of(values);
  init_worker_thread(1);
  auto all = layer(x);
  init_worker_thread(3);
  BOOST_TEST(at::equal(layer(x), all));
}

BOOST_DATA_TEST_CASE_F(fixture, every_weight_is_kept_as_it_is,
                       boost::unit_test::data::make({sizes{64, 48}, sizes{37, 48}}), s) {
  auto values = test::values_of(weights_of(s));
  values[0] = 65504.0F;              // the largest that fp16 holds
  values[1] = std::ldexp(1.0F, -24); // the smallest
  values[2] = -std::ldexp(3.0F, -24);
  auto layer = load(test::floats({s.rows, s.columns}, values),
                    test::floats({s.rows}, std::vector<float>(static_cast<size_t>(s.rows))));
  auto got = layer(at::eye(s.columns, at::TensorOptions{}.dtype(at::kFloat)));
  auto want = view_of(test::floats({s.rows, s.columns}, values)).to(at::kHalf).to(at::kFloat);
  BOOST_TEST(at::equal(got, want.t()));
}

BOOST_FIXTURE_TEST_CASE(an_infinite_weight_stays_infinite, fixture) {
  sizes s{64, 48};
  auto values = test::values_of(weights_of(s));
  values[0] = std::numeric_limits<float>::infinity();
  auto layer = load(test::floats({s.rows, s.columns}, values), test::noise({s.rows}, 2));
  auto ones = test::floats({1, s.columns}, std::vector<float>(static_cast<size_t>(s.columns), 1));
  BOOST_TEST(std::isinf(layer(view_of(ones))[0][0].item<float>()));
}

BOOST_DATA_TEST_CASE_F(fixture, a_layer_keeps_two_bytes_a_weight,
                       boost::unit_test::data::make(all_sizes), s) {
  load(test::value(convert(weights_of(s), dtype::f16)), test::noise({s.rows}, 2));
  BOOST_TEST(memory.bytes() == static_cast<uint64_t>(2 * s.rows * s.columns + 4 * s.rows));
}

BOOST_AUTO_TEST_SUITE_END()
