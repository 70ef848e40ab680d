#include "base/error_code.hpp"

#include <array>
#include <utility>

namespace luna {

namespace {

constexpr std::array<std::pair<ec, std::string_view>, 21> names{{
  {ec::none, "none"},
  {ec::bad_frame, "bad_frame"},
  {ec::duplicate_request_id, "duplicate_request_id"},
  {ec::protocol_mismatch, "protocol_mismatch"},
  {ec::unauthenticated, "unauthenticated"},
  {ec::unknown_command, "unknown_command"},
  {ec::bad_request, "bad_request"},
  {ec::unknown_model, "unknown_model"},
  {ec::unsupported_model, "unsupported_model"},
  {ec::bad_model_file, "bad_model_file"},
  {ec::model_mismatch, "model_mismatch"},
  {ec::unknown_lora, "unknown_lora"},
  {ec::unknown_job, "unknown_job"},
  {ec::overloaded, "overloaded"},
  {ec::out_of_memory, "out_of_memory"},
  {ec::unavailable, "unavailable"},
  {ec::timeout, "timeout"},
  {ec::cancelled, "cancelled"},
  {ec::shutting_down, "shutting_down"},
  {ec::not_permitted, "not_permitted"},
  {ec::internal, "internal"},
}};

} // namespace

std::string_view to_string(ec code) {
  for (auto& [value, name] : names)
    if (value == code)
      return name;
  return "internal";
}

std::optional<ec> error_code_of(std::string_view name) {
  for (auto& [value, text] : names)
    if (text == name)
      return value;
  return std::nullopt;
}

bool is_retryable(ec code) {
  return code == ec::overloaded || code == ec::unavailable || code == ec::shutting_down;
}

} // namespace luna
