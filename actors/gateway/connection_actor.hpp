#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>
#include <string>

#include "messages/type_ids.hpp"

namespace luna {

struct client_answer; // session.hpp

/// The CONNECTION interface: the bytes of one client, on the I/O thread.
using connection_actor = caf::typed_actor<
  // Answers a request, with a reply or an error.
  caf::reacts_to<answer_atom, client_answer>,
  // Sends an event of a request, or (id 0) of the connection; the text is the frame's header.
  caf::reacts_to<publish_atom, uint64_t, std::string>,
  // A large header turned out to be none: tells the error and closes.
  caf::reacts_to<drop_atom, client_answer>>;

} // namespace luna

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::client_answer)
