#include "protocol/client.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace luna::protocol {

namespace {

constexpr size_t buffer_size = 64 << 10;

} // namespace

result<json> incoming_frame::fields() const {
  auto fields = parse_header(header);
  if (!fields)
    return fail(ec::internal,
                "the server sent a header that cannot be read: " + fields.error().message);
  return fields;
}

// -- opening and closing ---

result<client> client::connect(const client_options& options) {
  auto opened = connect_raw(options);
  if (!opened)
    return opened;
  if (auto ok = opened->say_hello(options); !ok)
    return fail(ok);
  return opened;
}

result<client> client::connect_raw(const client_options& options) {
  client opened;
  if (auto ok = opened.open(options); !ok)
    return fail(ok);
  return opened;
}

result<void> client::open(const client_options& options) {
  auto opened =
    stream_socket::connect(options.host, options.port, clock::now() + options.connect_timeout);
  if (!opened)
    return fail(opened);
  socket_ = std::move(*opened);
  limits_ = options.limits;
  progress_timeout_ = options.progress_timeout;
  buffer_.resize(buffer_size);
  return {};
}

result<json> client::read_hello(clock::time_point deadline) {
  auto frame = read_frame(deadline);
  if (!frame)
    return fail(frame);
  if (frame->kind == frame_kind::error)
    return tl::make_unexpected(read_error_header(frame->header));
  if (frame->kind != frame_kind::hello)
    return fail(ec::protocol_mismatch, "the server sent a frame of the kind "
                                         + std::string{to_string(frame->kind)} + ", not hello");
  return frame->fields();
}

result<void> client::say_hello(const client_options& options) {
  auto deadline = clock::now() + options.connect_timeout;
  auto* secret = options.secret ? &*options.secret : nullptr;
  auto fields = read_hello(deadline);
  if (!fields)
    return fail(fields);
  auto greeting = read_greeting(*fields);
  if (!greeting)
    return fail(greeting);
  greeting_ = std::move(*greeting);
  auto hello = answer_greeting(greeting_, options.name, secret);
  if (!hello)
    return fail(hello);
  if (auto ok = write(header_frame(frame_kind::hello, 0, dump_header(to_json(*hello)))); !ok)
    return ok;
  fields = read_hello(deadline);
  if (!fields)
    return fail(fields);
  auto welcome = read_welcome(*fields);
  if (!welcome)
    return fail(welcome);
  if (auto ok = accept_welcome(*welcome, greeting_.nonce, hello->nonce, secret); !ok)
    return ok;
  welcome_ = std::move(*welcome);
  server_limits_.header_bytes =
    static_cast<uint32_t>(std::min<uint64_t>(welcome_.max_header_bytes, UINT32_MAX));
  server_limits_.body_bytes = welcome_.max_body_bytes;
  return {};
}

// -- calls ---

result<client_reply> client::call(const json& request, std::span<const named_tensor> tensors,
                                  std::chrono::milliseconds timeout,
                                  const std::function<void(const json&)>& on_event) {
  auto id = send(request, tensors);
  if (!id)
    return fail(id);
  return wait(*id, timeout, on_event);
}

result<uint64_t> client::send(const json& request, std::span<const named_tensor> tensors) {
  return send_text(dump_header(request), tensors);
}

result<uint64_t> client::send_text(std::string_view header, std::span<const named_tensor> tensors) {
  auto frame = request_frame(last_id_ + 1, header, tensors, server_limits_);
  if (!frame)
    return fail(frame);
  ++last_id_;
  if (auto ok = write(*frame); !ok)
    return fail(ok);
  return last_id_;
}

result<void> client::cancel(uint64_t id) {
  return write(header_frame(frame_kind::cancel, id, "{}"));
}

result<client_reply> client::to_reply(const incoming_frame& frame) {
  if (frame.kind == frame_kind::error)
    return tl::make_unexpected(read_error_header(frame.header));
  auto fields = frame.fields();
  if (!fields)
    return fail(fields);
  auto tensors = frame.tensors();
  if (!tensors)
    return fail(ec::internal,
                "the server sent a body that cannot be read: " + tensors.error().message);
  return client_reply{std::move(*fields), std::move(*tensors)};
}

result<client_reply> client::wait(uint64_t id, std::chrono::milliseconds timeout,
                                  const std::function<void(const json&)>& on_event) {
  auto deadline = clock::now() + timeout;
  // Frames that came while another request was waited for come first.
  auto earlier = std::exchange(kept_, {});
  std::optional<incoming_frame> answer;
  auto look_at = [&](incoming_frame frame) {
    auto of_connection = frame.kind == frame_kind::error && frame.id == 0;
    if (frame.id == id && frame.kind == frame_kind::event) {
      if (auto fields = frame.fields(); fields && on_event)
        on_event(*fields);
    } else if (!answer && (frame.id == id || of_connection)) {
      answer = std::move(frame);
    } else {
      kept_.push_back(std::move(frame));
    }
  };
  for (auto& frame : earlier)
    look_at(std::move(frame));
  while (!answer) {
    auto frame = read_frame(deadline);
    if (!frame)
      return fail(frame);
    look_at(std::move(*frame));
  }
  return to_reply(*answer);
}

