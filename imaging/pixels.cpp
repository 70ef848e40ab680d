#include "imaging/pixels.hpp"

#include <memory>
#include <vector>

#include "imaging/target_clones.hpp"

namespace luna::imaging {

namespace {

/// NaN fails the first comparison and becomes 0.
LUNA_TARGET_CLONES
void truncate(const float* from, uint8_t* to, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    float x = from[i] * 255.0F;
    x = x > 0.0F ? x : 0.0F;
    x = x < 255.0F ? x : 255.0F;
    to[i] = static_cast<uint8_t>(static_cast<int32_t>(x));
  }
}

} // namespace

result<picture_shape> picture_shape_of(const tensor_block& pictures) {
  if (pictures.type() != dtype::f32 && pictures.type() != dtype::u8)
    return fail(ec::bad_request, "has the type " + std::string{to_string(pictures.type())}
                                   + ", pictures are f32 or u8");
  const auto& shape = pictures.shape();
  picture_shape found;
  if (shape.size() == 3)
    found = {1, shape[0], shape[1], shape[2]};
  else if (shape.size() == 4)
    found = {shape[0], shape[1], shape[2], shape[3]};
  const bool channels = found.channels == 1 || found.channels == 3 || found.channels == 4;
  if (found.count < 1 || found.height < 1 || found.width < 1 || !channels)
    return fail(ec::bad_request,
                "has the shape " + format_shape(shape)
                  + ", pictures are [H, W, C] or [B, H, W, C] with 1, 3 or 4 channels");
  return found;
}

tensor_block picture_of(const tensor_block& pictures, int64_t row) {
  if (pictures.rank() == 3)
    return pictures;
  const auto count = static_cast<size_t>(pictures.dim(0));
  const size_t bytes = pictures.size_bytes() / count;
  return {pictures.type(),
          {pictures.dim(1), pictures.dim(2), pictures.dim(3)},
          pictures.bytes().subspan(static_cast<size_t>(row) * bytes, bytes),
          pictures.owner()};
}

tensor_block to_u8(const tensor_block& pictures) {
  if (pictures.type() == dtype::u8)
    return pictures;
  const auto from = pictures.as<float>();
  auto bytes = std::make_shared_for_overwrite<std::byte[]>(from.size());
  truncate(from.data(), reinterpret_cast<uint8_t*>(bytes.get()), from.size());
  const std::span<const std::byte> view{bytes.get(), from.size()};
  return {dtype::u8, pictures.shape(), view, std::move(bytes)};
}

} // namespace luna::imaging
