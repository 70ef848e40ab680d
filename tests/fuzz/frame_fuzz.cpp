// Any bytes, in any pieces, before and after hello: server_connection must neither crash nor keep
// memory, must give the same events as for the bytes in one piece, and must send whole frames only.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/request_fields.hpp"
#include "protocol/server_connection.hpp"

namespace {

using namespace luna;
using namespace luna::protocol;

void require(bool holds) {
  if (!holds)
    std::abort();
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span{text.data(), text.size()});
}

constexpr std::string_view hello =
  R"({"client":"fuzz/1","protocol":1,"nonce":"00112233445566778899aabbccddeeff"})";

std::shared_ptr<server_config> make_config(uint8_t mode) {
  auto config = std::make_shared<server_config>();
  config->waiting_commands = {"job_wait"};
  // Small enough that a few bytes of input reach every bound.
  config->limits = {.header_bytes = 128 << 10, .body_bytes = 64 << 20};
  config->max_in_flight = 3;
  config->max_waiting = 1;
  config->max_event_bytes = 200;
  config->buffers = byte_budget::make(1 << 20);
  if ((mode & 2) != 0)
    config->secret = "correct horse battery staple";
  return config;
}

/// What the gateway would do with a request, briefly.
void answer(server_connection& server, const request_received& request, uint8_t mode) {
  auto header = request.header;
  if (header.is_null()) {
    auto parsed = parse_header(request.raw_header);
    if (!parsed && parsed.error().code == ec::bad_frame)
      return server.fail_frame(request.id, parsed.error());
    if (!parsed) {
      server.refuse(request.id, parsed.error());
      return;
    }
    header = std::move(*parsed);
  }
  require(header.is_object());
  field_reader in{header};
  auto common = read_common_fields(in, {common_use::model_use::optional, true, true});
  if (auto ok = in.finish(); !ok)
    require(ok.error().code == ec::bad_request);
  server.event(request.id, R"({"event":"progress"})");
  if ((mode & 4) != 0 && server.does_not_count(request.id))
    return;
  auto tensors = read_body(request.body);
  if (!tensors)
    server.refuse(request.id, tensors.error());
  else if ((mode & 8) != 0) // else it waits for ever
    static_cast<void>(server.reply(request.id, dump_header(header), *tensors));
}

std::string name_of(const connection_event& event) {
  if (auto* x = std::get_if<hello_done>(&event))
    return "hello " + x->client;
  if (auto* x = std::get_if<request_received>(&event))
    return "request " + std::to_string(x->id) + dump_header(x->header) + x->raw_header
         + std::to_string(x->body.bytes.size());
  if (auto* x = std::get_if<cancel_received>(&event))
    return "cancel " + std::to_string(x->id);
  return "closed " + std::get<connection_closed>(event).why.message;
}

void check_output(std::string_view bytes) {
  while (!bytes.empty()) {
    require(bytes.size() >= head_size);
    auto head = decode(bytes_of(bytes).first<head_size>());
    require(check(head, {.header_bytes = 128 << 10, .body_bytes = 64 << 20}).has_value());
    bytes.remove_prefix(head_size);
    require(bytes.size() >= head.header_bytes + head.body_bytes);
    require(parse_header(bytes.substr(0, head.header_bytes)).has_value());
    bytes.remove_prefix(head.header_bytes + head.body_bytes);
  }
}

/// @param step the pieces are 1 to `step` bytes long; 0: one piece.
std::vector<std::string> run(std::string_view stream, uint8_t mode, uint8_t step) {
  auto config = make_config(mode);
  std::vector<std::string> seen;
  std::string sent;
  {
    server_connection server{config};
    server.start();
    if ((mode & 1) != 0) {
      frame_head head;
      head.kind = frame_kind::hello;
      head.header_bytes = static_cast<uint32_t>(hello.size());
      server.feed(encode(head));
      server.feed(bytes_of(hello));
    }
    uint32_t random = 12345;
    do {
      random = random * 1664525 + 1013904223;
      auto n =
        step == 0 ? stream.size() : std::min<size_t>(stream.size(), 1 + (random >> 16) % step);
      server.feed(bytes_of(stream.substr(0, n)));
      stream.remove_prefix(n);
      require(server.next_read_size() > 0);
      require(config->buffers->used() <= config->buffers->capacity());
    } while (!stream.empty());
    while (auto event = server.poll()) {
      seen.push_back(name_of(*event));
      if (auto* request = std::get_if<request_received>(&*event))
        answer(server, *request, mode);
    }
    while (!server.output().empty()) {
      auto next = server.output().next();
      sent.append(reinterpret_cast<const char*>(next.data()), next.size());
      server.sent(next.size());
    }
  }
  require(config->buffers->used() == 0);
  check_output(sent);
  return seen;
}

/// Reads the input as a list of frames (kind, id, length of header and of body, bytes) and puts
/// right heads before them, so that what lies behind the head is reached, too.
std::string frames_of(std::string_view input) {
  std::string stream;
  while (input.size() >= 4) {
    auto byte = [&](size_t i) { return static_cast<uint8_t>(input[i]); };
    frame_head head;
    head.kind = static_cast<frame_kind>(byte(0) % 8);
    head.id = byte(1) % 8;
    auto header_bytes = size_t{byte(2)} * 2;
    auto body_bytes = size_t{byte(3)};
    input.remove_prefix(4);
    auto header = input.substr(0, header_bytes);
    input.remove_prefix(header.size());
    auto body = input.substr(0, body_bytes);
    input.remove_prefix(body.size());
    head.header_bytes = static_cast<uint32_t>(header.size());
    head.body_bytes = body.size();
    auto bytes = encode(head);
    stream.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    stream.append(header).append(body);
  }
  return stream;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2)
    return 0;
  std::string_view input{reinterpret_cast<const char*>(data) + 2, size - 2};
  auto stream = (data[0] & 16) != 0 ? frames_of(input) : std::string{input};
  auto whole = run(stream, data[0], 0);
  auto pieces = run(stream, data[0], std::max<uint8_t>(data[1], 1));
  require(whole == pieces);
  return 0;
}
