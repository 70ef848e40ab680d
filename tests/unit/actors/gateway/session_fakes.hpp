#pragma once

#include <boost/test/unit_test.hpp>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/catalog/catalog_actor.hpp"
#include "actors/cluster/directory.hpp"
#include "actors/cluster/directory_actor.hpp"
#include "actors/cluster/event_hub.hpp"
#include "actors/gateway/connection_actor.hpp"
#include "actors/gateway/session.hpp"
#include "actors/gateway/session_actor.hpp"
#include "actors/pool/pool_actor.hpp"
#include "actors/save/save_sink_actor.hpp"
#include "actors/transport/exchange_actor.hpp"
#include "base/safetensors.hpp"
#include "fixture.hpp"
#include "held_promise.hpp"

/// Everybody whom a session talks to, doing what a test says.
namespace luna::testing {

using json = protocol::json;

/// What a connection was told.
struct connection_desk {
  std::deque<client_answer> answers;
  std::vector<std::pair<uint64_t, json>> events; ///< request id and header
  std::vector<client_answer> dropped;
};

inline connection_actor::behavior_type fake_connection(connection_actor::pointer,
                                                       std::shared_ptr<connection_desk> desk) {
  return {[desk](answer_atom, const client_answer& x) { desk->answers.push_back(x); },
          [desk](publish_atom, uint64_t id, const std::string& header) {
            desk->events.emplace_back(id, json::parse(header));
          },
          [desk](drop_atom, const client_answer& x) { desk->dropped.push_back(x); }};
}

/// The arguments of a task.
template <class T>
const T& arguments_of(const task_header& x) {
  BOOST_REQUIRE(x.arguments.match_elements<T>());
  return x.arguments.get_as<T>(0);
}

/// The answer of a VAE, as it travels.
inline caf::message tiles(int32_t count) {
  return caf::make_message(tiling_report{count > 0, count});
}

/// What a pool was asked; its answers wait here until the test gives them.
struct pool_desk {
  struct job {
    model_task task;
    held_promise<model_result> promise;
  };
  std::deque<job> jobs;
  std::vector<uint64_t> cancelled;

  void answer(caf::message attributes = {}, std::vector<named_tensor> tensors = {}) {
    jobs.front().promise.deliver(model_result{{std::move(attributes), {}}, std::move(tensors)});
    jobs.pop_front();
  }

