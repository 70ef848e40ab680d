#pragma once

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <string>

#include "messages/error.hpp"
#include "messages/node_view.hpp"
#include "messages/tensor_chunk.hpp"
#include "messages/type_ids.hpp"
#include "messages/work_arguments.hpp"

namespace luna::bench {

/// CAF as luna-node runs it, without TLS: see nodes/actor_config.cpp.
struct peer_config : caf::actor_system_config {
  peer_config() {
    add_message_types<caf::id_block::luna>();
    add_error_category(error_category(), render_error);
    load<caf::io::middleman>();
    set("scheduler.policy", caf::atom("sharing"));
    set("middleman.heartbeat-interval", caf::timespan{std::chrono::seconds{1}});
    set("middleman.connection-timeout", caf::timespan{std::chrono::seconds{10}});
    set("middleman.workers", 0);
  }
};

} // namespace luna::bench
