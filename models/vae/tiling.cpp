#include "models/vae/tiling.hpp"

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <vector>

namespace luna::models {

namespace {

struct extent {
  int64_t begin;
  int64_t size;
};

struct tile_shape {
  int64_t height;
  int64_t width;
};

std::array<tile_shape, 3> passes(const vae_tiling& tiling) {
  int64_t height = tiling.tile_height;
  int64_t width = tiling.tile_width;
  return {{{height * 2, width / 2}, {height / 2, width * 2}, {height, width}}};
}

/// Where tiles of one axis lie: every (tile - overlap), the last one moved back inside.
std::vector<extent> cut(int64_t size, int64_t tile, int64_t overlap) {
  if (size <= tile)
    return {{0, size}};
  std::vector<extent> extents;
  for (int64_t at = 0; at < size - overlap; at += tile - overlap)
    extents.push_back({at, std::min(tile, size - at)});
  return extents;
}

/// The weights of a tile: 1 inside, falling linearly over `feather` pixels towards all four sides.
/// Image borders fall too; the division by the sum of weights cancels that.
at::Tensor ramps(int64_t height, int64_t width, int64_t feather) {
  auto mask = at::ones({1, 1, height, width}, at::TensorOptions{}.dtype(at::kFloat));
  for (int64_t axis : {2, 3}) {
    auto size = mask.size(axis);
    if (feather >= size)
      continue;
    for (int64_t t = 0; t < feather; ++t) {
      auto weight = static_cast<double>(t + 1) / static_cast<double>(feather);
      mask.narrow(axis, t, 1).mul_(weight);
      mask.narrow(axis, size - 1 - t, 1).mul_(weight);
    }
  }
  return mask;
}

result<at::Tensor> run_pass(const tiled_net& net, const at::Tensor& image, tile_shape tile,
                            int64_t overlap, ticker& ticker) {
  auto scaled = [&](int64_t x) { return x * net.up / net.down; };
  auto run = [&](const at::Tensor& part) -> result<at::Tensor> {
    auto out = net.run(part);
    if (!out)
      return out;
    if (!ticker.tick())
      return cancelled();
    return out->to(at::kCPU, at::kFloat);
  };
  auto rows = cut(image.size(2), tile.height, overlap);
  auto columns = cut(image.size(3), tile.width, overlap);
  if (rows.size() == 1 && columns.size() == 1)
    return run(image);
  auto options = at::TensorOptions{}.dtype(at::kFloat);
  auto height = scaled(image.size(2));
  auto width = scaled(image.size(3));
  auto sum = at::zeros({1, net.channels, height, width}, options);
  auto weights = at::zeros({1, 1, height, width}, options);
  for (auto& row : rows)
    for (auto& column : columns) {
      auto out = run(image.narrow(2, row.begin, row.size).narrow(3, column.begin, column.size));
      if (!out)
        return out;
      auto mask = ramps(out->size(2), out->size(3), scaled(overlap));
      auto place = [&](const at::Tensor& x) {
        return x.narrow(2, scaled(row.begin), out->size(2))
          .narrow(3, scaled(column.begin), out->size(3));
      };
      place(sum).add_(out->mul(mask));
      place(weights).add_(mask);
    }
  return sum.div_(weights);
}

} // namespace

uint64_t count_tiles(const vae_tiling& tiling, int64_t height, int64_t width) {
  uint64_t count = 0;
  for (auto& tile : passes(tiling))
    count += cut(height, tile.height, tiling.overlap).size()
           * cut(width, tile.width, tiling.overlap).size();
  return count;
}

result<at::Tensor> run_tiled(const tiled_net& net, const at::Tensor& image,
                             const vae_tiling& tiling, ticker& ticker) {
  at::Tensor sum;
  for (auto& tile : passes(tiling)) {
    auto pass = run_pass(net, image, tile, tiling.overlap, ticker);
    if (!pass)
      return pass;
    sum = sum.defined() ? sum.add_(*pass) : *pass;
  }
  return sum.div_(3.0);
}

} // namespace luna::models
