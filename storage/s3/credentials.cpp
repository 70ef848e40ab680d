#include "storage/s3/credentials.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace luna::storage::s3 {

namespace {

constexpr size_t max_file_bytes = 65536;

std::string trimmed(const std::string& text) {
  auto first = text.find_first_not_of(" \t\r");
  auto last = text.find_last_not_of(" \t\r");
  return first == text.npos ? std::string{} : text.substr(first, last - first + 1);
}

std::string variable(const char* name) {
  auto value = std::getenv(name);
  return value ? value : "";
}

/// The text of a file that is its owner's alone.
result<std::string> read_private(const std::string& path) {
  auto handle = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (handle < 0)
    return fail(ec::not_permitted,
                "the credentials file " + path + " cannot be read: " + std::strerror(errno));
  struct closer {
    int handle;
    ~closer() { ::close(handle); }
  } close_at_end{handle};
  struct stat info{};
  if (::fstat(handle, &info) != 0 || !S_ISREG(info.st_mode))
    return fail(ec::not_permitted, "the credentials file " + path + " is no regular file");
  if ((info.st_mode & 077) != 0)
    return fail(ec::not_permitted, "others than its owner may use the credentials file " + path
                                     + "; run: chmod 600 " + path);
  if (info.st_uid != ::geteuid() && info.st_uid != 0)
    return fail(ec::not_permitted,
                "the credentials file " + path + " belongs to another user than the node's");
  std::string text;
  std::array<char, 4096> part;
  for (ssize_t got; (got = ::read(handle, part.data(), part.size())) > 0;) {
    text.append(part.data(), static_cast<size_t>(got));
    if (text.size() > max_file_bytes)
      return fail(ec::not_permitted, "the file " + path + " is too large for credentials");
  }
  return text;
}

credentials parse(const std::string& text) {
  credentials x;
  std::istringstream lines{text};
  auto sections = 0;
  for (std::string line; std::getline(lines, line);) {
    line = trimmed(line);
    if (line.starts_with('[') && (++sections > 1 || !x.access_key.empty()))
      break;
    auto equals = line.find('=');
    if (line.starts_with('#') || equals == line.npos)
      continue;
    auto name = trimmed(line.substr(0, equals));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    auto value = trimmed(line.substr(equals + 1));
    if (name == "aws_access_key_id")
      x.access_key = value;
    else if (name == "aws_secret_access_key")
      x.secret_key = value;
    else if (name == "aws_session_token")
      x.session_token = value;
  }
  return x;
}

} // namespace

result<credentials> read_credentials(const std::string& file) {
  credentials x;
  if (file.empty()) {
    x = {variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"),
         variable("AWS_SESSION_TOKEN")};
    if (x.access_key.empty() || x.secret_key.empty())
      return fail(ec::not_permitted, "no credentials: set AWS_ACCESS_KEY_ID and "
                                     "AWS_SECRET_ACCESS_KEY for the node, or credentials-file");
    return x;
  }
  auto text = read_private(file);
  if (!text)
    return fail(text);
  x = parse(*text);
  if (x.access_key.empty() || x.secret_key.empty())
    return fail(ec::not_permitted, "the credentials file " + file
                                     + " needs the lines aws_access_key_id = ... and "
                                       "aws_secret_access_key = ...");
  return x;
}

} // namespace luna::storage::s3
