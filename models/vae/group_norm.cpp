#include "models/vae/group_norm.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/group_norm.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace luna::models {

namespace {

constexpr int64_t groups = 32;
constexpr double epsilon = 1e-6;
constexpr int64_t lane = 16;   ///< channels of a cache line
constexpr int64_t chunk = 512; ///< places that are summed in single precision

/// Sums and sums of squares of `places` places by channel, of what lies above the plane's first
/// place: single precision has nothing to lose where a channel's mean is large beside its spread.
/// @pre `lane` divides `channels`.
void add_up(const float* x, const float* first, int64_t places, int64_t channels, float* sums,
            float* squares) {
  for (int64_t c = 0; c < channels; c += lane) {
    std::array<float, lane> base{};
    std::array<float, lane> sum{};
    std::array<float, lane> square{};
    std::copy_n(first + c, lane, base.begin());
    for (int64_t i = 0; i < places; ++i)
      for (size_t j = 0; j < lane; ++j) {
        auto value = x[i * channels + c + static_cast<int64_t>(j)] - base[j];
        sum[j] += value;
        square[j] += value * value;
      }
    std::copy_n(sum.begin(), lane, sums + c);
    std::copy_n(square.begin(), lane, squares + c);
  }
}

struct moments {
  double mean = 0;
  double spread = 0; ///< sum of squared distances from the mean
  double count = 0;

  /// Two sets as one, without the difference of large squares.
  void join(const moments& other) {
    auto both = count + other.count;
    auto distance = other.mean - mean;
    spread += other.spread + distance * distance * count * other.count / both;
    mean += distance * other.count / both;
    count = both;
  }
};

/// By channel.
std::vector<moments> moments_of(const at::Tensor& x) {
  auto channels = x.size(1);
  auto places = x.size(2) * x.size(3);
  auto chunks = (places + chunk - 1) / chunk;
  std::vector<float> parts(static_cast<size_t>(chunks * channels * 2));
  auto* values = x.const_data_ptr<float>();
  at::parallel_for(0, chunks, 8, [&](int64_t begin, int64_t end) {
    for (auto i = begin; i < end; ++i) {
      auto* part = parts.data() + i * channels * 2;
      add_up(values + i * chunk * channels, values, std::min(chunk, places - i * chunk), channels,
             part, part + channels);
    }
  });
  std::vector<double> sums(static_cast<size_t>(2 * channels));
  for (int64_t i = 0; i < chunks; ++i)
    for (size_t c = 0; c < sums.size(); ++c)
      sums[c] += parts[static_cast<size_t>(i) * sums.size() + c];
  std::vector<moments> all;
  auto count = static_cast<double>(places);
  for (size_t c = 0; c < static_cast<size_t>(channels); ++c) {
    auto mean = sums[c] / count;
    auto square = sums[static_cast<size_t>(channels) + c];
    all.push_back(
      {mean + static_cast<double>(values[c]), std::max(square - mean * mean * count, 0.0), count});
  }
  return all;
}

} // namespace

result<group_norm> group_norm::load(const std::string& name, weight_reader& reader,
                                    weight_memory& memory, at::ScalarType type) {
  group_norm made;
  auto weight = reader.load(name + ".weight", memory, type);
  if (!weight)
    return fail(weight);
  auto bias = reader.load(name + ".bias", memory, type);
  if (!bias)
    return fail(bias);
  made.weight_ = *weight;
  made.bias_ = *bias;
  return made;
}

at::Tensor group_norm::operator()(const at::Tensor& x) const {
  if (!x.device().is_cpu())
    return at::group_norm(x, groups, weight_, bias_, epsilon);
  auto [scale, shift] = line_of(x);
  auto out = at::empty_like(x);
  return at::addcmul_out(out, shift, x, scale);
}

group_norm::line group_norm::line_of(const at::Tensor& x) const {
  TORCH_CHECK(x.size(0) == 1 && x.is_contiguous(at::MemoryFormat::ChannelsLast)
                && x.scalar_type() == at::kFloat,
              "group_norm wants one fp32 image with channels last");
  auto channels = x.size(1);
  TORCH_CHECK(channels % groups == 0, "32 groups do not divide ", channels, " channels");
  auto members = channels / groups;
  auto by_channel = moments_of(x);
  line made{at::empty({1, channels, 1, 1}, x.options()),
            at::empty({1, channels, 1, 1}, x.options())};
  auto* scale = made.scale.mutable_data_ptr<float>();
  auto* shift = made.shift.mutable_data_ptr<float>();
  auto* weight = weight_.const_data_ptr<float>();
  auto* bias = bias_.const_data_ptr<float>();
  for (int64_t group = 0; group < groups; ++group) {
    moments all;
    for (auto c = group * members; c < (group + 1) * members; ++c)
      all.join(by_channel[static_cast<size_t>(c)]);
    auto inverse = 1.0 / std::sqrt(all.spread / all.count + epsilon);
    for (auto c = group * members; c < (group + 1) * members; ++c) {
      auto factor = inverse * static_cast<double>(weight[c]);
      scale[c] = static_cast<float>(factor);
      shift[c] = static_cast<float>(static_cast<double>(bias[c]) - all.mean * factor);
    }
  }
  return made;
}

} // namespace luna::models
