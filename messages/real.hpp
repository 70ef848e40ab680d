#pragma once

#include <caf/meta/load_callback.hpp>
#include <caf/meta/type_name.hpp>

#include <bit>
#include <cstdint>

#include "base/real.hpp"

namespace luna {

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, real& x) {
  auto bits = std::bit_cast<uint64_t>(x.value);
  auto load = [&]() -> caf::error {
    x.value = std::bit_cast<double>(bits);
    return {};
  };
  return f(caf::meta::type_name("luna::real"), bits, caf::meta::load_callback(load));
}

} // namespace luna
