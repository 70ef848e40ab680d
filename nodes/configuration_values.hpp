#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nodes/configuration.hpp"

namespace luna {

/// The small texts inside cluster.conf: sizes, durations, addresses, names.
/// Thread rule: free functions without state.

/// "20GiB", "512 MiB", "100MB", "4096" or "4096B" in bytes; nothing for other text or beyond 64
/// bits.
std::optional<uint64_t> parse_size(std::string_view text);

/// The largest binary unit that divides it: "20GiB", "1536MiB", "7B".
std::string format_size(uint64_t bytes);

/// "168h", "300s", "250ms": the largest unit that divides it.
std::string format_duration(std::chrono::milliseconds duration);

/// "0644", "2775": four octal digits; nothing for other text.
std::optional<uint32_t> parse_mode(std::string_view text);
std::string format_mode(uint32_t mode);

/// "host:port" or "[ipv6]:port", port 0 to 65535.
std::optional<host_port> parse_host_port(std::string_view text);

/// Letters, digits and what else stands in a host name or an IPv4 or IPv6 address.
bool is_host(std::string_view text);

/// 1 to 64 letters, digits, dots, dashes or underscores, the first no dot: names become folders,
/// and
/// ".." is another one.
bool is_plain_name(std::string_view text);

/// "http://" or "https://", a host, and perhaps a port: no path, no user.
bool is_origin(std::string_view text);

/// What S3 allows as a bucket's name: 3 to 63 small letters, digits, dots and dashes.
bool is_bucket_name(std::string_view text);

/// "cpu" or "cuda:" and a number.
bool is_device_name(std::string_view text);

/// A file or folder: "~/" is the home folder, a relative path counts from `base`, "" stays.
std::string resolve_path(const std::string& path, const std::filesystem::path& base);

/// ", did you mean 'x'?" of the candidate that is nearest, if it is near at all: a short key with
/// two letters swapped is already half another one.
std::string nearest_hint(std::string_view name, const std::vector<std::string>& candidates);

/// What log.level and --log-level can be.
inline const std::vector<std::string> log_levels{"trace", "debug", "info", "warn", "error", "off"};

/// What pools[].kind can be, and which of them this build has.
inline const std::vector<std::string> pool_kinds{"text", "vae", "vision", "vlm"};
inline const std::vector<std::string> built_pool_kinds{"text", "vae"};

} // namespace luna
