#include "protocol/hello.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace luna::protocol {

namespace {

constexpr size_t nonce_digits = 32;
constexpr size_t proof_digits = 64;
constexpr size_t shortest_secret = 16;
constexpr size_t longest_secret = 64 << 10;
constexpr size_t longest_client_name = 256;

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

std::string to_hex(std::span<const unsigned char> bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (auto b : bytes) {
    text += digits[b >> 4];
    text += digits[b & 15];
  }
  return text;
}

std::string hmac(std::string_view secret, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out;
  unsigned size = 0;
  // Never null: a null key is OpenSSL's sign to take the last one again.
  auto* key = secret.empty() ? "" : secret.data();
  if (HMAC(EVP_sha256(), key, static_cast<int>(secret.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size)
      == nullptr)
    throw std::runtime_error("OpenSSL cannot compute HMAC-SHA256");
  return to_hex({out.data(), size});
}

std::string proof_of(std::string_view who, std::string_view secret, std::string_view first,
                     std::string_view second) {
  std::string text{who};
  text += first;
  text += ':';
  text += second;
  return hmac(secret, text);
}

/// A text field of a hello; nothing if it is missing or something else.
std::optional<std::string> text_of(const json& x, const char* name) {
  auto i = x.find(name);
  if (i == x.end() || !i->is_string())
    return std::nullopt;
  return i->get<std::string>();
}

std::optional<uint64_t> count_of(const json& x, const char* name) {
  auto i = x.find(name);
  if (i == x.end() || !i->is_number_unsigned())
    return std::nullopt;
  return i->get<uint64_t>();
}

std::vector<std::string> texts_of(const json& x, const char* name) {
  std::vector<std::string> texts;
  if (auto i = x.find(name); i != x.end() && i->is_array())
    for (auto& text : *i)
      if (text.is_string())
        texts.push_back(text.get<std::string>());
  return texts;
}

bool is_printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    auto u = static_cast<unsigned char>(c);
    return u < 0x20 || u == 0x7f;
  });
}

auto no_hello(std::string what) {
  return fail(ec::protocol_mismatch,
              "the server's hello " + std::move(what) + ": this is no luna gateway that we know");
}

} // namespace

std::string make_nonce() {
  std::array<unsigned char, nonce_digits / 2> bytes;
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    throw std::runtime_error("the system has no random bytes");
  return to_hex(bytes);
}

bool is_nonce(std::string_view text) {
  return text.size() == nonce_digits && is_hex(text);
}

std::string client_proof(std::string_view secret, std::string_view server_nonce,
                         std::string_view client_nonce) {
  return proof_of("luna-client:", secret, server_nonce, client_nonce);
}

std::string server_proof(std::string_view secret, std::string_view server_nonce,
                         std::string_view client_nonce) {
  return proof_of("luna-server:", secret, client_nonce, server_nonce);
}

bool equal_proofs(std::string_view x, std::string_view y) {
  if (x.size() != y.size())
    return false;
  // Lower case without a branch that depends on the text: digits have this bit already.
  auto lower = [](std::string_view text) {
    std::string copy{text};
    for (auto& c : copy)
      c = static_cast<char>(c | 0x20);
    return copy;
  };
  auto left = lower(x);
  auto right = lower(y);
  return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

result<std::string> read_secret(const std::filesystem::path& file) {
  auto refuse = [&](std::string why) {
    return fail(ec::not_permitted, "secret file " + file.string() + " " + std::move(why));
  };
  std::ifstream in{file, std::ios::binary};
  if (!in)
    return refuse(std::string{"cannot be opened: "} + std::strerror(errno));
  std::string bytes(longest_secret + 1, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (in.bad())
    return refuse("cannot be read");
  bytes.resize(static_cast<size_t>(in.gcount()));
  if (bytes.size() > longest_secret)
    return refuse("is longer than 64 KiB: it should hold a line of random text");
  if (bytes.ends_with('\n')) {
    bytes.pop_back();
    if (bytes.ends_with('\r'))
      bytes.pop_back();
  }
  if (bytes.size() < shortest_secret)
    return refuse("has " + std::to_string(bytes.size())
                  + " bytes, at least 16 are needed: try `openssl rand -hex 32`");
  return bytes;
}

bool is_loopback(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']') && host.size() > 2)
    host = host.substr(1, host.size() - 2);
  std::string name{host};
  in_addr v4{};
  if (inet_pton(AF_INET, name.c_str(), &v4) == 1)
    return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, name.c_str(), &v6) == 1) {
    if (IN6_IS_ADDR_V4MAPPED(&v6))
      return v6.s6_addr[12] == 127;
    return IN6_IS_ADDR_LOOPBACK(&v6);
  }
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return name == "localhost";
}

result<void> check_exposure(std::string_view host, bool has_secret) {
  if (has_secret || is_loopback(host))
    return {};
  return fail(ec::not_permitted, "the gateway would listen on " + std::string{host}
                                   + ", which other machines can reach, without a secret: name a "
                                     "secret file, or listen on 127.0.0.1");
}

// -- the three hellos ---

json to_json(const server_greeting& x) {
  return {{"server", x.server},
          {"protocol", {x.oldest, x.newest}},
          {"auth", x.needs_proof ? "hmac-sha256" : "none"},
          {"nonce", x.nonce}};
}

json to_json(const client_hello& x) {
  json hello = {{"client", x.client}, {"protocol", x.protocol}, {"nonce", x.nonce}};
  if (!x.proof.empty())
    hello["proof"] = x.proof;
  return hello;
}

