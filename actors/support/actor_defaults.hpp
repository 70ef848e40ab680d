#pragma once

#include <caf/error.hpp>
#include <caf/fwd.hpp>

#include <exception>

namespace luna {

/// What every actor does first.
///
/// The problem: by default CAF prints what goes wrong in an actor to standard error, or nowhere,
/// and an error message ends an actor. Here it goes to the log with the actor's name and number.
///
/// Contract: an unexpected message is logged and, if it was a request, answered with
/// `sec::unexpected_message`; an error message and a stray down message are logged and otherwise
/// ignored; an exception that leaves a handler is logged and ends the actor with `internal`, as its
/// requester hears. The exit handler stays CAF's own. Call it before an actor sets its own
/// handlers.
void set_actor_defaults(caf::scheduled_actor* self);

/// Logs an exception that left a handler; the error to end with. For exception handlers that have
/// to do something else as well.
caf::error log_exception(caf::scheduled_actor* self, const std::exception_ptr& thrown);

} // namespace luna
