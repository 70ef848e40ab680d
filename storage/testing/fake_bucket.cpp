#include "storage/testing/fake_bucket.hpp"

#include <utility>

#include "storage/s3/sigv4.hpp"
#include "storage/s3/xml.hpp"

namespace luna::storage::testing {

namespace {

using s3::http_request;
using s3::http_response;

http_response refusal(int status, const std::string& code) {
  return {status, {}, "<Error><Code>" + code + "</Code><Message>says the fake</Message></Error>"};
}

int digit(char c) {
  return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

std::string decoded(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i)
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  return out;
}

std::map<std::string, std::string> parsed_query(const std::string& text) {
  std::map<std::string, std::string> query;
  for (size_t at = 0; at < text.size();) {
    auto end = std::min(text.find('&', at), text.size());
    auto pair = text.substr(at, end - at);
    auto equals = std::min(pair.find('='), pair.size());
    query[decoded(pair.substr(0, equals))] =
      decoded(pair.substr(std::min(equals + 1, pair.size())));
    at = end + 1;
  }
  return query;
}

std::string header(const http_request& request, const std::string& name) {
  for (auto& [key, value] : request.headers)
    if (key == name)
      return value;
  return {};
}

std::map<std::string, std::string> kept_headers(const http_request& request) {
  std::map<std::string, std::string> kept;
  for (auto& [name, value] : request.headers)
    if (name == "content-type" || name.starts_with("x-amz-meta-"))
      kept[name] = value;
  return kept;
}

std::string body_of(const http_request& request) {
  return {reinterpret_cast<const char*>(request.body.data()), request.body.size()};
}

} // namespace

tl::expected<http_response, s3::no_answer> fake_bucket::send(const http_request& request) {
  std::lock_guard guard{mutex_};
  seen_.push_back(request.method + " " + request.path
                  + (request.query.empty() ? "" : "?" + request.query));
  auto what = decide ? decide(++requests_, request) : (++requests_, fate::answered);
  switch (what) {
  case fate::busy:
    return refusal(503, "SlowDown");
  case fate::refused:
    return refusal(403, "AccessDenied");
  case fate::lost:
    return tl::make_unexpected(s3::no_answer{request.origin + ": the fake hears nothing"});
  case fate::answer_lost:
    static_cast<void>(handle(request));
    return tl::make_unexpected(s3::no_answer{request.origin + ": the fake's answer is lost"});
  default:
    return handle(request);
  }
}

http_response fake_bucket::handle(const http_request& request) {
  auto query = parsed_query(request.query);
  auto root = "/" + name_;
  if (request.path == root || request.path == root + "/")
    return on_bucket(request, query);
  if (!request.path.starts_with(root + "/"))
    return refusal(404, "NoSuchBucket");
  auto key = decoded(request.path.substr(root.size() + 1));
  auto exclusive = honours_conditions && header(request, "if-none-match") == "*";
  auto id = query.contains("uploadId") ? query["uploadId"] : "";
  if (request.method == "HEAD") {
    auto found = objects_.find(key);
    if (found == objects_.end())
      return {404, {}, {}};
    auto headers = found->second.headers;
    headers["content-length"] = std::to_string(found->second.bytes.size());
    return {200, headers, {}};
  }
  if (request.method == "POST" && query.contains("uploads"))
    return {200, {}, "<R><UploadId>" + begin(key, kept_headers(request)) + "</UploadId></R>"};
  if (!id.empty() && !uploads_.contains(id))
    return refusal(404, "NoSuchUpload");
  if (request.method == "POST")
    return complete(id, exclusive);
  if (request.method == "DELETE") {
    uploads_.erase(id);
    return {204, {}, {}};
  }
  if (request.method == "PUT" && !id.empty()) {
    uploads_[id].parts[std::stoi(query["partNumber"])] = body_of(request);
    return {200, {{"etag", "\"part" + query["partNumber"] + "\""}}, {}};
  }
  if (request.method == "PUT")
    return write(key, body_of(request), kept_headers(request), exclusive);
  return refusal(405, "MethodNotAllowed");
}

http_response fake_bucket::on_bucket(const http_request& request, const query_map& query) {
  if (request.method != "GET")
    return refusal(405, "MethodNotAllowed");
  if (!query.contains("uploads"))
    return list(query);
  std::string body = "<R>";
  for (auto& [id, x] : uploads_)
    if (x.key.starts_with(query.at("prefix")))
      body +=
        "<Upload><Key>" + s3::xml_escaped(x.key) + "</Key><UploadId>" + id + "</UploadId></Upload>";
  return {200, {}, body + "</R>"};
}

http_response fake_bucket::list(const query_map& query) {
  auto prefix = query.at("prefix");
  auto after = query.contains("continuation-token") ? query.at("continuation-token") : "";
  std::string body = "<R>";
  std::string last;
  size_t count = 0;
  for (auto& [key, x] : objects_) {
    if (!key.starts_with(prefix) || key <= after || key.find('/', prefix.size()) != key.npos)
      continue;
    if (count++ == page)
      return {200,
              {},
              body + "<IsTruncated>true</IsTruncated><NextContinuationToken>"
                + s3::xml_escaped(last) + "</NextContinuationToken></R>"};
    body += "<Contents><Key>" + s3::percent_encoded(key, true) + "</Key></Contents>";
    last = key;
  }
  return {200, {}, body + "<IsTruncated>false</IsTruncated></R>"};
}

http_response fake_bucket::write(const std::string& key, std::string bytes,
                                 std::map<std::string, std::string> headers, bool exclusive) {
  if (exclusive && objects_.contains(key))
    return refusal(412, "PreconditionFailed");
  auto& x = objects_[key];
  x.bytes = std::move(bytes);
  x.headers = std::move(headers);
  ++x.writes;
  return {200, {{"etag", "\"whole\""}}, {}};
}

http_response fake_bucket::complete(const std::string& id, bool exclusive) {
  auto x = uploads_.at(id);
  std::string bytes;
  for (auto& [number, part] : x.parts)
    bytes += part;
  auto answer = write(x.key, std::move(bytes), x.headers, exclusive);
  if (answer.status == 200)
    uploads_.erase(id);
  return answer;
}

std::string fake_bucket::begin(const std::string& key, std::map<std::string, std::string> headers) {
  auto id = "upload-" + std::to_string(++last_upload_);
  uploads_[id] = {key, std::move(headers), {}};
  return id;
}

} // namespace luna::storage::testing
