#include "protocol/outgoing.hpp"

#include <algorithm>
#include <utility>

#include "base/safetensors.hpp"
#include "protocol/header_json.hpp"

namespace luna::protocol {

namespace {

constexpr uint32_t default_retry_ms = 500;

/// Head and header in one string with room for `more` bytes.
std::string front_of(frame_kind kind, uint64_t id, std::string_view header, uint64_t body_bytes,
                     size_t more) {
  frame_head head;
  head.kind = kind;
  head.id = id;
  head.header_bytes = static_cast<uint32_t>(header.size());
  head.body_bytes = body_bytes;
  auto bytes = encode(head);
  std::string front;
  front.reserve(head_size + header.size() + more);
  front.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  front.append(header);
  return front;
}

tl::unexpected<failure> too_large(std::string_view what, uint64_t size, uint64_t limit) {
  failure why{ec::bad_request,
              "a " + std::string{what} + " of " + std::to_string(size)
                + " bytes is over the limit of " + std::to_string(limit)
                + ": ask for less in one request",
              0,
              {}};
  auto name = std::string{what} + "_bytes";
  why.details = json{{name, size}, {"max_" + name, limit}}.dump();
  return tl::make_unexpected(std::move(why));
}

result<outgoing_frame> frame_of(frame_kind kind, uint64_t id, std::string_view header,
                                std::span<const named_tensor> tensors, const frame_limits& limits) {
  if (header.size() > limits.header_bytes)
    return too_large("header", header.size(), limits.header_bytes);
  auto body_head = tensors.empty() ? std::string{} : write_safetensors_head(tensors);
  auto body_bytes = body_head.size() + total_bytes(tensors);
  if (body_bytes > limits.body_bytes)
    return too_large("body", body_bytes, limits.body_bytes);
  outgoing_frame frame;
  frame.kind = kind;
  frame.id = id;
  frame.front = front_of(kind, id, header, body_bytes, body_head.size());
  frame.front += body_head;
  frame.size = head_size + header.size() + body_bytes;
  for (auto& x : tensors)
    if (x.tensor.size_bytes() > 0)
      frame.tensors.push_back(x.tensor);
  return frame;
}

bool is_notice(const outgoing_frame& frame) {
  return frame.kind == frame_kind::error || frame.kind == frame_kind::event;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span{text.data(), text.size()});
}

} // namespace

result<outgoing_frame> reply_frame(uint64_t id, std::string_view header,
                                   std::span<const named_tensor> tensors,
                                   const frame_limits& limits) {
  return frame_of(frame_kind::reply, id, header, tensors, limits);
}

result<outgoing_frame> request_frame(uint64_t id, std::string_view header,
                                     std::span<const named_tensor> tensors,
                                     const frame_limits& limits) {
  return frame_of(frame_kind::request, id, header, tensors, limits);
}

outgoing_frame header_frame(frame_kind kind, uint64_t id, std::string_view header) {
  outgoing_frame frame;
  frame.kind = kind;
  frame.id = id;
  frame.front = front_of(kind, id, header, 0, 0);
  frame.size = frame.front.size();
  return frame;
}

outgoing_frame error_frame(uint64_t id, const failure& why) {
  return header_frame(frame_kind::error, id, error_header(why));
}

std::string error_header(const failure& why) {
  json header = {
    {"code", to_string(why.code)}, {"message", why.message}, {"retryable", is_retryable(why.code)}};
  if (is_retryable(why.code))
    header["retry_after_ms"] = why.retry_after_ms != 0 ? why.retry_after_ms : default_retry_ms;
  if (!why.details.empty())
    if (auto details = json::parse(why.details, nullptr, false); details.is_object())
      header["details"] = std::move(details);
  return dump_header(header);
}

failure read_error_header(std::string_view text) {
  auto header = parse_header(text);
  if (!header)
    return {ec::internal, "the server sent an error that cannot be read", 0, {}};
  auto code = header->find("code");
  auto message = header->find("message");
  if (code == header->end() || !code->is_string() || message == header->end()
      || !message->is_string())
    return {ec::internal, "the server sent an error without code or message", 0, {}};
  failure why;
  // A code from a newer server is a failure all the same.
  why.code = error_code_of(code->get_ref<const std::string&>()).value_or(ec::internal);
  why.message = message->get<std::string>();
  if (auto after = header->find("retry_after_ms");
      after != header->end() && after->is_number_unsigned())
    why.retry_after_ms = static_cast<uint32_t>(std::min<uint64_t>(after->get<uint64_t>(), ~0U));
  if (auto details = header->find("details"); details != header->end() && details->is_object())
    why.details = dump_header(*details);
  return why;
}

void output_queue::push(outgoing_frame frame) {
  size_ += frame.size;
  if (is_notice(frame))
    notices_ += frame.size;
  frames_.push_back(std::move(frame));
}

std::span<const std::byte> output_queue::next() const noexcept {
  iovec piece;
  if (gather({&piece, 1}) == 0)
    return {};
  return {static_cast<const std::byte*>(piece.iov_base), piece.iov_len};
}

size_t output_queue::gather(std::span<iovec> pieces) const noexcept {
  size_t n = 0;
  auto skip = offset_;
  auto add = [&](std::span<const std::byte> bytes) {
    if (skip >= bytes.size()) {
      skip -= bytes.size();
      return;
    }
    bytes = bytes.subspan(skip);
    skip = 0;
    pieces[n++] = {const_cast<std::byte*>(bytes.data()), bytes.size()};
  };
  for (auto& frame : frames_) {
    if (n == pieces.size())
      break;
    add(bytes_of(frame.front));
    for (auto& tensor : frame.tensors) {
      if (n == pieces.size())
        break;
      add(tensor.bytes());
    }
  }
  return n;
}

outgoing_frame output_queue::pop() {
  auto frame = std::move(frames_.front());
  frames_.pop_front();
  if (is_notice(frame))
    notices_ -= frame.size;
  return frame;
}

} // namespace luna::protocol
