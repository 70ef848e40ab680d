// The layers of the KL autoencoder, which work in strips and in place, against libtorch's plain
// operators on whole planes.
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <boost/test/unit_test.hpp>
#include <c10/core/InferenceMode.h>

#include <atomic>

#include "base/safetensors.hpp"
#include "models/device.hpp"
#include "models/vae/kl_layers.hpp"
#include "models/vae/strips.hpp"
#include "models/weights/tensors.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

namespace {

struct sides {
  int64_t height;
  int64_t width;
};

/// From one row to planes of many strips.
constexpr std::array<sides, 5> all_sides{{{1, 1}, {2, 3}, {7, 5}, {64, 32}, {130, 66}}};

/// Weights of noise in a file, and what is loaded from it.
struct fixture {
  test::temporary_folder folder;
  std::vector<named_tensor> tensors;
  weight_memory memory{at::kCPU, uint64_t{64} << 20};
  c10::InferenceMode mode;

  fixture() { init_worker_thread(2); }

  void add(const std::string& name, std::vector<int64_t> shape, double size, double middle = 0) {
    auto values = test::values_of(test::noise(shape, tensors.size() + 1, size));
    for (auto& x : values)
      x += static_cast<float>(middle);
    tensors.push_back({name, test::floats(std::move(shape), values)});
  }

  void add_convolution(const std::string& name, int64_t out, int64_t in, int64_t side) {
    add(name + ".weight", {out, in, side, side}, 1.0 / std::sqrt(in * side * side));
    add(name + ".bias", {out}, 0.5);
  }

  void add_norm(const std::string& name, int64_t channels) {
    add(name + ".weight", {channels}, 0.2, 1.0);
    add(name + ".bias", {channels}, 0.2);
  }

  at::Tensor tensor(const std::string& name) const { return view_of(*find_tensor(tensors, name)); }

  /// Loads with a reader over the tensors so far.
  template <class Function>
  auto load(Function function) {
    test::write_text(folder / "weights.safetensors", write_safetensors(tensors));
    std::vector files{test::file_of(folder / "weights.safetensors")};
    auto file = test::value(checkpoint::open(files));
    run_context context;
    weight_reader reader{file, context, 1, false};
    return test::value(function(reader));
  }

  normed_convolution load_normed(const std::string& name, int64_t out, int64_t in) {
    return load([&](weight_reader& reader) -> result<normed_convolution> {
      auto norm = group_norm::load(name + ".norm", reader, memory, at::kFloat);
      if (!norm)
        return fail(norm);
      auto conv = convolution::load(name + ".conv", reader, memory, {out, in, 3, 3}, at::kFloat);
      if (!conv)
        return fail(conv);
      return normed_convolution{*norm, *conv};
    });
  }

  at::Tensor plain_normed(const std::string& name, const at::Tensor& x) const {
    auto inner = at::silu(
      at::group_norm(x, 32, tensor(name + ".norm.weight"), tensor(name + ".norm.bias"), 1e-6));
    return plain_convolution(name + ".conv", inner);
  }

  at::Tensor plain_convolution(const std::string& name, const at::Tensor& x) const {
    auto weight = tensor(name + ".weight");
    auto side = weight.size(2) / 2;
    return at::conv2d(x, weight, tensor(name + ".bias"), {1, 1}, {side, side});
  }

