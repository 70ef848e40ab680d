#include "actors/support/actor_defaults.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <exception>
#include <string>

#include "messages/error.hpp"

namespace luna {

namespace {

std::string who(const caf::local_actor* self) {
  return std::string{self->name()} + "#" + std::to_string(self->id());
}

} // namespace

caf::error log_exception(caf::scheduled_actor* self, const std::exception_ptr& thrown) {
  std::string what = "an unknown exception";
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& x) {
    what = x.what();
  } catch (...) { // the text above says it
  }
  spdlog::error("{} ends after an exception: {}", who(self), what);
  return make_error(ec::internal, "a defect in " + std::string{self->name()} + ": " + what);
}

void set_actor_defaults(caf::scheduled_actor* self) {
  self->set_default_handler(
    [](caf::scheduled_actor* self, caf::message_view& x) -> caf::result<caf::message> {
      spdlog::error("{} got an unexpected message: {}", who(self), x.content().stringify());
      return caf::sec::unexpected_message;
    });
  self->set_error_handler([](caf::scheduled_actor* self, caf::error& x) {
    spdlog::warn("{} got an error message: {}", who(self), self->system().render(x));
  });
  self->set_down_handler([](caf::scheduled_actor* self, caf::down_msg& x) {
    spdlog::warn("{} got a stray down message: {}", who(self), self->system().render(x.reason));
  });
  self->set_exception_handler(
    [](caf::scheduled_actor* self, std::exception_ptr& x) { return log_exception(self, x); });
}

} // namespace luna
