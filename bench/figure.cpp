#include "bench/figure.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace luna::bench {

namespace {

constexpr int digits = 4;

bool reached(const figure& x) {
  return x.goal->at_most ? x.value <= x.goal->value : x.value >= x.goal->value;
}

std::string text_of(const target& goal, const std::string& unit) {
  std::ostringstream out;
  out << (goal.at_most ? "<= " : ">= ") << goal.value << " " << unit;
  return out.str();
}

} // namespace

double rounded(double x) {
  if (x == 0 || !std::isfinite(x))
    return x;
  auto scale = std::pow(10.0, digits - 1 - static_cast<int>(std::floor(std::log10(std::abs(x)))));
  return std::round(x * scale) / scale;
}

json to_json(const figure& x) {
  json out = {{"measurement", x.measurement},
              {"figure", x.what},
              {"value", rounded(x.value)},
              {"unit", x.unit}};
  if (x.goal) {
    out["target"] = text_of(*x.goal, x.unit);
    out["met"] = reached(x);
  }
  out.update(x.more);
  return out;
}

double percentile(std::vector<double> xs, double share) {
  auto at = std::min(xs.size() - 1, static_cast<size_t>(share * static_cast<double>(xs.size())));
  std::nth_element(xs.begin(), xs.begin() + static_cast<ptrdiff_t>(at), xs.end());
  return xs[at];
}

} // namespace luna::bench
