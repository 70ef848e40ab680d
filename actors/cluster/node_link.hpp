#pragma once

#include <caf/fwd.hpp>
#include <caf/io/fwd.hpp>
#include <caf/io/scribe.hpp>

#include <functional>
#include <memory>
#include <string>

#include "tls/tls_session.hpp"

namespace luna {

/// A connection to another node, ready for BASP: connected, and with TLS through its handshake.
struct node_link {
  int descriptor = -1;                       ///< given to the scribe, which closes it
  std::unique_ptr<tls::tls_session> session; ///< null: plain

  /// Told on CAF's I/O thread, at most once, why the connection failed.
  std::function<void(const std::string&)> on_failure;
};

/// Hands a link to CAF.
///
/// The problem: CAF's own TLS streams let the failure of one connection end others (see
/// docs/decisions/0001-tls-sessions-of-our-own.md), spin while a handshake waits, and tell nobody
/// why a connection failed.
///
/// Contract: the scribe moves bytes between BASP and the link's session. Its address is, with TLS,
/// the node names that the other side has proved, separated by commas: CAF's broker tells it by
/// `get_atom` with a node id, see proven_names. A plain link that hears TLS says so.
/// Thread rule: any thread makes one; it then lives on CAF's I/O thread.
/// @pre the middleman is loaded.
caf::io::scribe_ptr make_scribe(caf::actor_system& system, node_link link);

/// CAF's BASP broker. It takes (connect_atom, scribe, port) and (publish_atom, scribe, port, actor,
/// interface), and answers (get_atom, node id) with (node id, address, port) of a direct link.
caf::actor basp_broker_of(caf::actor_system& system);

} // namespace luna
