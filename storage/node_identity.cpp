#include "storage/node_identity.hpp"

#include "storage/durable_state.hpp"
#include "storage/job_names.hpp"

namespace luna::storage {

namespace {

constexpr auto identity_name = "identity";
constexpr uint64_t max_identity_bytes = 4096;
constexpr std::string_view beginning = "luna node ";

} // namespace

result<std::string> node_identity(directory& data, const std::function<uint64_t()>& random) {
  auto text = read_file(data, identity_name, max_identity_bytes);
  if (!text && text.error().kind != io_kind::not_found)
    return fail_io(text);
  if (text && text->starts_with(beginning) && text->ends_with('\n')) {
    auto identity = text->substr(beginning.size(), text->size() - beginning.size() - 1);
    if (identity.size() == 32
        && identity.find_first_not_of("0123456789abcdef") == std::string::npos)
      return identity;
  }
  auto identity = random_name(random);
  if (auto ok = replace_file(data, identity_name, std::string{beginning} + identity + "\n"); !ok)
    return fail(ok);
  return identity;
}

} // namespace luna::storage