json to_json(const server_welcome& x) {
  json hello = {{"ok", true}};
  if (!x.proof.empty())
    hello["proof"] = x.proof;
  hello["node"] = x.node;
  hello["cluster"] = x.cluster;
  hello["limits"] = {{"max_body_bytes", x.max_body_bytes},
                     {"max_header_bytes", x.max_header_bytes},
                     {"max_in_flight", x.max_in_flight}};
  hello["commands"] = x.commands;
  hello["capabilities"] = x.capabilities;
  return hello;
}

result<server_greeting> read_greeting(const json& x) {
  server_greeting greeting;
  auto server = text_of(x, "server");
  auto nonce = text_of(x, "nonce");
  auto auth = text_of(x, "auth");
  auto versions = x.find("protocol");
  if (!server || !nonce || !auth)
    return no_hello("lacks its server, auth or nonce");
  if (!is_nonce(*nonce))
    return no_hello("has a nonce that is not 32 hex digits");
  if (*auth != "none" && *auth != "hmac-sha256")
    return no_hello("asks for the unknown proof '" + auth->substr(0, 32) + "'");
  if (versions == x.end() || !versions->is_array() || versions->size() != 2
      || !(*versions)[0].is_number_integer() || !(*versions)[1].is_number_integer())
    return no_hello("does not say its protocol versions");
  auto oldest = (*versions)[0].get<int64_t>();
  auto newest = (*versions)[1].get<int64_t>();
  if (protocol_version < oldest || protocol_version > newest)
    return fail(ec::protocol_mismatch, "the server speaks protocol " + std::to_string(oldest)
                                         + " to " + std::to_string(newest) + ", this client "
                                         + std::to_string(protocol_version)
                                         + ": update the older of both");
  greeting.server = std::move(*server);
  greeting.oldest = static_cast<int>(oldest);
  greeting.newest = static_cast<int>(std::min<int64_t>(newest, INT32_MAX));
  greeting.needs_proof = *auth == "hmac-sha256";
  greeting.nonce = std::move(*nonce);
  return greeting;
}

result<client_hello> read_client_hello(const json& x) {
  auto version = x.find("protocol");
  if (version == x.end() || !version->is_number_integer()
      || version->get<int64_t>() != protocol_version)
    return fail(ec::protocol_mismatch,
                "this server speaks protocol 1 and the hello names "
                  + (version == x.end() ? std::string{"none"} : dump_header(*version).substr(0, 32))
                  + ": update the older of both");
  auto client = text_of(x, "client");
  auto nonce = text_of(x, "nonce");
  if (!client || client->empty() || client->size() > longest_client_name || !is_printable(*client))
    return fail(ec::unauthenticated,
                "the hello's 'client' must be a name of at most 256 printable bytes");
  if (!nonce || !is_nonce(*nonce))
    return fail(ec::unauthenticated, "the hello's 'nonce' must be 32 hex digits");
  client_hello hello;
  hello.client = std::move(*client);
  hello.nonce = std::move(*nonce);
  if (auto proof = x.find("proof"); proof != x.end() && !proof->is_null()) {
    if (!proof->is_string())
      return fail(ec::unauthenticated, "the hello's 'proof' must be a text of hex digits");
    hello.proof = proof->get<std::string>();
  }
  return hello;
}

result<server_welcome> read_welcome(const json& x) {
  auto ok = x.find("ok");
  if (ok == x.end() || !ok->is_boolean() || !ok->get<bool>())
    return no_hello("does not say ok");
  auto limits = x.find("limits");
  if (limits == x.end() || !limits->is_object())
    return no_hello("does not say its limits");
  auto body = count_of(*limits, "max_body_bytes");
  auto header = count_of(*limits, "max_header_bytes");
  auto in_flight = count_of(*limits, "max_in_flight");
  if (!body || !header || !in_flight)
    return no_hello("does not say its limits");
  server_welcome welcome;
  welcome.proof = text_of(x, "proof").value_or("");
  welcome.node = text_of(x, "node").value_or("");
  welcome.cluster = text_of(x, "cluster").value_or("");
  welcome.max_body_bytes = *body;
  welcome.max_header_bytes = *header;
  welcome.max_in_flight = *in_flight;
  welcome.commands = texts_of(x, "commands");
  welcome.capabilities = texts_of(x, "capabilities");
  return welcome;
}

result<void> admit(const client_hello& hello, std::string_view server_nonce,
                   const std::string* secret) {
  if (secret == nullptr)
    return {};
  if (hello.proof.empty())
    return fail(ec::unauthenticated,
                "this server asks for a proof: give the client the cluster's secret file");
  if (hello.proof.size() != proof_digits
      || !equal_proofs(hello.proof, client_proof(*secret, server_nonce, hello.nonce)))
    return fail(ec::unauthenticated,
                "the proof is wrong: client and server have different secrets");
  return {};
}

result<client_hello> answer_greeting(const server_greeting& greeting, std::string client_name,
                                     const std::string* secret) {
  if (secret != nullptr && !greeting.needs_proof)
    return fail(ec::unauthenticated,
                "this client has a secret and the server asks for none: it may be an impostor");
  if (secret == nullptr && greeting.needs_proof)
    return fail(ec::unauthenticated,
                "the server asks for a proof: give the client the cluster's secret file");
  client_hello hello;
  hello.client = std::move(client_name);
  hello.nonce = make_nonce();
  if (secret != nullptr)
    hello.proof = client_proof(*secret, greeting.nonce, hello.nonce);
  return hello;
}

result<void> accept_welcome(const server_welcome& welcome, std::string_view server_nonce,
                            std::string_view client_nonce, const std::string* secret) {
  if (secret == nullptr)
    return {};
  if (!equal_proofs(welcome.proof, server_proof(*secret, server_nonce, client_nonce)))
    return fail(ec::unauthenticated,
                "the server has not proved that it knows the secret: it may be an impostor");
  return {};
}

} // namespace luna::protocol
