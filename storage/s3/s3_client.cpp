#include "storage/s3/s3_client.hpp"

#include <algorithm>
#include <charconv>
#include <random>
#include <thread>

#include "storage/s3/curl_transport.hpp"
#include "storage/s3/xml.hpp"

namespace luna::storage::s3 {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr milliseconds first_pause{200};
constexpr milliseconds longest_retry_after{5000};

/// A list is asked for while a client waits for its acknowledgement.
constexpr milliseconds list_patience{4000};
constexpr int max_list_pages = 50;

/// Slower than this is not worth waiting for.
constexpr uint64_t least_bytes_per_s = 64 << 10;

const auto digest_header = "x-amz-meta-luna-sha256";
const auto owner_header = "x-amz-meta-luna-job";

bool is_transient(const http_response& answer) {
  if (answer.status >= 500 || answer.status == 429 || answer.status == 408)
    return true;
  auto code = xml_text(answer.body, "Code").value_or("");
  return code == "RequestTimeout" || code == "SlowDown" || code == "OperationAborted"
      || code == "ConditionalRequestConflict" || (answer.status == 200 && code == "InternalError");
}

/// Whether the store says that it does not take our word: keys, token, region, clock. Some of that
/// comes as 400; to a HEAD without any text.
bool is_about_credentials(const std::string& method, int status, const std::string& code) {
  if (status == 401 || status == 403)
    return true;
  return status == 400
      && (method == "HEAD" || code == "ExpiredToken" || code == "InvalidToken"
          || code == "TokenRefreshRequired" || code == "AuthorizationHeaderMalformed");
}

std::string header_of(const http_response& answer, const std::string& name) {
  auto i = answer.headers.find(name);
  return i == answer.headers.end() ? std::string{} : i->second;
}

std::optional<uint64_t> number_of(const std::string& text) {
  uint64_t number = 0;
  auto end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc{} || at != end)
    return std::nullopt;
  return number;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// Keys come percent-encoded: XML cannot say every one of them otherwise.
std::string percent_decoded(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    auto is_code = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0
                && hex_value(text[i + 2]) >= 0;
    if (is_code) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

name_values object_headers(const object_spec& spec) {
  return {{"content-type", spec.type}, {digest_header, spec.digest}, {owner_header, spec.owner}};
}

struct origin_parts {
  std::string scheme;
  std::string host; ///< with its port, unless that is the scheme's own
};

origin_parts split(const std::string& endpoint) {
  auto colon = endpoint.find("://");
  origin_parts x{endpoint.substr(0, colon), endpoint.substr(colon + 3)};
  while (x.host.ends_with('/'))
    x.host.pop_back();
  auto own_port = x.scheme == "https" ? ":443" : ":80";
  if (x.host.ends_with(own_port))
    x.host.resize(x.host.size() - std::string{own_port}.size());
  return x;
}

} // namespace

s3_surroundings real_surroundings(const s3_options& options) {
  s3_surroundings x;
  x.transport = make_curl_transport(options.ca_file);
  x.clock = [] {
    return std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  };
  x.pause = [](milliseconds time) { std::this_thread::sleep_for(time); };
  x.random = [] {
    thread_local std::minstd_rand bits{std::random_device{}()};
    return std::uniform_real_distribution<double>{0, 1}(bits);
  };
  return x;
}

s3_client::s3_client(s3_options options, s3_surroundings world)
  : options_(std::move(options)), world_(std::move(world)) {
  auto parts = split(options_.endpoint);
  host_ = options_.virtual_host ? options_.bucket + "." + parts.host : parts.host;
  origin_ = parts.scheme + "://" + host_;
}

// -- one request ---------------------------------------------------------------------------------

result<http_request> s3_client::signed_request(const call& x) const {
  auto with = read_credentials(options_.credentials_file);
  if (!with)
    return fail(with);
  signable to_sign;
  to_sign.method = x.method;
  to_sign.path = options_.virtual_host ? "/" : "/" + percent_encoded(options_.bucket, false);
  if (!x.key.empty())
    to_sign.path += (options_.virtual_host ? "" : "/") + percent_encoded(x.key, true);
  to_sign.query = x.query;
  to_sign.body_hash = x.body_hash.empty() ? hex_digest(x.body) : x.body_hash;
  auto date = amz_date(world_.clock());
  to_sign.headers = x.headers;
  to_sign.headers.emplace_back("host", host_);
  to_sign.headers.emplace_back("x-amz-content-sha256", to_sign.body_hash);
  to_sign.headers.emplace_back("x-amz-date", date);
  if (!with->session_token.empty())
    to_sign.headers.emplace_back("x-amz-security-token", with->session_token);

  http_request request;
  request.method = x.method;
  request.origin = origin_;
  request.path = to_sign.path;
  request.query = canonical_query(x.query);
  request.headers = to_sign.headers;
  request.headers.emplace_back("authorization",
                               authorization(to_sign, *with, {options_.region, "s3"}, date));
  request.body = x.body;
  request.connect_timeout = std::min<milliseconds>(5000ms, options_.timeout);
  request.stall_timeout = options_.timeout;
  request.total_timeout = options_.timeout + milliseconds{x.body.size() * 1000 / least_bytes_per_s};
  if (x.patience.count() > 0) {
    request.total_timeout = std::min(request.total_timeout, x.patience);
    request.connect_timeout = std::min(request.connect_timeout, x.patience);
  }
  return request;
}

result<http_response> s3_client::send(const call& x) const {
  auto tries = x.tries > 0 ? x.tries : options_.tries;
  for (uint32_t n = 1;; ++n) {
    auto request = signed_request(x); // anew: its date must be of now
    if (!request)
      return fail(request);
    auto answer = world_.transport->send(*request);
    auto transient = !answer || is_transient(*answer);
    if (transient && n < tries) {
      auto pause = first_pause * (1 << std::min<uint32_t>(n - 1, 10));
      pause = milliseconds{
        static_cast<int64_t>(static_cast<double>(pause.count()) * (0.5 + world_.random() / 2))};
      if (answer)
        if (auto wanted = number_of(header_of(*answer, "retry-after")))
          pause = std::max(pause, std::min(milliseconds{*wanted * 1000}, longest_retry_after));
      world_.pause(pause);
      continue;
    }
    if (!answer)
      return fail(ec::unavailable, "no answer from " + answer.error().message);
    if (transient)
      return tl::make_unexpected(refusal(x, *answer));
    return std::move(*answer);
  }
}

failure s3_client::refusal(const call& x, const http_response& answer) const {
  auto code = xml_text(answer.body, "Code").value_or("");
  auto said = xml_text(answer.body, "Message").value_or("");
  auto text = origin_ + " answers " + std::to_string(answer.status);
  if (!code.empty())
    text += " " + code;
  if (!said.empty())
    text += " (" + said.substr(0, 300) + ")";
  text += " to " + x.method + " " + options_.bucket + (x.key.empty() ? "" : "/" + x.key);
  if (answer.status >= 500 || is_transient(answer))
    return {ec::unavailable, text, 1000, {}};
  if (is_about_credentials(x.method, answer.status, code))
    return {ec::not_permitted,
            text + "; check the credentials, their rights, the region, and this machine's clock",
            0,
            {}};
  if (answer.status == 404 && (code == "NoSuchBucket" || code.empty()))
    return {ec::unavailable, text + "; check endpoint and bucket", 0, {}};
  if (answer.status >= 300 && answer.status < 400)
    return {ec::unavailable, text + "; check endpoint and region", 0, {}};
  return {ec::bad_request, text, 0, {}};
}

// -- objects -------------------------------------------------------------------------------------

result<std::optional<object_facts>> s3_client::head(const std::string& key) const {
  call x{.method = "HEAD", .key = key};
  auto answer = send(x);
  if (!answer)
    return fail(answer);
  if (answer->status == 404)
    return std::nullopt;
  if (answer->status != 200)
    return tl::make_unexpected(refusal(x, *answer));
  return object_facts{number_of(header_of(*answer, "content-length")).value_or(0),
                      header_of(*answer, digest_header), header_of(*answer, owner_header)};
}

result<put_outcome> s3_client::put(const object_spec& spec, std::span<const std::byte> body) const {
  call x{.method = "PUT",
         .key = spec.key,
         .headers = object_headers(spec),
         .body = body,
         .body_hash = spec.digest};
  if (spec.exclusive && options_.conditional_puts)
    x.headers.emplace_back("if-none-match", "*");
  auto answer = send(x);
  if (!answer)
    return fail(answer);
  if (answer->status == 412)
    return put_outcome::taken;
  if (answer->status != 200)
    return tl::make_unexpected(refusal(x, *answer));
  return put_outcome::written;
}

result<std::vector<std::string>> s3_client::list(const std::string& prefix) const {
  std::vector<std::string> keys;
  std::string next;
  auto until = std::chrono::steady_clock::now() + list_patience;
  for (int page = 0; page < max_list_pages; ++page) {
    if (std::chrono::steady_clock::now() >= until)
      break;
    call x{.method = "GET",
           .query = {{"list-type", "2"},
                     {"prefix", prefix},
                     {"delimiter", "/"},
                     {"encoding-type", "url"}},
           .tries = 1,
           .patience = list_patience};
    if (!next.empty())
      x.query.emplace_back("continuation-token", next);
    auto answer = send(x);
    if (!answer)
      return fail(answer);
    if (answer->status != 200)
      return tl::make_unexpected(refusal(x, *answer));
    for (auto& entry : xml_elements(answer->body, "Contents"))
      if (auto key = percent_decoded(xml_text(entry, "Key").value_or("")); key.starts_with(prefix))
        keys.push_back(std::move(key));
    next = xml_text(answer->body, "NextContinuationToken").value_or("");
    if (xml_text(answer->body, "IsTruncated").value_or("") != "true" || next.empty())
      return keys;
  }
  return fail(ec::unavailable,
              options_.bucket + " has too many keys to list that begin with " + prefix);
}

// -- multipart -----------------------------------------------------------------------------------

result<std::vector<s3_client::upload>> s3_client::uploads_of(const std::string& key) const {
  call x{.method = "GET", .query = {{"uploads", ""}, {"prefix", key}, {"encoding-type", "url"}}};
  auto answer = send(x);
  if (!answer)
    return fail(answer);
  if (answer->status != 200)
    return tl::make_unexpected(refusal(x, *answer));
  std::vector<upload> found;
  for (auto& entry : xml_elements(answer->body, "Upload")) {
    // Some stores do not encode the keys here, though asked to.
    auto named = xml_text(entry, "Key").value_or("");
    auto id = xml_text(entry, "UploadId").value_or("");
    if ((named == key || percent_decoded(named) == key) && !id.empty())
      found.push_back({key, id});
  }
  return found;
}

result<s3_client::upload> s3_client::begin_upload(const object_spec& spec) const {
  call x{
    .method = "POST", .key = spec.key, .query = {{"uploads", ""}}, .headers = object_headers(spec)};
  auto answer = send(x);
  if (!answer)
    return fail(answer);
  auto id = xml_text(answer->body, "UploadId").value_or("");
  if (answer->status != 200 || id.empty())
    return tl::make_unexpected(refusal(x, *answer));
  return upload{spec.key, std::move(id)};
}

result<std::string> s3_client::upload_part(const upload& to, uint32_t number,
                                           std::span<const std::byte> body) const {
  call x{.method = "PUT",
         .key = to.key,
         .query = {{"partNumber", std::to_string(number)}, {"uploadId", to.id}},
         .body = body};
  auto answer = send(x);
  if (!answer)
    return fail(answer);
  auto etag = header_of(*answer, "etag");
  if (answer->status != 200 || etag.empty())
    return tl::make_unexpected(refusal(x, *answer));
  return etag;
}

result<put_outcome> s3_client::complete_upload(const upload& to,
                                               const std::vector<std::string>& etags,
                                               bool exclusive) const {
  std::string body = "<CompleteMultipartUpload>";
  for (size_t i = 0; i < etags.size(); ++i)
    body += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>"
          + xml_escaped(etags[i]) + "</ETag></Part>";
  body += "</CompleteMultipartUpload>";
  call x{.method = "POST",
         .key = to.key,
         .query = {{"uploadId", to.id}},
         .headers = {{"content-type", "application/xml"}},
         .body = std::as_bytes(std::span{body})};
  if (exclusive && options_.conditional_puts)
    x.headers.emplace_back("if-none-match", "*");
  auto answer = send(x);
  if (!answer)
    return fail(answer);
  if (answer->status == 412)
    return put_outcome::taken;
  auto code = xml_text(answer->body, "Code").value_or("");
  if (answer->status == 404 && code == "NoSuchUpload")
    return put_outcome::gone;
  // A store that works on it for long sends 200 first and may say in the body that it failed.
  if (answer->status != 200 || !code.empty())
    return tl::make_unexpected(refusal(x, *answer));
  return put_outcome::written;
}

result<void> s3_client::abort_upload(const upload& to) const {
  call x{.method = "DELETE", .key = to.key, .query = {{"uploadId", to.id}}};
  auto answer = send(x);
  if (!answer)
    return fail(answer);
  if (answer->status != 204 && answer->status != 200 && answer->status != 404)
    return tl::make_unexpected(refusal(x, *answer));
  return {};
}

} // namespace luna::storage::s3
