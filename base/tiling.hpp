#pragma once

#include <cstdint>

namespace luna {

enum class tiling_mode : uint8_t {
  automatic, ///< tile if the memory does not suffice otherwise
  on,
  off,
};

enum class tiling_method : uint8_t {
  automatic, ///< "exact" where it is built, else "comfyui"
  exact,     ///< equal to the untiled result; not built yet: `bad_request`
  comfyui,   ///< three overlapping passes of different tile shapes, averaged
};

/// How an image is cut. Sizes are in pixels for encode and in latents for decode.
struct vae_tiling {
  tiling_mode mode = tiling_mode::automatic;
  tiling_method method = tiling_method::automatic;
  int32_t tile_width = 0;  ///< 0: 512 pixels, 64 latents
  int32_t tile_height = 0; ///< the same
  int32_t overlap = -1;    ///< -1: 64 pixels, 16 latents
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, vae_tiling& x) {
  return f(x.mode, x.method, x.tile_width, x.tile_height, x.overlap);
}

/// How an image was cut.
struct tiling_report {
  bool tiled = false;
  int32_t tiles = 0; ///< nets run over tiles, all passes and images together; 0 if not tiled

  friend bool operator==(const tiling_report&, const tiling_report&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tiling_report& x) {
  return f(x.tiled, x.tiles);
}

} // namespace luna
