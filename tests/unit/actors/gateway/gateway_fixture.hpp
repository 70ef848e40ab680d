#pragma once

#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <atomic>
#include <future>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "actors/cluster/directory_actor.hpp"
#include "actors/cluster/event_hub.hpp"
#include "actors/gateway/gateway.hpp"
#include "actors/pool/pool_actor.hpp"
#include "actors/save/save_sink_actor.hpp"
#include "actors/transport/exchange_actor.hpp"
#include "messages/error.hpp"
#include "messages/node_view.hpp"
#include "messages/tensor_chunk.hpp"
#include "messages/work_arguments.hpp"
#include "protocol/client.hpp"
#include "session_fakes.hpp"

/// A gateway on real sockets, for the tests of both files.
namespace luna::testing {

using std::chrono_literals::operator""s;
using protocol::client;
using protocol::client_options;

/// What the pool of these tests does: a request for tiles of N x 1 is answered with N MiB, one with
/// tiled: false is held until it is cancelled or released.
struct held_work {
  std::atomic<int> held{0};
  std::promise<void> cancelled; ///< set by the first cancel
};

constexpr size_t mebibyte = 1 << 20;

/// N MiB in which every byte says where it is.
inline tensor_block numbered_bytes(size_t mebibytes) {
  std::vector<std::byte> bytes(mebibytes * mebibyte);
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>((i >> 16) * 31 + i * 7);
  return tensor_block::copy_of(dtype::u8, {1, static_cast<int64_t>(bytes.size())}, bytes);
}

inline pool_actor::behavior_type numbering_pool(pool_actor::pointer self,
                                                std::shared_ptr<held_work> work) {
  auto waiting = std::make_shared<std::map<uint64_t, caf::typed_response_promise<model_result>>>();
  return {[self, work, waiting](run_atom, const model_task& task) -> caf::result<model_result> {
            auto& arguments = task.header.arguments;
            auto tiling = arguments.match_elements<vae_tiling>() ? arguments.get_as<vae_tiling>(0)
                                                                 : vae_tiling{};
            if (tiling.mode != tiling_mode::off)
              return model_result{
                {}, {{"images", numbered_bytes(static_cast<uint32_t>(tiling.tile_width))}}};
            auto promise = self->make_response_promise<model_result>();
            waiting->emplace(task.header.id, promise);
            ++work->held;
            return promise;
          },
          [work, waiting](cancel_atom, uint64_t id) {
            auto held = waiting->extract(id);
            if (held.empty())
              return;
            held.mapped().deliver(make_error(ec::cancelled, "cancelled"));
            if (--work->held == 0)
              work->cancelled.set_value();
          },
          [waiting](reset_atom) { // releases all
            for (auto& [id, promise] : *waiting)
              promise.deliver(model_result{});
            return std::exchange(*waiting, {}).size();
          },
          [](drain_atom) { return true; }, [](status_atom) { return pool_row{}; }};
}

struct real_config : caf::actor_system_config {
  real_config() {
    add_message_types<caf::id_block::luna>();
    add_error_category(error_category(), render_error);
    load<caf::io::middleman>();
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", size_t{2});
  }
};

/// A gateway on loopback with a real multiplexer, and a pool behind it.
struct gateway_fixture {
  real_config config;
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  std::shared_ptr<held_work> work = std::make_shared<held_work>();
  std::shared_ptr<directory_desk> directory = std::make_shared<directory_desk>();
  std::shared_ptr<save_desk> saves = std::make_shared<save_desk>();
  pool_actor pool = system.spawn(numbering_pool, work);
  save_sink_actor saves_handle = system.spawn(fake_saves, saves);
  exchange_actor exchange = system.spawn(fake_exchange, std::make_shared<exchange_desk>());
  event_hub_actor hub = system.spawn(event_hub);
  directory_actor directory_handle;
  gateway_options options;
  gateway_handles gateway;

  gateway_fixture() {
    directory->models["vae.safetensors"] = session_fixture::here(pool);
    route to;
    to.local = true;
    to.save_here = saves_handle;
    to.saves = saves_handle;
    directory->saves = to;
    directory_handle = system.spawn(fake_directory, directory);
    options.context.node = "alpha";
    options.context.directory = directory_handle;
    options.context.exchange = exchange;
    options.context.events = hub;
    options.buffers = byte_budget::make(uint64_t{1} << 30);
  }

  ~gateway_fixture() {
    if (gateway.gateway)
      end(gateway.gateway);
    end(directory_handle, hub, exchange, saves_handle, pool);
  }

  template <class... Handles>
  void end(const Handles&... who) {
    (self->send_exit(who, caf::exit_reason::user_shutdown), ...);
    self->wait_for(who...);
  }

  void start() {
    auto started = start_gateway(system, options);
    BOOST_REQUIRE_MESSAGE(started, (started ? "" : started.error().message));
    gateway = std::move(*started);
    BOOST_REQUIRE_NE(gateway.port, 0);
  }

  client_options at_gateway() const {
    client_options x;
    x.port = gateway.port;
    x.secret = options.secret;
    return x;
  }

  client connect() const {
    auto x = client::connect(at_gateway());
    BOOST_REQUIRE_MESSAGE(x, (x ? "" : x.error().message));
    return std::move(*x);
  }

  client connect_raw() const {
    auto x = client::connect_raw(at_gateway());
    BOOST_REQUIRE(x);
    return std::move(*x);
  }

  gateway_status status() {
    gateway_status x;
    self->request(gateway.gateway, 10s, status_atom_v)
      .receive([&](gateway_status& y) { x = y; },
               [&](caf::error& err) { BOOST_FAIL(system.render(err)); });
    return x;
  }

  /// Asks until the answer is as wanted; the gateway needs a moment to notice what a client did.
  template <class F>
  void until(F wanted) {
    auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!wanted(status())) {
      BOOST_REQUIRE_MESSAGE(std::chrono::steady_clock::now() < deadline, "it never happened");
      std::this_thread::yield();
    }
  }

  static json big_request(int mebibytes) {
    return {{"cmd", "vae_decode"}, {"model", "vae.safetensors"}, {"tile_width", mebibytes}};
  }
  static json held_request() {
    return {{"cmd", "vae_decode"}, {"model", "vae.safetensors"}, {"tiled", false}};
  }
  static std::vector<named_tensor> latents() { return {zeros("latents", {1, 4, 2, 2})}; }

  void until_held(int n) {
    while (work->held != n)
      std::this_thread::yield();
  }
};

template <class T>
void check_failed(const result<T>& x, ec code) {
  BOOST_REQUIRE(!x);
  BOOST_CHECK_MESSAGE(x.error().code == code, to_string(x.error().code)
                                                << ": " << x.error().message);
}

/// The next frame, which must be an error, as a failure.
inline failure next_error(client& who) {
  auto frame = who.receive(10s);
  BOOST_REQUIRE_MESSAGE(frame, (frame ? "" : frame.error().message));
  BOOST_REQUIRE(frame->kind == protocol::frame_kind::error);
  return protocol::read_error_header(frame->header);
}

} // namespace luna::testing
