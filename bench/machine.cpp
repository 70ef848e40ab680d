#include "bench/machine.hpp"

#include <chrono>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/utsname.h>
#include <thread>

namespace luna::bench {

namespace {

/// The value of the first line "key : value" of a file of /proc.
std::string value_of(const char* path, const std::string& key) {
  std::ifstream file{path};
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, key.size(), key) != 0)
      continue;
    auto colon = line.find(':');
    if (colon == std::string::npos)
      continue;
    auto begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? std::string{} : line.substr(begin);
  }
  return {};
}

double memory_gib() {
  std::istringstream kib{value_of("/proc/meminfo", "MemTotal")};
  double value = 0;
  kib >> value;
  return value / (1 << 20);
}

json load_averages() {
  std::ifstream file{"/proc/loadavg"};
  double one = 0, five = 0, fifteen = 0;
  file >> one >> five >> fifteen;
  return {one, five, fifteen};
}

std::string now() {
  auto time = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

/// The kernel's version alone: what a distributor adds may name the machine.
std::string kernel() {
  utsname names{};
  uname(&names);
  std::string release = names.release;
  return std::string{names.sysname} + " " + release.substr(0, release.find('-'));
}

} // namespace

json describe_machine() {
  return {{"cpu", value_of("/proc/cpuinfo", "model name")},
          {"cores", std::thread::hardware_concurrency()},
          {"memory_gib", rounded(memory_gib())},
          {"kernel", kernel()},
          {"load", load_averages()},
          {"luna", LUNA_VERSION},
          {"build", LUNA_BUILD_TYPE},
          {"date", now()}};
}

} // namespace luna::bench
