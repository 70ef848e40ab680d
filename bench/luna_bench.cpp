// luna-bench: takes the figures that luna promises and prints them as JSON, one object a line.

#include <CLI/CLI.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <filesystem>
#include <iostream>
#include <string>

#include "bench/child_process.hpp"
#include "bench/figure.hpp"
#include "bench/machine.hpp"

namespace {

using namespace luna;
using namespace luna::bench;

struct entry {
  const char* name;
  const char* what;
  result<std::vector<figure>> (*measure)(const options&);
};

constexpr std::array entries = {
  entry{"ready", "from the start of luna-node to its ready line, without models", measure_ready},
  entry{"idle", "CPU of a node that has nothing to do", measure_idle},
  entry{"ping", "latency on loopback", measure_ping},
  entry{"ping_throughput", "8 in flight on each of 8 connections", measure_ping_throughput},
  entry{"reply_bandwidth", "a reply of 12.6 MB on its way to the client", measure_reply},
  entry{"node_to_node", "a tensor of 12.6 MB from node to node", measure_exchange},
  entry{"submit", "submit_async of a picture against a plain write + fdatasync", measure_submit},
  entry{"storage", "the same inside the process: what the store itself costs", measure_storage},
  entry{"queue", "a store with 100,000 queued jobs starts and lists them", measure_queue},
  entry{"counter", "a counter in a folder of 100,000 pictures", measure_counter},
};

/// Not among all: they need more than this machine's own programs.
constexpr std::array further_entries = {
  entry{"enqueue", "durable small jobs, against Redis Streams (needs redis-server)",
        measure_enqueue},
  entry{"png", "PNG encoders against Pillow's on real pictures (needs --pictures)", measure_png},
};

/// Measures and prints. @returns whether it could be measured.
bool run(const entry& x, const options& with) {
  auto machine = describe_machine();
  auto figures = x.measure(with);
  if (!figures) {
    std::cerr << "luna-bench: " << x.name << ": " << figures.error().message << std::endl;
    return false;
  }
  for (auto& figure : *figures) {
    auto out = to_json(figure);
    out["machine"] = machine;
    std::cout << out.dump() << std::endl;
  }
  return true;
}

} // namespace

int main(int argc, char** argv) {
  // Standard output belongs to the figures, and to what a peer says to its parent.
  spdlog::set_default_logger(spdlog::stderr_logger_mt("luna-bench"));
  spdlog::set_level(spdlog::level::warn);
  options with;
  with.node = (std::filesystem::path{own_path()}.parent_path() / "luna-node").string();
  with.folder = std::filesystem::temp_directory_path().string();
  CLI::App app{"luna-bench: takes luna's figures, prints JSON, one object a line", "luna-bench"};
  app.set_version_flag("--version", "luna-bench " LUNA_VERSION);
  app.add_option("--node", with.node, "the luna-node to measure, default the one beside this")
    ->option_text("PATH");
  app.add_option("--folder", with.folder, "on the disk to measure, default the temporary folder")
    ->option_text("DIR");
  app.require_subcommand(1);
  app.fallthrough();
  app.add_subcommand("all", "all of them, in this order");
  for (auto& x : entries)
    app.add_subcommand(x.name, x.what);
  for (auto& x : further_entries)
    app.add_subcommand(x.name, x.what);
  app.add_option("--pictures", with.pictures, "png: the folder that bench/pictures.py filled")
    ->option_text("DIR");
  app.add_option("--python", with.python, "png: a Python with Pillow, default python3")
    ->option_text("PATH");
  app.add_subcommand("machine", "no figure, only what is said of the machine");
  app.add_subcommand("reply-peer")->group("");
  app.add_subcommand("exchange-peer")->group("");
  CLI11_PARSE(app, argc, argv);
  if (app.got_subcommand("reply-peer"))
    return run_reply_peer();
  if (app.got_subcommand("exchange-peer"))
    return run_exchange_peer();
  if (app.got_subcommand("machine"))
    std::cout << describe_machine().dump() << std::endl;
  auto complete = true;
  for (auto& x : entries)
    if (app.got_subcommand("all") || app.got_subcommand(x.name))
      complete = run(x, with) && complete;
  for (auto& x : further_entries)
    if (app.got_subcommand(x.name))
      complete = run(x, with) && complete;
  return complete ? 0 : 1;
}
