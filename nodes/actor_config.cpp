#include "nodes/actor_config.hpp"

#include <caf/all.hpp>
#include <caf/io/middleman.hpp>
#include <caf/node_id.hpp>

#include <algorithm>
#include <chrono>

#include "messages/error.hpp"
#include "messages/node_view.hpp"
#include "messages/tensor_chunk.hpp"
#include "messages/type_ids.hpp"
#include "messages/work_arguments.hpp"

namespace luna {

namespace {

void bump_node_id(const effective_configuration& configuration, const actor_config& config) {
  for (auto& node : configuration.cluster.nodes) {
    if (node.name == configuration.node)
      return;
    caf::node_id::default_data::local(config);
  }
}

} // namespace

actor_config::actor_config(const effective_configuration& configuration) {
  auto& cluster = configuration.cluster.cluster;
  add_message_types<caf::id_block::luna>();
  add_error_category(error_category(), render_error);
  load<caf::io::middleman>();
  // Measured on few cores: half the latency of work stealing.
  set("scheduler.policy", caf::atom("sharing"));
  set("middleman.heartbeat-interval", caf::timespan{cluster.heartbeat});
  set("middleman.connection-timeout", caf::timespan{cluster.suspect_after});
  // The thread that reads a connection deserialises, too: chunks come in order then, and go
  // straight to their landings. Workers would copy each message first.
  set("middleman.workers", 0);
  set("middleman.app-identifiers",
      caf::config_value::list{caf::config_value{std::string{wire_version}}});
  bump_node_id(configuration, *this);
}

} // namespace luna
