#include "actors/gateway/commands/answer_json.hpp"

#include <utility>

namespace luna::commands {

protocol::json to_json(const std::vector<warning>& warnings) {
  auto list = protocol::json::array();
  for (auto& x : warnings) {
    protocol::json entry{{"code", x.code}, {"message", x.message}};
    if (x.count > 0)
      entry["count"] = x.count;
    list.push_back(std::move(entry));
  }
  return list;
}

void add_description(protocol::json& header, const model_description& x) {
  header["family"] = x.family;
  header["type"] = x.type;
  header["hash"] = x.hash;
  if (x.kind == model_kind::vae) {
    header["latent_channels"] = x.latent_channels;
    header["latent_dim"] = x.latent_dim;
    header["downscale_ratio"] = x.downscale_ratio;
    header["upscale_ratio"] = x.upscale_ratio;
    header["output_channels"] = x.output_channels;
  } else {
    header["token_keys"] = x.token_keys;
    header["layers"] = x.layers;
  }
  header["weight_keys"] = x.weight_keys;
}

void add_tiling(protocol::json& header, const tiling_report& x) {
  header["tiled"] = x.tiled;
  header["tiles"] = x.tiles;
}

} // namespace luna::commands
