#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "nodes/configuration.hpp"
#include "nodes/configuration_text.hpp"

// Any text: no crash, no hang; what the scanner accepts CAF's parser accepts too; and a
// configuration that is accepted survives printing and reading.

namespace {

void require(bool condition, const char* what, const std::string& detail) {
  if (condition)
    return;
  std::fprintf(stderr, "%s\n%s\n", what, detail.c_str());
  std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto parsed = luna::parse_configuration(text, "f");
  if (!parsed) {
    const auto& message = parsed.error().message;
    require(!message.empty(), "an error without a message", "");
    require(message.find("CAF's parser") == std::string::npos, "CAF refuses what was scanned",
            message);
    return 0;
  }
  const auto printed = luna::print_configuration(parsed->value);
  const auto again = luna::parse_configuration(printed, "p");
  require(again.has_value(), "what was printed is refused",
          again ? "" : again.error().message + "\n" + printed);
  require(again->value == parsed->value, "what was printed reads differently", printed);
  return 0;
}
