#include "imaging/pixels.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/non_finite.hpp"
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

/// Floats that the first cache holds until they are used again.
constexpr size_t step = 4096;

LUNA_TARGET_CLONES
void truncate_to_16(const float* from, uint16_t* to, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    float x = from[i] * 65535.0F;
    x = x > 0.0F ? x : 0.0F;
    x = x < 65535.0F ? x : 65535.0F;
    to[i] = static_cast<uint16_t>(static_cast<int32_t>(x));
  }
}

/// A block of `n` elements that `fill` writes.
template <class T, class Fill>
tensor_block made(dtype type, std::vector<int64_t> shape, size_t n, const Fill& fill) {
  auto bytes = std::make_shared_for_overwrite<std::byte[]>(n * sizeof(T));
  fill(reinterpret_cast<T*>(bytes.get()));
  const std::span<const std::byte> view{bytes.get(), n * sizeof(T)};
  return {type, std::move(shape), view, std::move(bytes)};
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

result<picture_shape> shape_of_u8_picture(const tensor_block& picture, std::string_view format,
                                          int64_t largest_side) {
  const auto shape = picture_shape_of(picture);
  if (!shape)
    return fail(shape.error().code, "the picture " + shape.error().message);
  if (picture.type() != dtype::u8 || picture.rank() != 3)
    return fail(ec::bad_request,
                "a " + std::string{format} + " file is made of one u8 picture [H, W, C]");
  if (shape->height > largest_side || shape->width > largest_side)
    return fail(ec::bad_request, "a picture of " + std::to_string(shape->width) + " x "
                                   + std::to_string(shape->height) + " pixels is too large for "
                                   + std::string{format} + ", whose sides have at most "
                                   + std::to_string(largest_side) + ": save it as PNG");
  return shape;
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

tensor_block to_u8(const tensor_block& pictures, uint64_t* non_finite) {
  if (pictures.type() == dtype::u8)
    return pictures;
  const auto from = pictures.as<float>();
  return made<uint8_t>(dtype::u8, pictures.shape(), from.size(), [&](uint8_t* to) {
    for (size_t i = 0; i < from.size(); i += step) {
      const auto n = std::min(step, from.size() - i);
      if (non_finite != nullptr)
        *non_finite += count_non_finite(dtype::f32, std::as_bytes(from.subspan(i, n)));
      truncate(from.data() + i, to + i, n);
    }
  });
}

tensor_block to_u16(const tensor_block& pictures) {
  const auto n = pictures.size_bytes() / size_of(pictures.type());
  return made<uint16_t>(dtype::u16, pictures.shape(), n, [&](uint16_t* to) {
    if (pictures.type() == dtype::f32)
      return truncate_to_16(pictures.as<float>().data(), to, n);
    const auto from = pictures.as<uint8_t>();
    for (size_t i = 0; i < n; ++i)
      to[i] = static_cast<uint16_t>(from[i] * 257);
  });
}

tensor_block to_f32(const tensor_block& pictures) {
  if (pictures.type() == dtype::f32)
    return pictures;
  const auto from = pictures.as<uint8_t>();
  return made<float>(dtype::f32, pictures.shape(), from.size(), [&](float* to) {
    for (size_t i = 0; i < from.size(); ++i)
      to[i] = static_cast<float>(from[i]) / 255.0F;
  });
}

tensor_block with_channels(const tensor_block& picture, int64_t channels) {
  const auto had = static_cast<size_t>(picture.dim(2));
  const auto wanted = static_cast<size_t>(channels);
  if (had == wanted)
    return picture;
  const auto from = picture.as<uint8_t>();
  const size_t pixels = from.size() / had;
  return made<uint8_t>(dtype::u8, {picture.dim(0), picture.dim(1), channels}, pixels * wanted,
                       [&](uint8_t* to) {
                         for (size_t i = 0; i < pixels; ++i)
                           for (size_t k = 0; k < wanted; ++k)
                             to[i * wanted + k] = from[i * had + k];
                       });
}

} // namespace luna::imaging
