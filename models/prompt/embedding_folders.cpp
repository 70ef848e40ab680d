#include <algorithm>
#include <string>

#include "models/prompt/embedding_source.hpp"
#include "models/weights/safetensors_file.hpp"

namespace luna::models {

namespace {

namespace fs = std::filesystem;

constexpr int max_depth = 16;        ///< of sub-folders
constexpr size_t max_folders = 4096; ///< against loops of links
constexpr uint64_t max_bytes = uint64_t{64} << 20;

/// The folders and all of their sub-folders, in a fixed order.
std::vector<fs::path> expand(const std::vector<fs::path>& roots) {
  std::vector<fs::path> all;
  for (auto& root : roots) {
    std::error_code error;
    std::vector<fs::path> below;
    auto options = fs::directory_options::follow_directory_symlink
                 | fs::directory_options::skip_permission_denied;
    fs::recursive_directory_iterator i{root, options, error};
    for (; !error && i != fs::recursive_directory_iterator{}; i.increment(error)) {
      std::error_code ignored;
      if (!i->is_directory(ignored))
        continue;
      if (i.depth() >= max_depth)
        i.disable_recursion_pending();
      below.push_back(i->path());
      if (below.size() >= max_folders)
        break;
    }
    std::sort(below.begin(), below.end());
    all.push_back(root);
    all.insert(all.end(), below.begin(), below.end());
  }
  return all;
}

bool leaves_folder(const fs::path& name) {
  return name.is_absolute() || name.native().find('\0') != std::string::npos
      || std::any_of(name.begin(), name.end(), [](auto& part) { return part == ".."; });
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

result<std::vector<named_tensor>> read_all(const fs::path& path) {
  auto stat = stat_model_file(path);
  if (!stat)
    return fail(stat);
  auto file = safetensors_file::open(*stat);
  if (!file)
    return fail(file);
  if (stat->bytes > max_bytes)
    return fail(ec::bad_model_file, "the embedding " + path.string() + " has "
                                      + std::to_string(stat->bytes) + " bytes, at most "
                                      + std::to_string(max_bytes) + " are read");
  std::vector<named_tensor> tensors;
  for (auto& entry : file->header().entries) {
    auto bytes = entry.end - entry.begin;
    std::shared_ptr<std::byte[]> memory{new std::byte[bytes]};
    if (auto ok = file->read(entry, 0, {memory.get(), bytes}); !ok)
      return fail(ok);
    std::span<const std::byte> view{memory.get(), bytes};
    tensors.push_back({entry.name, tensor_block{entry.type, entry.shape, view, memory}});
  }
  return tensors;
}

class embedding_folders : public embedding_source {
public:
  explicit embedding_folders(std::vector<fs::path> folders) : folders_(std::move(folders)) {}

  result<std::vector<named_tensor>> find(std::string_view text) const override {
    fs::path name{std::string{text}};
    if (leaves_folder(name))
      return fail(ec::not_permitted,
                  "the embedding name '" + name.string() + "' leaves the embeddings folders");
    for (auto& folder : expand(folders_)) {
      auto exact = folder / name;
      for (auto extension : {"", ".safetensors", ".pt", ".bin"}) {
        auto path = exact;
        path += extension;
        if (!is_file(path))
          continue;
        if (path.extension() == ".safetensors")
          return read_all(path);
        return fail(ec::unsupported_model,
                    "the embedding " + path.filename().string()
                      + " is not a safetensors file: convert it (load it with torch.load in a"
                        " Python that you trust and write it with safetensors.torch.save_file)");
      }
    }
    return fail(ec::unknown_model, "there is no embedding '" + name.string() + "'");
  }

private:
  std::vector<fs::path> folders_;
};

} // namespace

std::shared_ptr<const embedding_source>
make_embedding_folders(std::vector<std::filesystem::path> folders) {
  return std::make_shared<embedding_folders>(std::move(folders));
}

} // namespace luna::models
