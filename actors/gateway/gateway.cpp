#include "actors/gateway/gateway.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/gateway/commands/command_names.hpp"
#include "actors/gateway/connection.hpp"
#include "actors/gateway/handshake_guard.hpp"
#include "actors/support/actor_defaults.hpp"
#include "actors/support/closing_broker.hpp"
#include "actors/support/listening_socket.hpp"
#include "actors/support/tcp_socket.hpp"
#include "messages/error.hpp"
#include "protocol/hello.hpp"

namespace luna {

namespace {

constexpr std::chrono::seconds reset_patience{2};

struct gateway_state {
  static inline const char* name = "gateway";

  /// No connection outlives its gateway.
  ~gateway_state() {
    for (auto& [address, connection] : connections)
      caf::anon_send_exit(connection, caf::exit_reason::user_shutdown);
  }

  std::shared_ptr<gateway_core> core;
  std::vector<caf::io::accept_handle> doors;
  std::unordered_map<caf::actor_addr, caf::actor> connections;
  std::vector<caf::typed_response_promise<bool>> drained;
};

using self_pointer = caf::stateful_actor<gateway_state, closing_broker>*;

// -- connections ---

/// Tells a peer why it cannot come in. It is a few bytes, so the socket takes them.
void turn_away(self_pointer self, caf::io::connection_handle peer, std::string why) {
  auto frame = protocol::error_frame(0, {ec::overloaded, std::move(why), 1000, {}});
  iovec piece{frame.front.data(), frame.front.size()};
  write_some(static_cast<int>(peer.id()), {&piece, 1});
  self->close(peer);
}

void accept(self_pointer self, caf::io::connection_handle peer) {
  auto& core = *self->state.core;
  auto& counters = *core.context->counters;
  if (counters.connections >= core.max_connections)
    return turn_away(self, peer,
                     "this gateway has " + std::to_string(core.max_connections)
                       + " clients, which is its limit: try again later");
  auto address = peer_address(static_cast<int>(peer.id()));
  if (auto why = core.guard->enter(address, self->clock().now()))
    return turn_away(self, peer, std::move(*why));
  ++counters.handshakes;
  auto connection = self->fork(luna::connection, peer, self->state.core, address);
  self->monitor(connection);
  self->state.connections.emplace(connection.address(), connection);
}

// -- commands ---

struct reset_run {
  caf::typed_response_promise<uint64_t> promise;
  uint64_t cancelled = 0;
  size_t pending = 1;

  void add(uint64_t n) {
    cancelled += n;
    if (--pending == 0)
      promise.deliver(cancelled);
  }
};

caf::result<uint64_t> reset(self_pointer self) {
  auto run = std::make_shared<reset_run>();
  run->promise = self->make_response_promise<uint64_t>();
  auto promise = run->promise;
  for (auto& [address, connection] : self->state.connections) {
    ++run->pending;
    self->request(connection, reset_patience, reset_atom_v)
      .then([run](uint64_t n) { run->add(n); }, [run](const caf::error&) { run->add(0); });
  }
  run->add(0);
  return promise;
}

void finish_drain(self_pointer self) {
  if (self->state.core->busy > 0)
    return;
  for (auto& promise : std::exchange(self->state.drained, {}))
    promise.deliver(true);
}

caf::result<bool> drain(self_pointer self) {
  auto& state = self->state;
  if (!state.core->context->counters->draining.exchange(true)) {
    for (auto door : state.doors)
      self->close(door);
    for (auto& [address, connection] : state.connections)
      self->send(connection, drain_atom_v);
  }
  auto promise = state.drained.emplace_back(self->make_response_promise<bool>());
  finish_drain(self);
  return promise;
}

gateway_status status(const gateway_core& core) {
  auto& x = *core.context->counters;
  return {x.connections, x.handshakes, x.requests, x.clip_requests, x.vae_requests};
}

caf::behavior gateway(self_pointer self, const std::vector<int>& descriptors,
                      std::shared_ptr<gateway_core> core) {
  set_actor_defaults(self);
  self->state.core = std::move(core);
  self->state.core->gateway = self->address();
  for (auto descriptor : descriptors)
    self->state.doors.push_back(self->add_doorman(descriptor));
  self->set_down_handler([self](caf::down_msg& x) { self->state.connections.erase(x.source); });
  return {
    [self](const caf::io::new_connection_msg& x) { accept(self, x.handle); },
    [](const caf::io::acceptor_closed_msg&) {}, // by drain
    [self](drain_atom) { return drain(self); },
    [self](reset_atom) { return reset(self); },
    [self](status_atom) { return status(*self->state.core); },
    [self](tick_atom) { finish_drain(self); },
  };
}

// -- start ---

std::shared_ptr<const protocol::server_config> protocol_config(const gateway_options& options) {
  auto config = std::make_shared<protocol::server_config>();
  config->server = "luna/" + options.context.version;
  config->node = options.context.node;
  config->cluster = options.context.cluster;
  config->limits = options.context.limits;
  config->max_in_flight = options.in_flight;
  config->commands = commands::announced_names(options.forbidden_commands);
  config->waiting_commands = commands::waiting_names();
  config->capabilities = {
    "jobs",
    "warnings",
    "text_cleanup",
  };
  config->secret = options.secret;
  config->buffers = options.buffers;
  return config;
}

std::shared_ptr<const session_context> context_of(gateway_options& options) {
  auto context = std::make_shared<session_context>(std::move(options.context));
  for (auto& name : options.forbidden_commands)
    context->forbidden.emplace(commands::canonical_name(name));
  return context;
}

} // namespace

result<gateway_handles> start_gateway(caf::actor_system& system, gateway_options options) {
  if (auto ok = protocol::check_exposure(options.host, options.secret.has_value()); !ok)
    return fail(ok);
  auto sockets = listening_socket::listen_on(options.host, options.port);
  if (!sockets)
    return fail(sockets);
  gateway_handles handles;
  handles.port = sockets->front().port();
  handles.addresses = dialable_addresses(*sockets);
  options.context.gateways = handles.addresses;
  auto core = std::make_shared<gateway_core>();
  core->protocol = protocol_config(options);
  core->context = context_of(options);
  core->max_connections = options.connections;
  core->guard.emplace(options.handshakes, options.connections);
  core->hello_time = options.hello_time;
  core->progress_time = options.progress_time;
  core->context->counters->draining = false; // the gateway before this one may have been drained
  std::vector<int> descriptors;
  for (auto& socket : *sockets)
    descriptors.push_back(socket.release());
  auto broker = system.middleman().spawn_broker(gateway, descriptors, std::move(core));
  handles.gateway = caf::actor_cast<gateway_actor>(broker);
  spdlog::info("the gateway listens at {}", fmt::join(handles.addresses, ", "));
  return handles;
}

} // namespace luna
