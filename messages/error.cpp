#include "messages/error.hpp"

#include <caf/atom.hpp>
#include <caf/exit_reason.hpp>
#include <caf/message.hpp>
#include <caf/sec.hpp>

namespace luna {

caf::atom_value error_category() noexcept {
  return caf::atom("luna");
}

caf::error make_error(const failure& x) {
  return caf::error{static_cast<uint8_t>(x.code), error_category(),
                    caf::make_message(x.message, x.retry_after_ms, x.details)};
}

caf::error make_error(ec code, std::string message) {
  return make_error(failure{code, std::move(message), 0, {}});
}

failure to_failure(const caf::error& x, std::string_view what) {
  std::string name{what};
  if (x.category() == error_category()) {
    failure result{static_cast<ec>(x.code()), name + " failed", 0, {}};
    auto& context = x.context();
    if (context.match_elements<std::string, uint32_t, std::string>()) {
      result.message = context.get_as<std::string>(0);
      result.retry_after_ms = context.get_as<uint32_t>(1);
      result.details = context.get_as<std::string>(2);
    }
    return result;
  }
  if (x == caf::sec::request_timeout)
    return {ec::timeout, name + " did not answer in time", 0, {}};
  if (x == caf::sec::request_receiver_down || x.category() == caf::atom("exit")
      || x == caf::sec::cannot_connect_to_node || x == caf::sec::no_route_to_receiving_node)
    return {ec::unavailable, name + " went away; try again", 500, {}};
  return {ec::internal, name + " failed: " + caf::to_string(x), 0, {}};
}

std::string render_error(uint8_t code, caf::atom_value, const caf::message& context) {
  std::string text{to_string(static_cast<ec>(code))};
  if (context.match_elements<std::string, uint32_t, std::string>())
    text += ": " + context.get_as<std::string>(0);
  return text;
}

} // namespace luna
