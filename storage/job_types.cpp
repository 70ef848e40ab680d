#include "storage/job_types.hpp"

#include <algorithm>

namespace luna::storage {

namespace {

constexpr std::array job_state_names{std::string_view{"queued"}, std::string_view{"running"},
                                     std::string_view{"done"}, std::string_view{"failed"},
                                     std::string_view{"cancelled"}};

constexpr std::array image_state_names{std::string_view{"waiting"}, std::string_view{"publishing"},
                                       std::string_view{"done"},    std::string_view{"discarded"},
                                       std::string_view{"failed"},  std::string_view{"cancelled"}};

} // namespace

std::string_view to_string(job_state state) {
  return job_state_names.at(static_cast<size_t>(state));
}

std::optional<job_state> job_state_of(std::string_view name) {
  auto i = std::find(job_state_names.begin(), job_state_names.end(), name);
  if (i == job_state_names.end())
    return std::nullopt;
  return static_cast<job_state>(i - job_state_names.begin());
}

std::string_view to_string(image_state state) {
  return image_state_names.at(static_cast<size_t>(state));
}

double job_status::progress() const {
  if (images.empty())
    return 0;
  auto written =
    std::count_if(images.begin(), images.end(), [](auto& x) { return is_written(x.state); });
  return static_cast<double>(written) / static_cast<double>(images.size());
}

} // namespace luna::storage
