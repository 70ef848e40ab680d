#pragma once

#include "bench/figure.hpp"

namespace luna::bench {

/// Where and when a figure was taken: processor, cores, memory, kernel, load, version, build, date.
/// Nothing that names the machine.
json describe_machine();

} // namespace luna::bench
