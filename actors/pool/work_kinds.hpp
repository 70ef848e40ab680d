#pragma once

#include <caf/make_message.hpp>
#include <caf/message.hpp>

#include <any>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/model_kind.hpp"
#include "base/result.hpp"
#include "models/work.hpp"

namespace luna {

/// A kind of work that pools do: how the arguments of a request become work, and what its answer
/// tells. A row of the one table of them, in work_kinds.cpp; pools know no kind by name.
struct work_kind {
  std::string_view name;               ///< as in task_header::kind
  std::optional<model_kind> pool = {}; ///< which pools do it; nothing: all
  bool slow = false; ///< long input, or files to read: prepared by the pool's helper, not by itself

  /// What the costs of one batch may add up to; one work alone may have more.
  uint64_t batch_cost = 0;

  /// Checks the arguments and makes work of them. Null: the answer is the catalog's description of
  /// the model.
  result<models::prepared_work> (*prepare)(const caf::message& arguments,
                                           const models::preparation& request) = nullptr;

  /// work_answer::attributes as they travel.
  caf::message (*attributes)(const std::any& x) = nullptr;
};

/// The table.
std::span<const work_kind> work_kinds();

/// The row of that name, or nullptr.
const work_kind* find_kind(std::span<const work_kind> kinds, std::string_view name);

/// Whether there is work for pools of that kind.
bool serves(std::span<const work_kind> kinds, model_kind pool);

/// A row's `prepare`: hands the arguments, which are a `T`, to a function of models/.
template <class T, result<models::prepared_work> (*Function)(const T&, const models::preparation&)>
result<models::prepared_work> prepare_with(const caf::message& arguments,
                                           const models::preparation& request) {
  if (!arguments.match_elements<T>())
    return fail(ec::internal, "the arguments of " + request.kind + " are of another kind of work");
  return Function(arguments.get_as<T>(0), request);
}

/// A row's `attributes`, which are a `T`.
template <class T>
caf::message tell(const std::any& x) {
  auto* value = std::any_cast<T>(&x);
  return value == nullptr ? caf::message{} : caf::make_message(*value);
}

} // namespace luna
