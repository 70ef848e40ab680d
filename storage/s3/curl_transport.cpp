#include "storage/s3/curl_transport.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <curl/curl.h>
#include <mutex>

namespace luna::storage::s3 {

namespace {

/// Lists come in pages far below this; what is larger is no answer of an object store.
constexpr size_t max_body = size_t{16} << 20;

/// A handle with its connections, and where it says what went wrong: libcurl keeps the address of
/// that until the handle is closed, and writes to it while it closes.
class session {
public:
  session() : curl_(curl_easy_init()) {}
  ~session() {
    if (curl_)
      curl_easy_cleanup(curl_);
  }
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  CURL* get() const noexcept { return curl_; }

  /// All options as they were, the error text empty.
  void reset() {
    curl_easy_reset(curl_); // keeps its connections
    problem_.front() = '\0';
    curl_easy_setopt(curl_, CURLOPT_ERRORBUFFER, problem_.data());
  }

  std::string problem(CURLcode code) const {
    return problem_.front() != '\0' ? problem_.data() : curl_easy_strerror(code);
  }

private:
  CURL* curl_;
  std::array<char, CURL_ERROR_SIZE> problem_{};
};

struct list_closer {
  void operator()(curl_slist* x) const { curl_slist_free_all(x); }
};
using header_list = std::unique_ptr<curl_slist, list_closer>;

size_t take_body(char* data, size_t size, size_t count, void* into) {
  auto& body = *static_cast<std::string*>(into);
  if (body.size() + size * count > max_body)
    return 0; // ends the transfer with an error
  body.append(data, size * count);
  return size * count;
}

size_t take_header(char* data, size_t size, size_t count, void* into) {
  std::string line{data, size * count};
  auto colon = line.find(':');
  if (colon == line.npos)
    return size * count;
  auto name = line.substr(0, colon);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  auto first = line.find_first_not_of(" \t", colon + 1);
  auto last = line.find_last_not_of(" \t\r\n");
  auto& headers = *static_cast<std::map<std::string, std::string>*>(into);
  headers[name] =
    first == line.npos || last < first ? std::string{} : line.substr(first, last - first + 1);
  return size * count;
}

header_list make_headers(const http_request& request) {
  curl_slist* list = nullptr;
  for (auto& [name, value] : request.headers)
    // libcurl leaves out a header that ends with ":", and sends an empty one for ";".
    list = curl_slist_append(list, (value.empty() ? name + ";" : name + ": " + value).c_str());
  // No pause for "100 Continue", and no type that libcurl would make up.
  list = curl_slist_append(list, "Expect:");
  auto has_type = std::any_of(request.headers.begin(), request.headers.end(),
                              [](auto& x) { return x.first == "content-type"; });
  if (!has_type)
    list = curl_slist_append(list, "Content-Type:");
  return header_list{list};
}

class curl_transport final : public http_transport {
public:
  explicit curl_transport(std::string ca_file) : ca_file_(std::move(ca_file)) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  }

  tl::expected<http_response, no_answer> send(const http_request& request) override {
    auto x = take();
    if (!x->get())
      return tl::make_unexpected(no_answer{"libcurl gives no handle"});
    http_response answer;
    auto headers = make_headers(request);
    x->reset();
    set_up(x->get(), request, headers.get(), answer);
    auto code = curl_easy_perform(x->get());
    if (code != CURLE_OK)
      return tl::make_unexpected(no_answer{request.origin + ": " + x->problem(code)});
    long status = 0;
    curl_easy_getinfo(x->get(), CURLINFO_RESPONSE_CODE, &status);
    answer.status = static_cast<int>(status);
    give_back(std::move(x));
    return answer;
  }

private:
  void set_up(CURL* x, const http_request& request, curl_slist* headers, http_response& answer) {
    auto url = request.origin + request.path;
    if (!request.query.empty())
      url += "?" + request.query;
    curl_easy_setopt(x, CURLOPT_URL, url.c_str());
    curl_easy_setopt(x, CURLOPT_PATH_AS_IS, 1L); // what was signed is what is sent
    curl_easy_setopt(x, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(x, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(x, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(x, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(request.connect_timeout.count()));
    curl_easy_setopt(x, CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_timeout.count()));
    curl_easy_setopt(x, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(x, CURLOPT_LOW_SPEED_TIME,
                     std::max(1L, static_cast<long>(request.stall_timeout.count() / 1000)));
    if (!ca_file_.empty())
      curl_easy_setopt(x, CURLOPT_CAINFO, ca_file_.c_str());
    curl_easy_setopt(x, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(x, CURLOPT_WRITEDATA, &answer.body);
    curl_easy_setopt(x, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(x, CURLOPT_HEADERDATA, &answer.headers);
    if (request.method == "HEAD") {
      curl_easy_setopt(x, CURLOPT_NOBODY, 1L);
    } else if (request.method == "PUT" || request.method == "POST") {
      curl_easy_setopt(x, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(x, CURLOPT_POSTFIELDS,
                       request.body.empty() ? ""
                                            : reinterpret_cast<const char*>(request.body.data()));
      curl_easy_setopt(x, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    } else {
      curl_easy_setopt(x, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
  }

  std::unique_ptr<session> take() {
    std::lock_guard guard{mutex_};
    if (idle_.empty())
      return std::make_unique<session>();
    auto x = std::move(idle_.back());
    idle_.pop_back();
    return x;
  }

  /// Only after an answer: what a broken transfer has left is closed with its handle.
  void give_back(std::unique_ptr<session> x) {
    std::lock_guard guard{mutex_};
    idle_.push_back(std::move(x));
  }

  std::string ca_file_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<session>> idle_;
};

} // namespace

std::shared_ptr<http_transport> make_curl_transport(std::string ca_file) {
  return std::make_shared<curl_transport>(std::move(ca_file));
}

} // namespace luna::storage::s3
