#include "actors/save/output_folders.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "imaging/safe_names.hpp"

namespace luna {

namespace {

namespace fs = std::filesystem;
using storage::io_kind;

constexpr size_t content_digits = 2 * output_folders::nonce_digits;

bool is_hex(std::string_view text, size_t digits) {
  return text.size() == digits
      && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Whether the refusal only means that no such file is here.
bool is_absent(const storage::io_failure& problem) {
  return problem.kind == io_kind::not_found || problem.kind == io_kind::not_directory
      || problem.kind == io_kind::other; // no regular file, or too large for one of ours
}

/// The path without a slash at its end.
std::string trimmed(const fs::path& path) {
  auto text = path.lexically_normal().string();
  while (text.size() > 1 && text.ends_with('/'))
    text.pop_back();
  return text;
}

/// The folder as the system knows it; refused unless that is how it was named.
result<std::string> real_folder(const std::string& folder) {
  auto refuse = [&](ec code, const std::string& why) {
    return fail(code, "the folder " + folder + " cannot be allowed: " + why);
  };
  if (!folder.starts_with('/'))
    return refuse(ec::bad_request, "it must be an absolute path");
  std::error_code problem;
  auto real = fs::canonical(folder, problem);
  if (problem)
    return refuse(ec::bad_request, problem.message() + "; make it first");
  if (!fs::is_directory(real, problem))
    return refuse(ec::bad_request, "it is a file");
  if (real.string() != trimmed(folder))
    return refuse(ec::not_permitted,
                  "a link leads there, which may lead elsewhere later; ask for " + real.string());
  if (real == "/")
    return refuse(ec::not_permitted, "every file lies below it");
  if (::access(real.c_str(), W_OK | X_OK) != 0)
    return refuse(ec::not_permitted, "the node's user may not write there");
  return real.string();
}

} // namespace

output_folders::output_folders(std::shared_ptr<storage::file_system> files,
                               std::vector<std::string> allowed)
  : files_(std::move(files)), allowed_(std::move(allowed)) {}

bool output_folders::is_nonce(std::string_view text) {
  return is_hex(text, nonce_digits);
}

result<std::optional<std::string>> output_folders::read_probe(const std::string& folder,
                                                              std::string_view nonce) const {
  if (!is_nonce(nonce))
    return fail(ec::bad_request, "'nonce' must be 32 lower case hexadecimal digits");
  auto path = imaging::confine(folder, allowed_, "output_dir");
  if (!path)
    return fail(path);
  auto root = std::find_if(allowed_.begin(), allowed_.end(), [&](auto& x) {
    return imaging::confine(*path, {x}, "output_dir").has_value();
  });
  auto above = trimmed(*root);
  auto below = std::string_view{*path}.substr(std::min(above.size(), path->size()));
  below.remove_prefix(below.starts_with('/') ? 1 : 0);
  auto content =
    files_->open_directory(above)
      .and_then([&](auto opened) { return storage::open_below(opened, below); })
      .and_then([&](auto opened) {
        return storage::read_file(*opened, ".luna-probe-" + std::string{nonce}, content_digits);
      });
  if (!content && !is_absent(content.error()))
    return storage::fail_io(content);
  if (!content || !is_hex(*content, content_digits))
    return std::nullopt;
  return std::move(*content);
}

result<bool> output_folders::allow(const std::string& folder) {
  auto real = real_folder(folder);
  if (!real)
    return fail(real);
  if (imaging::confine(*real, allowed_, "path"))
    return false;
  if (added_ == max_added)
    return fail(ec::not_permitted, std::to_string(max_added)
                                     + " output folders were added to this node, which is its "
                                       "limit: restart it with those that are needed");
  ++added_;
  allowed_.push_back(std::move(*real));
  return true;
}

} // namespace luna
