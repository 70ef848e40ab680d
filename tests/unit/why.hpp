#pragma once

#include <string>

#include "base/result.hpp"

namespace luna::testing {

/// Why a result has no value, for the message of a check; "" if it has one. (Boost.Test computes
/// the message before it knows whether the check fails, so `r.error()` must not stand there.)
template <class T>
std::string why(const result<T>& r) {
  return r ? "" : r.error().message;
}

} // namespace luna::testing
