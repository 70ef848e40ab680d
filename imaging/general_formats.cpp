#include "imaging/general_formats.hpp"

#include <OpenImageIO/filesystem.h>
#include <OpenImageIO/imagebufalgo.h>
#include <OpenImageIO/imageio.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "imaging/pixels.hpp"
#include "imaging/text_keys.hpp"

namespace luna::imaging {

namespace {

OIIO::TypeDesc type_of(dtype type) {
  switch (type) {
  case dtype::u8:
    return OIIO::TypeDesc::UINT8;
  case dtype::u16:
    return OIIO::TypeDesc::UINT16;
  default:
    return OIIO::TypeDesc::FLOAT;
  }
}

OIIO::ImageSpec spec_of(const tensor_block& image, const std::string& date = {}) {
  const int channels = static_cast<int>(image.dim(2));
  OIIO::ImageSpec spec{static_cast<int>(image.dim(1)), static_cast<int>(image.dim(0)), channels,
                       type_of(image.type())};
  if (channels == 4)
    spec.alpha_channel = 3;
  if (!date.empty())
    spec.attribute("DateTime", date);
  return spec;
}

/// Of an attribute in OpenEXR.
constexpr size_t max_exr_name = 255;

/// Names that others look for stay; no other can be taken for one of OpenEXR's own ("compression").
std::string exr_name(const std::string& key) {
  const bool known = key == "prompt" || key == "workflow" || key == "parameters";
  return known ? key : "luna:" + ascii_key(key);
}

result<std::vector<std::byte>> write(const char* format, const OIIO::ImageSpec& spec,
                                     const tensor_block& image) {
  std::vector<unsigned char> bytes; // both outlive the output, whose end may write to them
  OIIO::Filesystem::IOVecOutput proxy{bytes};
  auto output = OIIO::ImageOutput::create(format);
  if (!output)
    return fail(ec::internal, std::string{"OpenImageIO has no writer for "} + format);
  output->set_ioproxy(&proxy);
  output->threads(1);
  const auto name = std::string{"picture."} + format;
  if (!output->open(name, spec) || !output->write_image(spec.format, image.bytes().data())
      || !output->close())
    return fail(ec::internal, std::string{"OpenImageIO, "} + format + ": " + output->geterror());
  const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
  return std::vector<std::byte>{begin, begin + bytes.size()};
}

} // namespace

result<std::vector<std::byte>>
encode_tiff(const tensor_block& image, std::span<const text_chunk> text, const std::string& date) {
  auto spec = spec_of(image, date);
  spec.attribute("compression", "zip");
  spec.attribute("oiio:UnassociatedAlpha", 1);
  std::string others;
  for (const auto& [key, value] : text) {
    if (key == "prompt")
      spec.attribute("Model", key + ":" + value);
    else if (key == "workflow")
      spec.attribute("Make", key + ":" + value);
    else
      others += (others.empty() ? "" : "\n") + one_line_key(key) + ":" + value;
  }
  if (!others.empty())
    spec.attribute("ImageDescription", others);
  return write("tif", spec, image);
}

bool is_exr_key(const std::string& key) {
  return exr_name(key).size() <= max_exr_name;
}

result<std::vector<std::byte>>
encode_exr(const tensor_block& image, std::span<const text_chunk> text, const std::string& date) {
  auto spec = spec_of(image, date);
  spec.attribute("compression", "zip");
  for (const auto& [key, value] : text)
    if (is_exr_key(key))
      spec.attribute(exr_name(key), value);
  return write("exr", spec, image);
}

result<tensor_block> shrunk(const tensor_block& image, int64_t longest_side) {
  const auto height = image.dim(0);
  const auto width = image.dim(1);
  const auto longest = std::max(height, width);
  if (longest <= longest_side)
    return image;
  const auto scaled = [&](int64_t side) {
    return std::max<int64_t>(1, (side * longest_side + longest / 2) / longest);
  };
  const OIIO::ImageBuf from{spec_of(image), const_cast<std::byte*>(image.bytes().data())};
  const OIIO::ROI area{
    0, static_cast<int>(scaled(width)), 0, static_cast<int>(scaled(height)), 0, 1,
    0, static_cast<int>(image.dim(2))};
  const auto small = OIIO::ImageBufAlgo::resize(from, "box", 0.0F, area, 1);
  std::vector<uint8_t> pixels(static_cast<size_t>(area.npixels())
                              * static_cast<size_t>(image.dim(2)));
  if (small.has_error() || !small.get_pixels(area, OIIO::TypeDesc::UINT8, pixels.data()))
    return fail(ec::internal, "OpenImageIO could not shrink the picture: " + small.geterror());
  return tensor_block::copy_of(dtype::u8, {scaled(height), scaled(width), image.dim(2)},
                               std::as_bytes(std::span{pixels}));
}

} // namespace luna::imaging
