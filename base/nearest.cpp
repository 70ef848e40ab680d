#include "base/nearest.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace luna {

namespace {

/// Names longer than this are compared by their first bytes: a hostile name costs no more.
constexpr size_t compared_bytes = 256;

std::string folded(std::string_view text) {
  std::string result{text.substr(0, compared_bytes)};
  for (auto& c : result)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  return result;
}

} // namespace

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      auto replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

std::vector<std::string> nearest_names(std::string_view name,
                                       const std::vector<std::string>& candidates, size_t count) {
  auto wanted = folded(name);
  std::vector<std::pair<size_t, const std::string*>> ranked;
  for (auto& candidate : candidates) {
    auto text = folded(candidate);
    auto longest = std::max(text.size(), wanted.size());
    auto contained = wanted.size() >= 3 && text.find(wanted) != std::string::npos;
    auto distance = contained ? 1 : edit_distance(wanted, text);
    if (distance <= std::max<size_t>(1, longest / 3))
      ranked.emplace_back(distance, &candidate);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](auto& x, auto& y) { return x.first < y.first; });
  std::vector<std::string> result;
  for (size_t i = 0; i < ranked.size() && i < count; ++i)
    result.push_back(*ranked[i].second);
  return result;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  auto names = nearest_names(name, candidates);
  if (names.empty())
    return "";
  std::string text = ", did you mean ";
  for (size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "'" : i + 1 < names.size() ? ", '" : " or '") + names[i] + "'";
  return text + "?";
}

} // namespace luna
