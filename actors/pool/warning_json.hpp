#pragma once

#include "base/warning.hpp"

namespace luna {

/// A warning as replies and jobs have it: {"code","message","count"?}.
template <class Json>
void to_json(Json& to, const warning& x) {
  to = Json{{"code", x.code}, {"message", x.message}};
  if (x.count > 0)
    to["count"] = x.count;
}

} // namespace luna