  void refuse(ec code, std::string message = "because of the test") {
    jobs.front().promise.deliver(make_error(code, std::move(message)));
    jobs.pop_front();
  }
};

inline pool_actor::behavior_type fake_pool(pool_actor::pointer self,
                                           std::shared_ptr<pool_desk> desk) {
  return {[self, desk](run_atom, const model_task& task) {
            held_promise<model_result> promise{self};
            desk->jobs.push_back({task, promise});
            return promise.promise();
          },
          [desk](cancel_atom, uint64_t id) { desk->cancelled.push_back(id); },
          [](reset_atom) { return uint64_t{0}; }, [](drain_atom) { return true; },
          [](status_atom) { return pool_row{}; }};
}

/// What an exchange was asked.
struct exchange_desk {
  struct job {
    route to;
    model_task task;
    held_promise<model_result> promise;
  };
  struct save {
    route to;
    save_submission job;
    uint32_t deadline_ms = 0;
    held_promise<std::string> promise;
  };
  std::deque<job> jobs;
  std::deque<save> saves;
  std::vector<uint64_t> cancelled;
};

inline exchange_actor::behavior_type fake_exchange(exchange_actor::pointer self,
                                                   std::shared_ptr<exchange_desk> desk) {
  return {[](open_atom, const call_offer&) { return chunk_grant{}; },
          [](chunk_atom, const tensor_chunk&) {},
          [](credit_atom, uint64_t, bool, const chunk_grant&) {},
          [](answer_atom, const call_answer&) {},
          [desk](cancel_atom, uint64_t id) { desk->cancelled.push_back(id); },
          [](progress_atom, const task_progress&) {},
          [self, desk](run_atom, const route& to, const model_task& task) {
            held_promise<model_result> promise{self};
            desk->jobs.push_back({to, task, promise});
            return promise.promise();
          },
          [self, desk](submit_atom, const route& to, const save_submission& job, uint32_t ms) {
            held_promise<std::string> promise{self};
            desk->saves.push_back({to, job, ms, promise});
            return promise.promise();
          },
          [](register_atom, const std::string&, const pool_actor&) {},
          [](register_atom, const save_sink_actor&) {},
          [](expire_atom, uint64_t) {}};
}

/// Where the directory sends requests, and what it knows.
struct directory_desk {
  std::map<std::string, route> models; ///< by file; none: unknown_model
  std::optional<route> saves;          ///< none: unavailable
  cluster_view view;
  std::vector<std::pair<model_kind, model_ref>> asked;
};

inline directory_actor::behavior_type fake_directory(directory_actor::pointer,
                                                     std::shared_ptr<directory_desk> desk) {
  return {[](snapshot_atom, const node_snapshot&) {},
          [](drop_atom, const std::string&) {},
          [](register_atom, const std::string&, const pool_actor&) {},
          [](register_atom, const save_sink_actor&) {},
          [](register_atom, const catalog_actor&) {},
          [desk](find_atom, model_kind kind, const model_ref& ref) -> caf::result<route> {
            desk->asked.emplace_back(kind, ref);
            auto i = desk->models.find(ref.files.at(0));
            if (i == desk->models.end())
              return make_error(ec::unknown_model, "there is no model " + to_string(ref));
            return i->second;
          },
          [desk](find_atom) -> caf::result<route> {
            if (!desk->saves)
              return make_error(ec::unavailable, "the saving node is away");
            return *desk->saves;
          },
          [desk](list_atom) { return desk->view; }};
}

/// What a save queue was asked.
struct save_desk {
  struct job {
    save_submission what;
    held_promise<std::string> promise;
  };
  std::deque<job> submits;
  std::deque<held_promise<std::string>> waits;
  std::vector<caf::actor_addr> waiting; ///< who asked for them
  std::vector<std::string> asked;       ///< "status 7", "wait 7 500", "list failed 5"
};

inline save_sink_actor::behavior_type fake_saves(save_sink_actor::pointer self,
                                                 std::shared_ptr<save_desk> desk) {
  auto note = [desk](std::string what) {
    desk->asked.push_back(what);
    return json{{"asked", what}}.dump();
  };
  return {[note](status_atom, const std::string& job) { return note("status " + job); },
          [self, desk, note](wait_atom, const std::string& job, uint32_t ms) {
            note("wait " + job + " " + std::to_string(ms));
            desk->waiting.push_back(caf::actor_cast<caf::actor_addr>(self->current_sender()));
            return desk->waits.emplace_back(self).promise();
          },
          [note](cancel_atom, const std::string& job) { return note("cancel " + job); },
          [note](retry_atom, const std::string& job) { return note("retry " + job); },
          [note](discard_atom, const std::string& job) { return note("discard " + job); },
          [note](list_atom, const std::string& state, uint32_t limit) {
            return note("list " + state + " " + std::to_string(limit));
          },
          [](status_atom) { return std::string{R"({"queued":3})"}; },
          [note](probe_atom, const std::string& folder, const std::string& nonce) {
            return note("probe " + folder + " " + nonce);
          },
          [note](allow_atom, const std::string& folder) { return note("allow " + folder); },
          [self, desk](submit_atom, const save_submission& x) {
            held_promise<std::string> promise{self};
            desk->submits.push_back({x, promise});
            return promise.promise();
          },
          [](drain_atom) { return true; }};
}

/// What a node's manager was told to do.
struct manager_desk {
  std::vector<cluster_command> control;
  std::vector<cluster_command> run;
  command_report report;
};

inline node_manager_actor::behavior_type fake_manager(node_manager_actor::pointer,
                                                      std::shared_ptr<manager_desk> desk) {
  return {[](join_atom, const node_greeting&) { return node_greeting{}; },
          [](snapshot_atom, const node_snapshot&) {},
          [desk](command_atom, uint64_t, const cluster_command&) { return desk->report; },
          [desk](control_atom, const cluster_command& x) {
            desk->control.push_back(x);
            return desk->report;
          },
          [desk](run_atom, const cluster_command& x) {
            desk->run.push_back(x);
            return desk->report;
          },
          [](drain_atom, uint32_t) {},
          [](tick_atom) {},
          [](restart_atom, const std::string&) {},
          [](dial_atom, const std::string&) {}};
}

/// A tensor [shape] of f32 zeros.
inline named_tensor zeros(std::string name, std::vector<int64_t> shape) {
  std::vector<std::byte> bytes(element_count(shape).value() * 4);
  return {std::move(name), tensor_block::copy_of(dtype::f32, std::move(shape), bytes)};
}

/// A session with all its collaborators.
struct session_fixture : actor_fixture {
  std::shared_ptr<connection_desk> client = std::make_shared<connection_desk>();
  std::shared_ptr<pool_desk> pool = std::make_shared<pool_desk>();
  std::shared_ptr<pool_desk> other_pool = std::make_shared<pool_desk>();
  std::shared_ptr<exchange_desk> exchange = std::make_shared<exchange_desk>();
  std::shared_ptr<directory_desk> directory = std::make_shared<directory_desk>();
  std::shared_ptr<save_desk> saves = std::make_shared<save_desk>();
  std::shared_ptr<manager_desk> manager = std::make_shared<manager_desk>();

