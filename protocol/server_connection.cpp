#include "protocol/server_connection.hpp"

#include <algorithm>
#include <utility>

#include "protocol/hello.hpp"

namespace luna::protocol {

namespace {

constexpr size_t read_size = 64 << 10;
constexpr size_t body_read_size = 1 << 20;

/// Errors and events that may wait to leave before reading stops.
constexpr uint64_t notice_limit = 2 << 20;

/// A large header's share of the budget grows by this.
constexpr uint64_t header_step = 64 << 10;

/// When to try again after too many requests at once.
constexpr uint32_t overloaded_retry_ms = 100;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

failure problem(ec code, std::string message) {
  return {code, std::move(message), 0, {}};
}

bool only_waits(const server_config& config, const json& header) {
  auto cmd = header.find("cmd");
  return cmd != header.end() && cmd->is_string()
      && std::find(config.waiting_commands.begin(), config.waiting_commands.end(),
                   cmd->get_ref<const std::string&>())
           != config.waiting_commands.end();
}

} // namespace

server_connection::server_connection(std::shared_ptr<const server_config> config)
  : config_(std::move(config)) {}

void server_connection::start() {
  server_greeting greeting;
  greeting.server = config_->server;
  greeting.needs_proof = config_->secret.has_value();
  greeting.nonce = nonce_ = make_nonce();
  output_.push(header_frame(frame_kind::hello, 0, dump_header(to_json(greeting))));
}

// -- in ---

void server_connection::feed(std::span<const std::byte> bytes) {
  while (!bytes.empty() && state_ != state::closed) {
    auto before = bytes.size();
    switch (part_) {
    case part::head:
      bytes = take_head(bytes);
      break;
    case part::header:
      bytes = take_header(bytes);
      break;
    case part::body:
      bytes = take_body(bytes);
      break;
    case part::skip:
      bytes = take_skip(bytes);
      break;
    }
    received_ += before - bytes.size();
  }
}

std::span<const std::byte> server_connection::take_head(std::span<const std::byte> in) {
  auto n = std::min(in.size(), head_size - head_filled_);
  std::copy_n(in.begin(), n, head_bytes_.begin() + static_cast<ptrdiff_t>(head_filled_));
  head_filled_ += n;
  if (head_filled_ == head_size) {
    head_filled_ = 0;
    head_ = decode(head_bytes_);
    on_head();
  }
  return in.subspan(n);
}

std::span<const std::byte> server_connection::take_header(std::span<const std::byte> in) {
  auto n = std::min<size_t>(in.size(), head_.header_bytes - header_.size());
  auto piece = in.first(n);
  auto rest = in.subspan(n);
  if (n == head_.header_bytes && n <= small_header_bytes) {
    on_header(text_of(piece)); // the common case: whole, small, and read where it lies
    return rest;
  }
  if (!take_header_memory(header_.size() + n)) {
    refuse_incoming(out_of_buffers(), head_.header_bytes - header_.size() + head_.body_bytes);
    return in;
  }
  header_.append(text_of(piece));
  if (header_.size() == head_.header_bytes)
    on_header(header_);
  return rest;
}

std::span<const std::byte> server_connection::take_body(std::span<const std::byte> in) {
  auto missing = body_->size() - body_->filled();
  auto n = static_cast<size_t>(std::min<uint64_t>(in.size(), missing));
  if (!body_->append(in.first(n))) {
    refuse_incoming(out_of_buffers(), missing);
    return in;
  }
  if (body_->complete())
    on_request_complete();
  return in.subspan(n);
}

std::span<const std::byte> server_connection::take_skip(std::span<const std::byte> in) {
  auto n = static_cast<size_t>(std::min<uint64_t>(in.size(), skip_));
  begin_skip(skip_ - n);
  return in.subspan(n);
}

// -- the parts of a frame ---

void server_connection::on_head() {
  if (auto ok = check(head_, config_->limits); !ok)
    return break_off(answer_id(head_), ok.error());
  if (state_ == state::hello && head_.kind != frame_kind::hello)
    return break_off(head_.id,
                     problem(ec::unauthenticated, "the first frame of a client must be hello, not "
                                                    + std::string{to_string(head_.kind)}));
  part_ = part::header;
  switch (head_.kind) {
  case frame_kind::hello:
    return on_hello_head();
  case frame_kind::request:
    return on_request_head();
  case frame_kind::cancel:
    return on_cancel_head();
  default:
    return break_off(head_.id, problem(ec::bad_frame, "a client does not send frames of the kind "
                                                        + std::string{to_string(head_.kind)}));
  }
}

void server_connection::on_hello_head() {
  if (state_ == state::open)
    return break_off(head_.id, problem(ec::bad_frame, "a client says hello only once"));
  if (head_.id != 0 || head_.body_bytes != 0 || head_.header_bytes > max_hello_bytes)
    return break_off(
      head_.id,
      problem(ec::bad_frame, "a hello has the id 0, a header of at most 64 KiB and no body"));
  if (head_.header_bytes == 0)
    on_header({});
}

void server_connection::on_cancel_head() {
  if (head_.body_bytes != 0 || head_.header_bytes > small_header_bytes)
    return break_off(head_.id, problem(ec::bad_frame, "a cancel has the header {} and no body"));
  if (head_.header_bytes == 0)
    on_header({});
}

void server_connection::on_request_head() {
  auto id = head_.id;
  if (id == 0)
    return break_off(0, problem(ec::bad_frame, "a request has an id other than 0"));
  if (requests_.contains(id)) {
    auto why = problem(ec::duplicate_request_id,
                       "the request id " + std::to_string(id)
                         + " is in use: take another one until its answer is there");
    why.details = json{{"id", id}}.dump();
    return break_off(0, std::move(why));
  }
  if (counted_ >= config_->max_in_flight) {
    // The id stays free: this error is its answer.
    output_.push(error_frame(id, {ec::overloaded,
                                  "this connection has " + std::to_string(counted_)
                                    + " requests in flight, which is its limit: wait for an answer "
                                      "first",
                                  overloaded_retry_ms,
                                  {}}));
    return begin_skip(head_.header_bytes + head_.body_bytes);
  }
  requests_.emplace(id, request_state{});
  ++counted_;
  incoming_.id = id;
  if (head_.header_bytes == 0)
    on_header({});
}

void server_connection::on_header(std::string_view text) {
  switch (head_.kind) {
  case frame_kind::hello:
    return on_hello(text);
  case frame_kind::cancel:
    return on_cancel(text);
  default:
    return on_request_header(text);
  }
}

void server_connection::on_hello(std::string_view text) {
  auto fields = parse_header(text);
  if (!fields)
    return break_off(0, problem(ec::bad_frame, fields.error().message));
  auto hello = read_client_hello(*fields);
  if (!hello)
    return break_off(0, hello.error());
  auto* secret = config_->secret ? &*config_->secret : nullptr;
  if (auto ok = admit(*hello, nonce_, secret); !ok)
    return break_off(0, ok.error());
  server_welcome welcome;
  if (secret != nullptr)
    welcome.proof = server_proof(*secret, nonce_, hello->nonce);
  welcome.node = config_->node;
  welcome.cluster = config_->cluster;
  welcome.max_body_bytes = config_->limits.body_bytes;
  welcome.max_header_bytes = config_->limits.header_bytes;
  welcome.max_in_flight = config_->max_in_flight;
  welcome.commands = config_->commands;
  welcome.capabilities = config_->capabilities;
  output_.push(header_frame(frame_kind::hello, 0, dump_header(to_json(welcome))));
  state_ = state::open;
  events_.emplace_back(hello_done{std::move(hello->client)});
  end_frame();
}

void server_connection::on_cancel(std::string_view text) {
  // A cancel has no fields that could be wrong; only what is no frame matters.
  if (auto fields = parse_header(text); !fields && fields.error().code == ec::bad_frame)
    return break_off(head_.id, fields.error());
  if (waiting(head_.id) != nullptr)
    events_.emplace_back(cancel_received{head_.id});
  end_frame();
}

void server_connection::on_request_header(std::string_view text) {
  if (text.size() > small_header_bytes) {
    incoming_.raw_header = std::move(header_);
    incoming_.header_share = std::move(header_share_);
  } else {
    auto fields = parse_header(text);
    if (!fields && fields.error().code == ec::bad_frame)
      return break_off(head_.id, fields.error());
    if (!fields)
      return refuse_incoming(fields.error(), head_.body_bytes);
    incoming_.header = std::move(*fields);
    if (only_waits(*config_, incoming_.header))
      does_not_count(head_.id);
  }
  if (head_.body_bytes == 0)
    return on_request_complete();
  auto body = body_buffer::make(head_.body_bytes, config_->buffers);
  if (!body)
    return refuse_incoming(body.error(), head_.body_bytes);
  body_.emplace(std::move(*body));
  part_ = part::body;
}

void server_connection::on_request_complete() {
  if (body_)
    incoming_.body = std::move(*body_).finish();
  requests_.at(incoming_.id).complete = true;
  events_.emplace_back(std::move(incoming_));
  end_frame();
}

// -- ends ---

bool server_connection::take_header_memory(uint64_t needed) {
  if (head_.header_bytes <= small_header_bytes || needed <= header_share_.bytes())
    return true;
  if (header_share_.bytes() == 0)
    header_share_ = *config_->buffers->try_take(0);
  auto wanted =
    std::min<uint64_t>(head_.header_bytes, (needed + header_step - 1) / header_step * header_step);
  return header_share_.grow(wanted - header_share_.bytes());
}

void server_connection::refuse_incoming(const failure& why, uint64_t rest) {
  auto id = incoming_.id;
  end_frame();
  refuse(id, why);
  begin_skip(rest);
}

void server_connection::begin_skip(uint64_t bytes) {
  skip_ = bytes;
  part_ = bytes > 0 ? part::skip : part::head;
}

void server_connection::end_frame() {
  header_.clear();
  header_share_.release();
  body_.reset();
  incoming_ = {};
  part_ = part::head;
}

void server_connection::break_off(uint64_t id, failure why) {
  if (state_ == state::closed)
    return;
  end_frame();
  head_filled_ = 0;
  skip_ = 0;
  output_.push(error_frame(id, why));
  state_ = state::closed;
  events_.emplace_back(connection_closed{std::move(why)});
}

std::optional<connection_event> server_connection::poll() {
  if (events_.empty())
    return std::nullopt;
  std::optional<connection_event> event{std::move(events_.front())};
  events_.pop_front();
  return event;
}

size_t server_connection::next_read_size() const noexcept {
  auto missing = part_ == part::body ? body_->size() - body_->filled()
               : part_ == part::skip ? skip_
                                     : uint64_t{0};
  return static_cast<size_t>(std::clamp<uint64_t>(missing, read_size, body_read_size));
}

bool server_connection::wants_input() const noexcept {
  return state_ != state::closed && output_.notice_bytes() < notice_limit;
}

bool server_connection::mid_frame() const noexcept {
  return head_filled_ > 0 || part_ != part::head;
}

} // namespace luna::protocol
