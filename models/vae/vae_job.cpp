#include "models/vae/vae_job.hpp"

#include <algorithm>
#include <string>

#include "models/family.hpp"

namespace luna::models {

namespace {

constexpr int default_tile_pixels = 512;
constexpr int default_overlap_pixels = 64;
constexpr int default_tile_latents = 64;
constexpr int default_overlap_latents = 16;
constexpr int max_tile = 1 << 16;
constexpr int64_t max_side = 1 << 16; ///< pixels

bool is_number(dtype type) {
  return type == dtype::f32 || type == dtype::f16 || type == dtype::bf16;
}

auto wrong(std::string_view name, const tensor_block& tensor, std::string what) {
  return fail(ec::bad_request, "'" + std::string{name} + "' has the type "
                                 + std::string{to_string(tensor.type())} + " and the shape "
                                 + format_shape(tensor.shape()) + "; " + std::move(what));
}

result<void> check_pixels(const model_facts& facts, const tensor_block& pixels) {
  if ((pixels.rank() != 3 && pixels.rank() != 4)
      || (!is_number(pixels.type()) && pixels.type() != dtype::u8))
    return wrong("pixels", pixels, "[B, H, W, C] or [H, W, C] of f32, f16, bf16 or u8 is needed");
  auto plane = plane_of(vae_direction::encode, pixels.shape());
  if (plane.count < 1 || pixels.shape().back() < 3)
    return wrong("pixels", pixels, "at least one image of three channels is needed");
  auto least = int64_t{facts.downscale_ratio};
  if (plane.height < least || plane.width < least || plane.height > max_side
      || plane.width > max_side)
    return wrong("pixels", pixels,
                 "sides of " + std::to_string(least) + " to " + std::to_string(max_side)
                   + " pixels are needed");
  return {};
}

result<void> check_latents(const model_facts& facts, const tensor_block& latents) {
  if ((latents.rank() != 4 && latents.rank() != 5) || !is_number(latents.type()))
    return wrong("latents", latents, "[B, C, h, w] of f32, f16 or bf16 is needed");
  if (latents.dim(1) != facts.latent_channels)
    return fail(ec::model_mismatch, "'latents' has " + std::to_string(latents.dim(1))
                                      + " channels, but a model of family " + facts.family
                                      + " reads " + std::to_string(facts.latent_channels));
  auto plane = plane_of(vae_direction::decode, latents.shape());
  auto most = max_side / facts.upscale_ratio;
  auto frames = latents.rank() == 5 ? latents.dim(2) : 1;
  if (plane.count < 1 || frames < 1 || plane.height < 1 || plane.width < 1 || plane.height > most
      || plane.width > most)
    return wrong("latents", latents,
                 "at least one latent with sides of 1 to " + std::to_string(most) + " is needed");
  return {};
}

} // namespace

plane plane_of(vae_direction direction, std::span<const int64_t> input) {
  if (direction == vae_direction::decode)
    return {input[0], input[input.size() - 2], input[input.size() - 1]};
  if (input.size() == 3)
    return {1, input[0], input[1]};
  return {input[0], input[1], input[2]};
}

result<void> check_vae_job(const model_facts& facts, vae_direction direction, const vae_job& job) {
  auto ok = direction == vae_direction::encode ? check_pixels(facts, job.input)
                                               : check_latents(facts, job.input);
  if (!ok)
    return ok;
  if (auto tiling = resolve_tiling(facts, direction, job.tiling); !tiling)
    return fail(tiling);
  return {};
}

std::vector<int64_t> vae_output_shape(const model_facts& facts, vae_direction direction,
                                      std::span<const int64_t> input) {
  auto plane = plane_of(direction, input);
  if (direction == vae_direction::encode)
    return {plane.count, facts.latent_channels, plane.height / facts.downscale_ratio,
            plane.width / facts.downscale_ratio};
  return {plane.count, plane.height * facts.upscale_ratio, plane.width * facts.upscale_ratio,
          facts.output_channels};
}

result<vae_tiling> resolve_tiling(const model_facts& facts, vae_direction direction,
                                  const vae_tiling& asked) {
  auto encode = direction == vae_direction::encode;
  auto tiling = asked;
  if (tiling.method == tiling_method::exact)
    return fail(ec::bad_request, "tiled_method 'exact' is not built yet: leave it out or say"
                                 " 'comfyui'");
  tiling.method = tiling_method::comfyui;
  if (tiling.tile_width == 0)
    tiling.tile_width = encode ? default_tile_pixels : default_tile_latents;
  if (tiling.tile_height == 0)
    tiling.tile_height = encode ? default_tile_pixels : default_tile_latents;
  // The passes halve and double the sides, and every cut has to fall between two latents.
  auto unit = encode ? facts.downscale_ratio : 1;
  auto shorter = std::min(tiling.tile_width, tiling.tile_height);
  for (auto side : {tiling.tile_width, tiling.tile_height})
    if (side < 4 * unit || side > max_tile || side % (2 * unit) != 0)
      return fail(ec::bad_request, "tile_size " + std::to_string(side) + " is not a multiple of "
                                     + std::to_string(2 * unit) + " from "
                                     + std::to_string(4 * unit) + " to "
                                     + std::to_string(max_tile));
  if (tiling.overlap < 0) {
    tiling.overlap = encode ? default_overlap_pixels : default_overlap_latents;
    tiling.overlap = std::min(tiling.overlap, shorter / 4 / unit * unit);
  }
  if (tiling.overlap % unit != 0 || tiling.overlap >= shorter / 2)
    return fail(ec::bad_request, "overlap " + std::to_string(tiling.overlap)
                                   + " is not a multiple of " + std::to_string(unit)
                                   + " below half of tile_size " + std::to_string(shorter));
  return tiling;
}

uint64_t net_working_bytes(const model_facts& facts, vae_direction direction, int64_t height,
                           int64_t width) {
  return facts.served_by->vae->net_bytes(facts, direction, height, width);
}

uint64_t bytes_at_full_size(const model_facts& facts, vae_direction direction, int64_t height,
                            int64_t width, int channels, unsigned planes) {
  auto scale = direction == vae_direction::encode ? 1 : facts.upscale_ratio;
  auto pixels = static_cast<uint64_t>(height * scale) * static_cast<uint64_t>(width * scale);
  constexpr uint64_t scratch = uint64_t{64} << 20; // the libraries' own buffers
  return pixels * static_cast<uint64_t>(channels) * 4 * planes + scratch;
}

namespace {

uint64_t tile_bytes(const model_facts& facts, vae_direction direction, const plane& plane,
                    int64_t height, int64_t width) {
  return net_working_bytes(facts, direction, std::min(plane.height, height),
                           std::min(plane.width, width));
}

} // namespace

uint64_t estimate_working_bytes(const model_facts& facts, vae_direction direction,
                                const vae_job& job) {
  auto plane = plane_of(direction, job.input.shape());
  auto shape = vae_output_shape(facts, direction, job.input.shape());
  auto result_bytes = element_count(shape).value_or(0) * 4;
  auto tiling = resolve_tiling(facts, direction, job.tiling);
  if (job.tiling.mode != tiling_mode::on || !tiling)
    return job.input.size_bytes() + result_bytes
         + net_working_bytes(facts, direction, plane.height, plane.width);
  // Per image: the sum of the passes, one pass and its weights, beside one tile in the net. All
  // passes' tiles have the same area.
  auto planes = result_bytes / static_cast<uint64_t>(plane.count) * 3;
  auto tile =
    std::max({tile_bytes(facts, direction, plane, 2 * tiling->tile_height, tiling->tile_width / 2),
              tile_bytes(facts, direction, plane, tiling->tile_height / 2, 2 * tiling->tile_width),
              tile_bytes(facts, direction, plane, tiling->tile_height, tiling->tile_width)});
  return job.input.size_bytes() + result_bytes + planes + tile;
}

} // namespace luna::models