  connection_actor connection_handle = system.spawn(fake_connection, client);
  pool_actor pool_handle = system.spawn(fake_pool, pool);
  pool_actor other_pool_handle = system.spawn(fake_pool, other_pool);
  exchange_actor exchange_handle = system.spawn(fake_exchange, exchange);
  directory_actor directory_handle = system.spawn(fake_directory, directory);
  save_sink_actor saves_handle = system.spawn(fake_saves, saves);
  node_manager_actor manager_handle = system.spawn(fake_manager, manager);
  event_hub_actor hub = system.spawn(event_hub);

  std::shared_ptr<session_context> context = std::make_shared<session_context>();
  session_actor uut;

  session_fixture() {
    directory->models["vae.safetensors"] = here(pool_handle);
    directory->models["clip.safetensors"] = here(pool_handle);
    route save;
    save.local = true;
    save.save_here = saves_handle;
    save.saves = saves_handle;
    directory->saves = save;
    context->node = "alpha";
    context->cluster = "studio";
    context->directory = directory_handle;
    context->exchange = exchange_handle;
    context->events = hub;
    context->node_manager = manager_handle;
    uut = system.spawn(session, std::shared_ptr<const session_context>{context}, connection_handle,
                       true);
    run();
  }

  ~session_fixture() {
    // Promises keep their actors alive.
    for (auto* desk : {&pool, &other_pool})
      (*desk)->jobs.clear();
    exchange->jobs.clear();
    exchange->saves.clear();
    saves->submits.clear();
    saves->waits.clear();
    end(uut, hub, manager_handle, saves_handle, directory_handle, exchange_handle,
        other_pool_handle, pool_handle, connection_handle);
  }

  static route here(const pool_actor& pool, std::string name = "vae") {
    route to;
    to.node = "alpha";
    to.pool = std::move(name);
    to.local = true;
    to.here = pool;
    return to;
  }

  route there(std::string node = "beta") const {
    route to;
    to.node = std::move(node);
    to.pool = "vae";
    to.there = caf::actor_cast<exchange_peer_actor>(exchange_handle);
    return to;
  }

  static std::shared_ptr<protocol::request_received>
  request(uint64_t id, const json& header, const std::vector<named_tensor>& tensors = {}) {
    auto in = std::make_shared<protocol::request_received>();
    in->id = id;
    in->header = header;
    if (!tensors.empty()) {
      auto text = std::make_shared<const std::string>(write_safetensors(tensors));
      in->body = {text, std::as_bytes(std::span{*text})};
    }
    return in;
  }

  /// Sends a request and lets everything happen.
  void ask(uint64_t id, const json& header, const std::vector<named_tensor>& tensors = {}) {
    self->send(uut, run_atom_v, request(id, header, tensors));
    run();
  }

  /// The next answer, which must be there.
  client_answer answer() {
    BOOST_REQUIRE(!client->answers.empty());
    auto x = std::move(client->answers.front());
    client->answers.pop_front();
    return x;
  }

  /// The fields of the next answer, which must be a reply.
  json reply() {
    auto x = answer();
    BOOST_REQUIRE_MESSAGE(!x.problem, (x.problem ? x.problem->message : ""));
    return json::parse(x.header);
  }

  /// The next answer, which must be an error.
  failure problem() {
    auto x = answer();
    BOOST_REQUIRE_MESSAGE(x.problem, "a reply where an error was expected: " << x.header);
    return *x.problem;
  }

  /// What a request is refused with.
  failure refusal(const json& header, const std::vector<named_tensor>& tensors = {}) {
    ask(1, header, tensors);
    return problem();
  }

  json decode_request() const { return {{"cmd", "vae_decode"}, {"model", "vae.safetensors"}}; }
  std::vector<named_tensor> latents() const { return {zeros("latents", {1, 4, 2, 2})}; }
};

/// Checks the code of an error, and that its message holds a text.
inline void check(const failure& x, ec code, const std::string& text) {
  BOOST_CHECK_EQUAL(to_string(x.code), to_string(code));
  BOOST_CHECK_MESSAGE(x.message.find(text) != std::string::npos,
                      "'" << text << "' is not in: " << x.message);
}

} // namespace luna::testing
