#pragma once

#include "base/tiling.hpp"
#include "models/work.hpp"

// The kinds of work that VAEs do. Their attributes are a tiling_report.

namespace luna::models {

/// vae_encode: the tensor "pixels" becomes "latents".
result<prepared_work> prepare_vae_encode(const vae_tiling& tiling, const preparation& request);

/// vae_decode: the tensor "latents" becomes "images".
result<prepared_work> prepare_vae_decode(const vae_tiling& tiling, const preparation& request);

} // namespace luna::models