  /// Values about one, on a plane whose mean is not zero.
  static at::Tensor plane(int64_t channels, sides size) {
    auto block = test::noise({1, channels, size.height, size.width}, 9);
    return view_of(block).add(0.7).contiguous(at::MemoryFormat::ChannelsLast);
  }
};

void check_close(const at::Tensor& got, const at::Tensor& want, const std::string& what) {
  BOOST_REQUIRE(got.sizes() == want.sizes());
  auto error = got.sub(want).abs().max().item<double>();
  BOOST_CHECK_MESSAGE(error <= 2e-5, what << " of " << want.size(2) << "x" << want.size(3)
                                          << " is off by " << error);
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(kl_layers_test, fixture)

BOOST_AUTO_TEST_CASE(strips_cover_every_row_once) {
  for (int64_t rows : {1, 3, 8, 61, 512})
    for (int64_t row_bytes : {1, 1 << 10, 1 << 18, 1 << 22}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(rows));
      for_each_strip(rows, row_bytes, [&](strip s) {
        for (auto i = s.first; i < s.first + s.count; ++i)
          ++seen.at(static_cast<size_t>(i));
      });
      for (auto& x : seen)
        BOOST_REQUIRE(x == 1);
    }
}

BOOST_AUTO_TEST_CASE(an_error_in_a_strip_comes_out) {
  auto fails = [] { for_each_strip(64, 1 << 20, [](strip) { TORCH_CHECK(false, "no"); }); };
  BOOST_CHECK_THROW(fails(), c10::Error);
  auto no_memory = [] { for_each_strip(64, 1 << 20, [](strip) { throw std::bad_alloc{}; }); };
  BOOST_CHECK_THROW(no_memory(), std::bad_alloc);
}

BOOST_AUTO_TEST_CASE(a_normalised_convolution_equals_its_three_operators) {
  add_norm("a.norm", 64);
  add_convolution("a.conv", 96, 64, 3);
  auto layer = load_normed("a", 96, 64);
  for (auto size : all_sides) {
    auto x = plane(64, size);
    auto want = plain_normed("a", x);
    check_close(layer(x), want, "the result");
    auto sum = plane(96, size);
    auto before = sum.clone();
    layer.add_to(sum, x);
    check_close(sum, want.add(before), "the sum");
  }
}

BOOST_AUTO_TEST_CASE(a_block_adds_its_shortcut) {
  for (auto name : {"a", "b", "c"}) {
    add_norm(std::string{name} + ".norm", 64);
    add_convolution(std::string{name} + ".conv", 64, 64, 3);
  }
  add_norm("d.norm", 64);
  add_convolution("d.conv", 32, 64, 3);
  add_norm("e.norm", 32);
  add_convolution("e.conv", 32, 32, 3);
  add_convolution("short", 32, 64, 1);
  kl_block same{load_normed("a", 64, 64), load_normed("b", 64, 64), std::nullopt};
  kl_block narrower{load_normed("d", 32, 64), load_normed("e", 32, 32),
                    load([&](weight_reader& reader) {
                      return convolution::load("short", reader, memory, {32, 64, 1, 1}, at::kFloat);
                    })};
  for (auto size : all_sides) {
    auto x = plane(64, size);
    auto want = plain_normed("b", plain_normed("a", x)).add(x);
    check_close(same(x.clone()), want, "a block");
    want = plain_normed("e", plain_normed("d", x)).add(plain_convolution("short", x));
    check_close(narrower(x), want, "a block with a shortcut");
  }
}

BOOST_AUTO_TEST_CASE(doubling_equals_upsampling_and_a_convolution) {
  add_convolution("up", 48, 48, 3);
  auto layer = load([&](weight_reader& reader) {
    return doubling_convolution::load("up", reader, memory, 48, at::kFloat);
  });
  for (auto size : all_sides) {
    auto x = plane(48, size);
    auto doubled = at::upsample_nearest2d(x, {2 * size.height, 2 * size.width});
    check_close(layer(x), plain_convolution("up", doubled), "the doubled plane");
  }
}

BOOST_AUTO_TEST_CASE(halving_equals_a_padded_convolution_of_stride_two) {
  add_convolution("down", 48, 32, 3);
  halving_convolution layer{load([&](weight_reader& reader) {
    return convolution::load("down", reader, memory, {48, 32, 3, 3}, at::kFloat, {2, 0});
  })};
  for (auto size : {sides{2, 2}, {4, 6}, {64, 32}, {130, 66}}) {
    auto x = plane(32, size);
    auto want = at::conv2d(at::constant_pad_nd(x, {0, 1, 0, 1}), tensor("down.weight"),
                           tensor("down.bias"), {2, 2});
    check_close(layer(x), want, "the halved plane");
  }
}

BOOST_AUTO_TEST_SUITE_END()
