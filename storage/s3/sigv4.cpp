#include "storage/s3/sigv4.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <map>

#include "storage/digest.hpp"

namespace luna::storage::s3 {

namespace {

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac;
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &size);
  return {reinterpret_cast<const char*>(mac.data()), size};
}

/// Without spaces at the ends; several in a row count as one.
std::string canonical_value(std::string_view value) {
  std::string out;
  for (auto c : value) {
    auto is_space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (!is_space)
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  while (!out.empty() && out.back() == ' ')
    out.pop_back();
  return out;
}

/// By name; the values of one name with commas between.
std::map<std::string, std::string> canonical_headers(const signable& x) {
  std::map<std::string, std::string> headers;
  for (auto& [name, value] : x.headers) {
    auto [i, fresh] = headers.try_emplace(name);
    i->second += (fresh ? "" : ",") + canonical_value(value);
  }
  return headers;
}

std::string signed_names(const signable& x) {
  std::string names;
  for (auto& [name, value] : canonical_headers(x))
    names += (names.empty() ? "" : ";") + name;
  return names;
}

} // namespace

std::string hex(std::span<const std::byte> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (auto x : bytes) {
    text += digits[static_cast<size_t>(x) >> 4];
    text += digits[static_cast<size_t>(x) & 15];
  }
  return text;
}

std::string hex_digest(std::span<const std::byte> bytes) {
  return hex(sha256::of(bytes));
}

std::string percent_encoded(std::string_view text, bool keep_slashes) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (auto c : text) {
    auto plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
              || c == '-' || c == '.' || c == '_' || c == '~' || (keep_slashes && c == '/');
    if (plain) {
      out += c;
    } else {
      auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

std::string canonical_query(const name_values& query) {
  name_values encoded;
  for (auto& [name, value] : query)
    encoded.emplace_back(percent_encoded(name, false), percent_encoded(value, false));
  std::sort(encoded.begin(), encoded.end());
  std::string text;
  for (auto& [name, value] : encoded)
    text += (text.empty() ? "" : "&") + name + "=" + value;
  return text;
}

std::string amz_date(std::chrono::sys_seconds time) {
  auto seconds = static_cast<std::time_t>(time.time_since_epoch().count());
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text;
  auto size = std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &parts);
  return {text.data(), size};
}

std::string canonical_request(const signable& x) {
  auto text = x.method + "\n" + x.path + "\n" + canonical_query(x.query) + "\n";
  for (auto& [name, value] : canonical_headers(x))
    text += name + ":" + value + "\n";
  return text + "\n" + signed_names(x) + "\n" + x.body_hash;
}

std::string authorization(const signable& x, const credentials& with, const signing_scope& scope,
                          const std::string& date) {
  auto day = date.substr(0, 8);
  auto where = day + "/" + scope.region + "/" + scope.service + "/aws4_request";
  auto request = canonical_request(x);
  auto to_sign = std::string{algorithm} + "\n" + date + "\n" + where + "\n"
               + hex_digest(std::as_bytes(std::span{request}));
  auto key = hmac("AWS4" + with.secret_key, day);
  for (auto* part : {&scope.region, &scope.service})
    key = hmac(key, *part);
  key = hmac(key, "aws4_request");
  auto signature = hmac(key, to_sign);
  return std::string{algorithm} + " Credential=" + with.access_key + "/" + where
       + ", SignedHeaders=" + signed_names(x)
       + ", Signature=" + hex(std::as_bytes(std::span{signature}));
}

} // namespace luna::storage::s3
