// luna-node: hosts the actors that cluster.conf gives to this node. Configuration, wiring, signals.

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <iostream>
#include <string>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "actors/cluster/dialer.hpp"
#include "actors/cluster/node_link.hpp"
#include "actors/cluster/node_manager.hpp"
#include "actors/cluster/state_keeper.hpp"
#include "actors/gateway/commands/command_names.hpp"
#include "models/device.hpp"
#include "nodes/actor_config.hpp"
#include "nodes/agreement.hpp"
#include "nodes/command_line.hpp"
#include "nodes/logging.hpp"
#include "nodes/node_door.hpp"
#include "nodes/preflight.hpp"
#include "nodes/signals.hpp"
#include "nodes/watchdog.hpp"
#include "nodes/wiring.hpp"
#include "storage/data_lock.hpp"
#include "storage/durable_state.hpp"
#include "storage/posix_file_system.hpp"

namespace {

using namespace luna;

/// Exit statuses of sysexits.h, which service managers know.
constexpr int bad_configuration = 78;
constexpr int cannot_start = 75;
constexpr int had_to_kill = 70;

int complain(const failure& why, int status) {
  std::cerr << "luna-node: " << why.message << std::endl;
  return status;
}

int complain(const std::vector<std::string>& problems, int status) {
  for (auto& problem : problems)
    std::cerr << "luna-node: " << problem << std::endl;
  return status;
}

/// What a running node has open on its disk.
struct node_data {
  std::shared_ptr<storage::directory> folder;
  storage::data_lock lock;
  cluster_state kept;
};

/// Pixels, prompts and the epoch: for the node's user alone.
result<node_data> open_data(const std::string& path) {
  auto files = storage::make_posix_file_system({0600, 0700});
  auto folder = files->make_directories(path);
  if (!folder)
    return fail(ec::not_permitted, "the data folder cannot be used: " + folder.error().message);
  if (::chmod(path.c_str(), 0700) != 0) // it may be older than this rule
    spdlog::warn("the data folder {} is not this user's alone: {}", path, std::strerror(errno));
  auto lock = storage::data_lock::take(**folder, ::getpid());
  if (!lock)
    return fail(lock);
  auto state = storage::durable_state{*folder}.load();
  if (!state)
    return fail(state);
  return node_data{*folder, std::move(*lock), {state->epoch, state->mode}};
}

node_plan plan_of(const node_wiring& wiring, const node_data& data, caf::actor_system& system) {
  auto& configuration = wiring.configuration;
  auto& cluster = configuration.cluster;
  node_plan plan;
  plan.cluster = cluster.cluster.name;
  plan.node = configuration.node;
  plan.version = LUNA_VERSION;
  for (auto& node : cluster.nodes)
    plan.nodes.push_back({node.name, node.host, node.port});
  plan.agreement = agreement_of(cluster);
  if (wiring.tls)
    plan.identities = basp_broker_of(system);
  plan.children = children_of(wiring);
  plan.seed = static_cast<uint64_t>(::getpid());
  plan.kept = data.kept;
  plan.make_dialer = [tls = wiring.tls](caf::actor_system& sys) {
    return sys.spawn<caf::detached>(dialer, tls);
  };
  auto write = [state = storage::durable_state{data.folder}](const cluster_state& x) mutable {
    return state.save({x.epoch, x.mode});
  };
  plan.keeper = system.spawn<caf::detached>(state_keeper, state_writer{write});
  return plan;
}

void say_ready(const node_wiring& wiring) {
  std::printf("ready node=%s gateway=%s\n", wiring.configuration.node.c_str(),
              wiring.gateway_address->c_str());
  std::fflush(stdout);
}

/// Serves until a signal or a shutdown command, then stops. A second signal stops at once.
int serve(const node_manager_actor& manager, std::chrono::milliseconds drain,
          const std::atomic<int>& exit_status) {
  auto stopping = false;
  for (;;) {
    auto signal = wait_for_signal();
    if (signal == signal_kind::node_stopped)
      return exit_status;
    if (signal == signal_kind::hangup) {
      reopen_log();
      continue;
    }
    if (std::exchange(stopping, true)) {
      spdlog::warn("second signal: stopping at once");
      std::_Exit(had_to_kill);
    }
    caf::anon_send<caf::message_priority::high>(manager, drain_atom_v,
                                                static_cast<uint32_t>(drain.count()));
  }
}

/// Ends what has started of a node that cannot start. Nothing runs there yet that would take long.
void stop_at_once(const node_manager_actor& manager) {
  constexpr uint32_t patience_ms = 1000;
  caf::anon_send<caf::message_priority::high>(manager, drain_atom_v, patience_ms);
  while (wait_for_signal() != signal_kind::node_stopped) {
    // nop
  }
}

int run(const node_wiring& wiring, const node_data& data) {
  actor_config config{wiring.configuration};
  // Declared before the system: the watchdog also watches over its end.
  watchdog at_end;
  node_door door;
  caf::actor_system system{config};
  std::atomic<int> exit_status{0};
  std::promise<result<void>> started;
  auto plan = plan_of(wiring, data, system);
  plan.on_started = [&](result<void> x) { started.set_value(std::move(x)); };
  plan.on_stopping = [&] { door.close(); };
  plan.on_stopped = [&](int status) {
    exit_status = status;
    wake_main();
  };
  auto keeper = plan.keeper;
  auto manager = system.spawn(node_manager, std::move(plan));
  auto ready = started.get_future().get();
  if (ready)
    ready = door.open(system, wiring, manager);
  auto status = cannot_start;
  if (ready) {
    say_ready(wiring);
    spdlog::info("node {} is ready, clients at {}", wiring.configuration.node,
                 *wiring.gateway_address);
    status = serve(manager, wiring.configuration.cluster.cluster.drain, exit_status);
  } else {
    complain(ready.error(), cannot_start);
    stop_at_once(manager);
  }
  door.close();
  at_end.start(std::chrono::seconds{3}, status == 0 ? had_to_kill : status);
  caf::anon_send_exit(manager, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(keeper, caf::exit_reason::user_shutdown);
  spdlog::info("node {} has stopped", wiring.configuration.node);
  return status;
}

int start(effective_configuration configuration) {
  if (auto ok = start_logging(configuration.cluster.log); !ok)
    return complain(ok.error(), bad_configuration);
  if (!configuration.not_built.empty())
    spdlog::warn("the configuration has keys of parts that this version does not have yet: {}",
                 fmt::join(configuration.not_built, ", "));
  auto wiring = prepare(configuration);
  if (auto problems = file_problems(configuration, wiring); !problems.empty())
    return complain(problems, bad_configuration);
  auto data = open_data(configuration.self().data);
  if (!data)
    return complain(data.error(), cannot_start);
  if (auto free = check_ports(configuration); !free)
    return complain(free.error(), cannot_start);
  auto& saving = configuration.cluster.saving;
  wiring->files = storage::make_posix_file_system({saving.file_mode, saving.folder_mode});
  wiring->data = data->folder;
  return run(*wiring, *data);
}

} // namespace

int main(int argc, char** argv) {
  // The name in ps, top and pgrep: executing itself (spinning.cpp) would make it "exe".
  ::prctl(PR_SET_NAME, program_invocation_short_name);
  block_signals();
  auto called = parse_command_line({argv + 1, argv + argc});
  if (!called.run) {
    (called.exit_code == 0 ? std::cout : std::cerr) << called.text << std::flush;
    return called.exit_code;
  }
  auto configuration = load_configuration(*called.run);
  if (!configuration)
    return complain(configuration.error(), bad_configuration);
  if (auto problems =
        commands::forbidden_problems(configuration->cluster.limits.forbidden_commands);
      !problems.empty())
    return complain(problems, bad_configuration);
  if (called.run->print_config) {
    std::cout << print_configuration(configuration->cluster);
    return 0;
  }
  if (called.run->check_config) {
    auto problems = file_problems(*configuration, prepare(*configuration));
    auto places = place_problems(*configuration);
    problems.insert(problems.end(), places.begin(), places.end());
    if (!problems.empty())
      return complain(problems, bad_configuration);
    std::cout << "the configuration is good: node " << configuration->node << " of "
              << configuration->cluster.nodes.size() << "\n";
    return 0;
  }
  return start(std::move(*configuration));
}