result<incoming_frame> client::receive(std::chrono::milliseconds timeout) {
  if (kept_.empty())
    return read_frame(clock::now() + timeout);
  auto frame = std::move(kept_.front());
  kept_.pop_front();
  return frame;
}

result<json> client::next_event(std::chrono::milliseconds timeout) {
  auto is_event = [](auto& x) { return x.kind == frame_kind::event && x.id == 0; };
  if (auto i = std::find_if(kept_.begin(), kept_.end(), is_event); i != kept_.end()) {
    auto frame = std::move(*i);
    kept_.erase(i);
    return frame.fields();
  }
  auto deadline = clock::now() + timeout;
  while (true) {
    auto frame = read_frame(deadline);
    if (!frame)
      return fail(frame);
    if (is_event(*frame))
      return frame->fields();
    kept_.push_back(std::move(*frame));
  }
}

bool client::ends(std::chrono::milliseconds timeout) {
  auto deadline = clock::now() + timeout;
  while (true) {
    auto got = socket_.read_some(buffer_, deadline);
    if (!got)
      return got.error().code == ec::unavailable;
  }
}

// -- the socket ---

result<void> client::send_bytes(std::span<const std::byte> bytes) {
  iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
  return socket_.write_all({&piece, 1}, progress_timeout_);
}

result<void> client::send_bytes(std::string_view bytes) {
  return send_bytes(std::as_bytes(std::span{bytes.data(), bytes.size()}));
}

result<void> client::write(const outgoing_frame& frame) {
  std::vector<iovec> pieces;
  pieces.reserve(1 + frame.tensors.size());
  pieces.push_back({const_cast<char*>(frame.front.data()), frame.front.size()});
  for (auto& x : frame.tensors)
    pieces.push_back({const_cast<std::byte*>(x.bytes().data()), x.size_bytes()});
  return socket_.write_all(pieces, progress_timeout_);
}

result<void> client::read_exactly(std::span<std::byte> to, clock::time_point deadline) {
  while (!to.empty()) {
    if (begin_ == end_ && to.size() >= buffer_.size()) {
      // Large bodies go straight to where they stay.
      auto got = socket_.read_some(to, deadline);
      if (!got)
        return fail(got);
      to = to.subspan(*got);
      continue;
    }
    if (begin_ == end_) {
      auto got = socket_.read_some(buffer_, deadline);
      if (!got)
        return fail(got);
      begin_ = 0;
      end_ = *got;
    }
    auto n = std::min(to.size(), end_ - begin_);
    std::memcpy(to.data(), buffer_.data() + begin_, n);
    begin_ += n;
    to = to.subspan(n);
  }
  return {};
}

result<void> client::buffer_head(clock::time_point deadline) {
  if (buffer_.size() - begin_ < head_size) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  while (end_ - begin_ < head_size) {
    auto got = socket_.read_some(std::span{buffer_}.subspan(end_), deadline);
    if (!got)
      return fail(got);
    end_ += *got;
  }
  return {};
}

result<incoming_frame> client::read_frame(clock::time_point deadline) {
  if (auto ok = buffer_head(deadline); !ok)
    return fail(ok);
  // A frame that has begun is read to its end: half of one would leave the stream without a place
  // to go on from.
  deadline = std::max(deadline, clock::now() + progress_timeout_);
  std::array<std::byte, head_size> bytes;
  if (auto ok = read_exactly(bytes, deadline); !ok)
    return fail(ok);
  auto head = decode(bytes);
  if (auto ok = check(head, limits_); !ok)
    return fail(ec::protocol_mismatch, "the server sent no frame: " + ok.error().message);
  incoming_frame frame;
  frame.kind = head.kind;
  frame.id = head.id;
  frame.header.resize(head.header_bytes);
  if (auto ok = read_exactly(
        std::as_writable_bytes(std::span{frame.header.data(), frame.header.size()}), deadline);
      !ok)
    return fail(ok);
  if (head.body_bytes > 0) {
    // Not make_shared: that would write zeros first.
    std::shared_ptr<std::byte[]> memory{new std::byte[head.body_bytes]};
    std::span<std::byte> body{memory.get(), head.body_bytes};
    if (auto ok = read_exactly(body, deadline); !ok)
      return fail(ok);
    frame.body = {std::move(memory), body};
  }
  return frame;
}

} // namespace luna::protocol
