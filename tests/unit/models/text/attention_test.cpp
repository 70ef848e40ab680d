#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "models/device.hpp"
#include "models/text/attention.hpp"
#include "models/weights/tensors.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

namespace {

struct shape {
  int64_t heads;
  int64_t queries;
  int64_t keys;
  int64_t width;
};

/// softmax(q k^T / sqrt(E) + mask) v by plain loops in double precision; rows of one head.
std::vector<double> reference(const shape& s, const std::vector<float>& q,
                              const std::vector<float>& k, const std::vector<float>& v, bool causal,
                              const std::vector<float>& mask) {
  auto at = [&](const std::vector<float>& x, int64_t rows, int64_t h, int64_t r, int64_t e) {
    return static_cast<double>(x[static_cast<size_t>((h * rows + r) * s.width + e)]);
  };
  std::vector<double> out;
  for (int64_t h = 0; h < s.heads; ++h)
    for (int64_t i = 0; i < s.queries; ++i) {
      std::vector<double> scores(static_cast<size_t>(s.keys), -INFINITY);
      for (int64_t j = 0; j < (causal ? i + 1 : s.keys); ++j) {
        double dot = 0;
        for (int64_t e = 0; e < s.width; ++e)
          dot += at(q, s.queries, h, i, e) * at(k, s.keys, h, j, e);
        scores[static_cast<size_t>(j)] = dot / std::sqrt(static_cast<double>(s.width));
        if (!mask.empty())
          scores[static_cast<size_t>(j)] += mask[static_cast<size_t>(i * s.keys + j)];
      }
      auto top = *std::max_element(scores.begin(), scores.end());
      double sum = 0;
      for (auto& x : scores)
        sum += x = std::exp(x - top);
      for (int64_t e = 0; e < s.width; ++e) {
        double value = 0;
        for (int64_t j = 0; j < s.keys; ++j)
          value += scores[static_cast<size_t>(j)] / sum * at(v, s.keys, h, j, e);
        out.push_back(value);
      }
    }
  return out;
}

double error_of(attention_mode mode, const shape& s, bool causal, bool masked) {
  auto block = [&](int64_t rows, uint64_t seed) {
    return test::noise({1, s.heads, rows, s.width}, seed);
  };
  auto q = block(s.queries, 1);
  auto k = block(s.keys, 2);
  auto v = block(s.keys, 3);
  auto mask = test::noise({1, 1, s.queries, s.keys}, 4);
  std::optional<at::Tensor> added;
  if (masked)
    added = view_of(mask);
  c10::InferenceMode guard;
  auto got =
    test::values_of(block_of(attention(view_of(q), view_of(k), view_of(v), causal, mode, added)));
  auto want = reference(s, test::values_of(q), test::values_of(k), test::values_of(v), causal,
                        masked ? test::values_of(mask) : std::vector<float>{});
  BOOST_REQUIRE_EQUAL(got.size(), want.size());
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i)
    worst = std::max(worst, std::abs(got[i] - want[i]));
  return worst;
}

constexpr attention_mode modes[]{attention_mode::automatic, attention_mode::flash,
                                 attention_mode::split, attention_mode::pytorch};

} // namespace

BOOST_AUTO_TEST_SUITE(attention_test)

BOOST_AUTO_TEST_CASE(every_mode_is_within_1e_5_of_double_precision) {
  init_worker_thread(1);
  for (auto mode : modes) {
    double worst = 0;
    for (auto& s :
         {shape{12, 77, 77, 64}, shape{2, 5, 300, 40}, shape{1, 64, 64, 512}, shape{1, 1, 1, 8}})
      for (auto masked : {false, true})
        worst = std::max(worst, error_of(mode, s, false, masked));
    for (auto& s : {shape{12, 77, 77, 64}, shape{1, 130, 130, 16}})
      worst = std::max(worst, error_of(mode, s, true, false));
    std::cout << "attention " << to_string(mode) << ": largest error " << worst
              << ", tolerance 1e-5\n";
    BOOST_TEST(worst <= 1e-5);
  }
}

BOOST_AUTO_TEST_CASE(split_really_splits_and_still_agrees) {
  // 8 heads of 2,400 x 2,400 scores are 184 MB: several slices of at most 64 MiB.
  shape s{8, 2400, 2400, 8};
  auto q = test::noise({1, s.heads, s.queries, s.width}, 1);
  c10::InferenceMode guard;
  for (auto causal : {false, true}) {
    auto run = [&](attention_mode mode) {
      return block_of(attention(view_of(q), view_of(q), view_of(q), causal, mode));
    };
    BOOST_TEST(test::largest_error(run(attention_mode::split), run(attention_mode::flash)) <= 1e-5);
  }
}

BOOST_AUTO_TEST_CASE(a_cpu_has_every_mode) {
  for (auto mode : modes)
    BOOST_TEST(supports_attention("cpu", mode).has_value());
  BOOST_TEST((supports_attention("tpu:0", attention_mode::flash).error().code == ec::bad_request));
}

BOOST_AUTO_TEST_SUITE_END()
