#pragma once

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace luna::bench {

using json = nlohmann::ordered_json;

/// What a figure has to reach.
struct target {
  bool at_most = true; ///< else at least
  double value = 0;
};

/// One measured figure, and what was found beside it.
struct figure {
  std::string measurement;
  std::string what; ///< which of the measurement's figures this is
  double value = 0;
  std::string unit;
  std::optional<target> goal;
  json more = json::object(); ///< comparisons, counts, further percentiles
};

/// A figure as it is printed, without the machine: "target" and "met" if there is one.
json to_json(const figure& x);

/// Rounded to four significant digits: more would be noise.
double rounded(double x);

/// The element below which the part `share` of all lies, 0.5: the median. @pre not empty
double percentile(std::vector<double> xs, double share);

inline double median(std::vector<double> xs) {
  return percentile(std::move(xs), 0.5);
}

/// What all measurements are told.
struct options {
  std::string node;   ///< the luna-node to measure
  std::string folder; ///< on the disk to measure

  std::string pictures;           ///< folder of what bench/pictures.py made
  std::string python = "python3"; ///< one that has Pillow
};

// -- the measurements: each starts what it needs and ends it ---

result<std::vector<figure>> measure_ready(const options& with);
result<std::vector<figure>> measure_idle(const options& with);
result<std::vector<figure>> measure_ping(const options& with);
result<std::vector<figure>> measure_ping_throughput(const options& with);
result<std::vector<figure>> measure_reply(const options& with);
result<std::vector<figure>> measure_exchange(const options& with);
result<std::vector<figure>> measure_submit(const options& with);
result<std::vector<figure>> measure_storage(const options& with);
result<std::vector<figure>> measure_queue(const options& with);
result<std::vector<figure>> measure_counter(const options& with);
result<std::vector<figure>> measure_enqueue(const options& with);
result<std::vector<figure>> measure_png(const options& with);

// -- the other process of a measurement: serves until its standard input ends ---

int run_reply_peer();
int run_exchange_peer();

} // namespace luna::bench
