#include "imaging/jpeg.hpp"

#include <array>
#include <memory>
#include <string>
#include <turbojpeg.h>

#include "imaging/pixels.hpp"
#include "imaging/side_limits.hpp"

namespace luna::imaging {

namespace {

/// Where a segment may be put: behind the start marker, and behind JFIF's segment if there is one,
/// which must come first.
size_t end_of_jfif(std::span<const std::byte> file) {
  constexpr size_t start = 2;
  const auto at = [&](size_t i) { return static_cast<size_t>(file[i]); };
  if (file.size() > 6 && at(2) == 0xff && at(3) == 0xe0)
    return start + 2 + (at(4) << 8 | at(5));
  return start;
}

} // namespace

result<std::vector<std::byte>> encode_jpeg(const tensor_block& image, int quality,
                                           std::span<const std::byte> exif) {
  const auto shape = shape_of_u8_picture(image, "JPEG", max_jpeg_side);
  if (!shape)
    return fail(shape);
  if (quality < 1 || quality > 100)
    return fail(ec::bad_request, "a JPEG's quality is 1 to 100");
  if (exif.size() > largest_jpeg_exif)
    return fail(ec::bad_request, "a JPEG holds at most 64 KiB of EXIF");
  const bool grey = shape->channels == 1;
  const auto pixels = grey ? image : with_channels(image, 3);

  const std::unique_ptr<void, int (*)(void*)> compressor{tjInitCompress(), tjDestroy};
  if (!compressor)
    return fail(ec::out_of_memory, "no memory for the JPEG encoder");
  unsigned char* bytes = nullptr;
  unsigned long size = 0; // NOLINT(google-runtime-int): the library's type
  const int status =
    tjCompress2(compressor.get(), pixels.as<uint8_t>().data(), static_cast<int>(shape->width), 0,
                static_cast<int>(shape->height), grey ? TJPF_GRAY : TJPF_RGB, &bytes, &size,
                grey ? TJSAMP_GRAY : TJSAMP_420, quality, TJFLAG_ACCURATEDCT);
  const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owner{bytes, tjFree};
  if (status != 0)
    return fail(ec::internal, "libjpeg-turbo: " + std::string{tjGetErrorStr2(compressor.get())});
  const std::span file{reinterpret_cast<const std::byte*>(bytes), size};
  std::vector<std::byte> out;
  out.reserve(file.size() + exif.size() + 10);
  const size_t split = exif.empty() ? 0 : end_of_jfif(file);
  out.insert(out.end(), file.begin(), file.begin() + static_cast<ptrdiff_t>(split));
  if (!exif.empty()) {
    const size_t length = 2 + 6 + exif.size();
    const std::array<size_t, 10> head = {0xff, 0xe1, length >> 8, length & 0xff, 'E', 'x', 'i', 'f',
                                         0,    0};
    for (const auto x : head)
      out.push_back(static_cast<std::byte>(x));
    out.insert(out.end(), exif.begin(), exif.end());
  }
  out.insert(out.end(), file.begin() + static_cast<ptrdiff_t>(split), file.end());
  return out;
}

} // namespace luna::imaging
