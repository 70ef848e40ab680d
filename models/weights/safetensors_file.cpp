#include "models/weights/safetensors_file.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "models/weights/file_kind.hpp"

namespace luna::models {

namespace {

/// A header names some thousand tensors at most; parsed JSON takes ten times its text.
constexpr safetensors_limits limits{uint64_t{16} << 20, 50000, 8};

auto broken(const std::filesystem::path& path, std::string what) {
  return fail(ec::bad_model_file,
              "the model file " + path.string() + " is broken: " + std::move(what));
}

int64_t nanoseconds(const timespec& t) {
  return static_cast<int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

model_file listed(const std::filesystem::path& path, const struct stat& info) {
  return {path, static_cast<uint64_t>(info.st_size), nanoseconds(info.st_mtim),
          static_cast<uint64_t>(info.st_ino), nanoseconds(info.st_ctim)};
}

constexpr std::chrono::milliseconds replaced_retry{500};

/// Reads until `into` is full. @returns how many bytes were read, or -1 with errno.
ssize_t read_fully(int descriptor, uint64_t offset, std::span<std::byte> into) {
  size_t done = 0;
  while (done < into.size()) {
    auto n = ::pread(descriptor, into.data() + done, into.size() - done,
                     static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -1;
    if (n == 0)
      break;
    done += static_cast<size_t>(n);
  }
  return static_cast<ssize_t>(done);
}

} // namespace

result<model_file> stat_model_file(const std::filesystem::path& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0)
    return fail(ec::unknown_model,
                "the model file " + path.string() + " cannot be read: " + std::strerror(errno));
  if (!S_ISREG(info.st_mode))
    return fail(ec::unknown_model, path.string() + " is not a file");
  return listed(path, info);
}

result<void> check_unchanged(const model_file& file, int descriptor) {
  struct stat info{};
  if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode))
    return broken(file.path, "it is not a file");
  if (listed(file.path, info) != file)
    return fail(ec::unavailable,
                "the model file " + file.path.string()
                  + " was replaced or changed while it was being read; ask again",
                replaced_retry);
  return {};
}

result<safetensors_file> safetensors_file::open(const model_file& file) {
  auto descriptor = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return fail(errno == ENOENT ? ec::unknown_model : ec::bad_model_file,
                "the model file " + file.path.string()
                  + " cannot be read: " + std::strerror(errno));
  safetensors_file opened{file, descriptor};
  if (auto ok = opened.check_unchanged(); !ok)
    return fail(ok);
  if (auto ok = opened.read_header(); !ok)
    return fail(ok);
  return opened;
}

safetensors_file::safetensors_file(safetensors_file&& other) noexcept
  : file_(std::move(other.file_)), descriptor_(std::exchange(other.descriptor_, -1)),
    header_(std::move(other.header_)) {}

safetensors_file::~safetensors_file() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

/// What is wrong with a file whose header cannot be read.
failure safetensors_file::no_header(const std::string& what) const {
  std::vector<std::byte> first(std::min<uint64_t>(file_.bytes, 256));
  auto n = read_fully(descriptor_, 0, first);
  auto kind = file_kind({first.data(), static_cast<size_t>(std::max<ssize_t>(n, 0))});
  if (kind.empty())
    return broken(file_.path, what).value();
  return {ec::bad_model_file,
          "the model file " + file_.path.string() + " is no safetensors file but " + kind,
          0,
          {}};
}

result<void> safetensors_file::read_header() {
  auto no = [this](const std::string& what) { return tl::make_unexpected(no_header(what)); };
  if (file_.bytes == 0)
    return broken(file_.path, "it is empty: download it again");
  std::vector<std::byte> bytes(8);
  if (read_fully(descriptor_, 0, bytes) != 8)
    return no("it has only " + std::to_string(file_.bytes) + " bytes");
  uint64_t size = 0;
  for (size_t i = 0; i < 8; ++i)
    size |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  if (size > limits.header_bytes)
    return no("its header says that it has " + std::to_string(size) + " bytes");
  if (size > file_.bytes - 8)
    return no("it is incomplete: its header alone has " + std::to_string(size)
              + " bytes, the whole file has " + std::to_string(file_.bytes));
  bytes.resize(8 + size);
  if (read_fully(descriptor_, 8, std::span{bytes}.subspan(8)) != static_cast<ssize_t>(size))
    return broken(file_.path, "it ends within its header");
  auto header = parse_safetensors(bytes, file_.bytes, limits);
  if (!header)
    return no(header.error().message);
  header_ = std::move(*header);
  return {};
}

result<void> safetensors_file::read(const safetensors_entry& entry, uint64_t offset,
                                    std::span<std::byte> into) const {
  if (offset + into.size() > entry.end - entry.begin)
    return broken(file_.path, "tensor '" + entry.name + "' is too short");
  auto n = read_fully(descriptor_, entry.begin + offset, into);
  if (n < 0)
    return broken(file_.path,
                  "tensor '" + entry.name + "' cannot be read: " + std::strerror(errno));
  if (n == static_cast<ssize_t>(into.size()))
    return {};
  if (auto ok = check_unchanged(); !ok)
    return ok;
  return broken(file_.path, "it has become shorter: it ends within tensor '" + entry.name + "'");
}

result<void> safetensors_file::check_unchanged() const {
  return models::check_unchanged(file_, descriptor_);
}

} // namespace luna::models
