#pragma once

#include <caf/error.hpp>
#include <caf/fwd.hpp>

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace luna {

/// The category of our errors in CAF's error type.
caf::atom_value error_category() noexcept;

/// A failure as an actor answers it; nothing of it is lost on the way.
caf::error make_error(const failure& x);
caf::error make_error(ec code, std::string message);

/// Back to a value. CAF's own errors become ours: a request timeout is `timeout`, a receiver that
/// went away is `unavailable`, everything else `internal` with CAF's text.
/// @param what names the thing that was asked, for the message.
failure to_failure(const caf::error& x, std::string_view what);

/// What `actor_system::render` calls for our category.
std::string render_error(uint8_t code, caf::atom_value, const caf::message& context);

} // namespace luna
