// A linear layer whose weight is kept as fp16 answers what the repacked fp32 weight answered, bit
// for bit, from half of the memory.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <c10/core/InferenceMode.h>

#include <array>
#include <cmath>

#include "messages/safetensors.hpp"
#include "models/convert.hpp"
#include "models/device.hpp"
#include "models/packed.hpp"
#include "models/packing.hpp"
#include "models/tensors.hpp"
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

/// One part and many, with a shorter last one, a depth that oneDNN cuts, and shapes that its layout
/// would pad.
constexpr std::array<sizes, 7> all_sizes{
  {{64, 64}, {192, 64}, {1280, 1280}, {832, 1280}, {128, 5120}, {37, 64}, {100, 70}}};

/// A layer of noise in a file, and what is loaded from it.
struct fixture {
  test::temporary_folder folder;
  weight_memory memory{at::kCPU, uint64_t{64} << 20};
  weight_windows windows;
  c10::InferenceMode mode;

  /// What the file has, rounded as "exact" says.
  at::Tensor weight;
  at::Tensor bias;

  packed_linear load(sizes s, dtype type, int threads) {
    init_worker_thread(threads);
    auto block = test::noise({s.rows, s.columns}, 1, 1.0 / std::sqrt(s.columns));
    auto offsets = test::noise({s.rows}, 2);
    weight = view_of(block).to(at::kHalf).to(at::kFloat);
    bias = view_of(offsets).to(at::kHalf).to(at::kFloat);
    auto path = folder / "layer.safetensors";
    test::write_text(path,
                     write_safetensors(std::vector<named_tensor>{
                       {"x.weight", test::value(convert(block, type))}, {"x.bias", offsets}}));
    auto file = test::file_of(path);
    auto opened = test::value(checkpoint::open({&file, 1}));
    run_context context;
    weight_reader reader{opened, context, 1, true};
    return test::value(
      packed_linear::load({{"x.weight", "x.bias"}}, reader, memory, windows, s.rows, s.columns));
  }

  /// As it was before: the whole weight repacked as fp32.
  at::Tensor repacked(const at::Tensor& x) const {
    auto& calls = c10::Dispatcher::singleton();
    torch::jit::Stack pack{weight, c10::IValue{}};
    calls.findSchemaOrThrow("mkldnn::_reorder_linear_weight", "").callBoxed(&pack);
    torch::jit::Stack multiply{
      x, pack.front(), bias, "none", c10::List<std::optional<at::Scalar>>{}, ""};
    calls.findSchemaOrThrow("mkldnn::_linear_pointwise", "").callBoxed(&multiply);
    return multiply.front().toTensor();
  }
};

bool is_padded(sizes s) {
  return s.rows % 64 != 0 || s.columns % 16 != 0;
}

} // namespace

BOOST_AUTO_TEST_SUITE(packed_test)

BOOST_DATA_TEST_CASE_F(fixture, fp16_weights_give_the_product_of_repacked_fp32_ones,
                       boost::unit_test::data::make(all_sizes)
                         * boost::unit_test::data::make({1, 2, 3}),
                       s, threads) {
  auto layer = load(s, dtype::f32, threads);
  for (int64_t length : {1, 77, 154}) {
    auto x = at::randn({length, s.columns});
    auto got = layer(x);
    if (is_padded(s))
      BOOST_TEST(at::allclose(got, at::linear(x, weight, bias), 1e-5, 1e-5));
    else
      BOOST_TEST(at::equal(got, repacked(x)), "other bits for " << length << " rows");
    BOOST_TEST(at::equal(layer(x), got));
  }
}

BOOST_DATA_TEST_CASE_F(fixture, a_layer_keeps_two_bytes_a_weight,
                       boost::unit_test::data::make(all_sizes), s) {
  load(s, dtype::f16, 2);
  BOOST_TEST(memory.bytes() == static_cast<uint64_t>(2 * s.rows * s.columns + 4 * s.rows));
}

BOOST_AUTO_TEST_CASE(parts_are_whole_blocks_and_leave_no_thread_out) {
  for (int64_t threads : {1, 2, 3, 16, 128})
    for (int64_t rows : {64, 320, 768, 1280, 3840, 5120})
      for (int64_t columns : {64, 768, 1280, 5120}) {
        auto part = part_rows(rows, columns, threads);
        BOOST_TEST_CONTEXT(rows << "x" << columns << " on " << threads) {
          BOOST_TEST(part % 64 == 0);
          BOOST_TEST(part <= rows);
          BOOST_TEST((part == 64 || part * columns <= 420000));
          BOOST_TEST((part - 64) * threads < rows); // no thread has more than its share in blocks
        }
      }
}

BOOST_AUTO_TEST_SUITE_END()
