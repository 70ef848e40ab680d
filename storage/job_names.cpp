#include "storage/job_names.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace luna::storage {

namespace {

constexpr size_t random_digits = 32;

} // namespace

std::string random_name(const std::function<uint64_t()>& random) {
  std::array<char, random_digits + 1> text;
  std::snprintf(text.data(), text.size(), "%016llx%016llx",
                static_cast<unsigned long long>(random()),
                static_cast<unsigned long long>(random()));
  return text.data();
}

std::string job_id(int64_t time_ms, uint32_t count, const std::function<uint64_t()>& random) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "j-%011llx-%04x-",
                static_cast<unsigned long long>(time_ms), count);
  return text.data() + random_name(random);
}

int64_t time_of_id(std::string_view id) {
  int64_t time = 0;
  if (id.starts_with("j-"))
    std::from_chars(id.data() + 2, id.data() + id.size(), time, 16);
  return time;
}

bool is_unique_id(std::string_view id) {
  auto last = id.substr(id.rfind('-') + 1);
  return id.starts_with("j-") && std::count(id.begin(), id.end(), '-') == 3
      && last.size() == random_digits && last.find_first_not_of("0123456789abcdef") == last.npos;
}

} // namespace luna::storage
