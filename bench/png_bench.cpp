#include <OpenImageIO/filesystem.h>
#include <OpenImageIO/imageio.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <map>
#include <string>

#include "bench/child_process.hpp"
#include "bench/figure.hpp"
#include "imaging/png.hpp"

// PNG of real pictures (bench/pictures.py): CPU time on one core and size of luna's encoders, in
// turns with Pillow at the level of ComfyUI's SaveImage. Every file is read back by OpenImageIO.

namespace luna::bench {

namespace {

constexpr int rounds = 5;

struct encoder {
  const char* name;
  imaging::png_options options;
  double least_speed; ///< times Pillow's, as promised; 0: nothing is
  double largest_size;
};

const std::array encoders = {
  encoder{"fast", {4, imaging::png_encoder::fast}, 10, 1.06},
  encoder{"small", {4, imaging::png_encoder::small}, 1.8, 1.00},
  encoder{"small, png_compression 6", {6, imaging::png_encoder::small}, 0, 0},
  encoder{"small, png_compression 9", {9, imaging::png_encoder::small}, 0, 0},
};

struct sample {
  double ms = 0;
  double bytes = 0;
};

/// What one encoder made of the pictures of one kind.
struct tally {
  int pictures = 0;
  sample ours, pillows;
  double log_size = 0; ///< of the ratio to Pillow's
  double worst_size = 0;
  int unequal = 0;
};

double thread_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

result<tensor_block> read(const std::string& name, OIIO::Filesystem::IOProxy* memory = nullptr) {
  auto input = OIIO::ImageInput::open(name, nullptr, memory);
  if (!input)
    return fail(ec::bad_request, name + ": " + OIIO::geterror());
  const auto& spec = input->spec();
  std::vector<uint8_t> pixels(spec.image_pixels() * static_cast<size_t>(spec.nchannels));
  if (!input->read_image(0, 0, 0, spec.nchannels, OIIO::TypeDesc::UINT8, pixels.data()))
    return fail(ec::bad_request, name + ": " + input->geterror());
  return tensor_block::copy_of(dtype::u8, {spec.height, spec.width, spec.nchannels},
                               std::as_bytes(std::span{pixels}));
}

result<json> ask_pillow(const std::string& python, const std::string& file) {
  auto script = std::filesystem::path{LUNA_BENCH_DIR} / "pillow_png.py";
  auto child = child_process::start({python, script.string(), file});
  if (!child)
    return fail(child);
  auto line = child->read_line();
  if (!line)
    return fail(line);
  auto answer = json::parse(*line, nullptr, false);
  if (answer.is_discarded())
    return fail(ec::unavailable, "pillow_png.py: " + *line);
  return answer;
}

/// @param equal whether the file holds the same pixels.
result<sample> encode(const encoder& with, const tensor_block& picture, bool& equal) {
  std::vector<double> times;
  std::vector<std::byte> file;
  for (int i = 0; i < rounds; ++i) {
    auto start = thread_ms();
    auto made = imaging::encode_png(picture, with.options, {});
    times.push_back(thread_ms() - start);
    if (!made)
      return fail(made);
    file = std::move(*made);
  }
  OIIO::Filesystem::IOMemReader memory{file.data(), file.size()};
  auto back = read("picture.png", &memory);
  if (!back)
    return fail(back);
  equal = std::ranges::equal(back->bytes(), picture.bytes());
  return sample{median(times), static_cast<double>(file.size())};
}

void add(tally& x, const sample& ours, const sample& pillows, bool equal) {
  auto ratio = ours.bytes / pillows.bytes;
  ++x.pictures;
  x.ours.ms += ours.ms;
  x.ours.bytes += ours.bytes;
  x.pillows.ms += pillows.ms;
  x.pillows.bytes += pillows.bytes;
  x.log_size += std::log(ratio);
  x.worst_size = std::max(x.worst_size, ratio);
  x.unequal += equal ? 0 : 1;
}

figure figure_of(const encoder& with, const std::string& kind, const tally& x, bool speed) {
  figure out{"png", {}, 0, "x", std::nullopt};
  out.what = std::string{with.name} + (speed ? ", CPU time: Pillow's" : ", size:")
           + (speed ? " / luna's, " : " luna's / Pillow's, ") + kind;
  out.value = speed ? x.pillows.ms / x.ours.ms : x.ours.bytes / x.pillows.bytes;
  if (with.least_speed > 0 && kind != "synthetic")
    out.goal = speed ? target{false, with.least_speed} : target{true, with.largest_size};
  out.more = {{"pictures", x.pictures}, {"unequal", x.unequal}};
  if (speed) {
    out.more["luna_ms"] = rounded(x.ours.ms);
    out.more["pillow_ms"] = rounded(x.pillows.ms);
  } else {
    out.more["luna_bytes"] = x.ours.bytes;
    out.more["pillow_bytes"] = x.pillows.bytes;
    out.more["geometric_mean"] = rounded(std::exp(x.log_size / x.pictures));
    out.more["worst"] = rounded(x.worst_size);
  }
  return out;
}

result<std::vector<std::string>> files_of(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (auto& entry : std::filesystem::directory_iterator{folder, error})
    if (entry.path().extension() == ".png")
      files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  if (files.empty())
    return fail(ec::bad_request, "no pictures in '" + folder
                                   + "': make them with bench/pictures.py DIR and name the folder "
                                     "with --pictures DIR");
  return files;
}

} // namespace

result<std::vector<figure>> measure_png(const options& with) {
  auto files = files_of(with.pictures);
  if (!files)
    return fail(files);
  std::map<std::pair<size_t, std::string>, tally> tallies; ///< by encoder and kind
  std::string version;
  for (auto& file : *files) {
    auto picture = read(file);
    auto pillow = picture ? ask_pillow(with.python, file) : fail(picture);
    if (!pillow)
      return fail(pillow);
    version = pillow->at("version");
    auto name = std::filesystem::path{file}.stem().string();
    auto kind = name.substr(0, name.find('_'));
    sample pillows{pillow->at("ms"), pillow->at("bytes")};
    for (size_t i = 0; i < encoders.size(); ++i) {
      bool equal = false;
      auto ours = encode(encoders[i], *picture, equal);
      if (!ours)
        return fail(ours);
      add(tallies[{i, kind}], *ours, pillows, equal);
      if (kind != "synthetic")
        add(tallies[{i, "all real"}], *ours, pillows, equal);
    }
  }
  std::vector<figure> figures;
  for (auto& [key, x] : tallies)
    for (bool speed : {true, false}) {
      figures.push_back(figure_of(encoders[key.first], key.second, x, speed));
      figures.back().more["beside"] = version + ", compress_level 4";
    }
  return figures;
}

} // namespace luna::bench
