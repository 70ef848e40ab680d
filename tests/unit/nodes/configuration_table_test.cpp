#include <boost/test/unit_test.hpp>
#include <caf/config_value.hpp>
#include <caf/settings.hpp>

#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>

#include "nodes/agreement.hpp"
#include "nodes/configuration_key.hpp"
#include "nodes/configuration_text.hpp"
#include "tests/unit/why.hpp"

using namespace luna;
using namespace std::chrono_literals;

namespace {

std::string read_file(const std::string& name) {
  std::ifstream in{std::string{LUNA_SOURCE_DIR "/"} + name};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// Calls `visit(path, key)` for all keys, with a fresh element in each list: "pools[].queue".
template <class Visit>
void for_each_key(const configuration_keys& keys, const std::string& prefix, const Visit& visit) {
  for (const auto& key : keys) {
    const auto path = prefix + key.name;
    visit(path, key);
    if (key.value.resize)
      key.value.resize(1);
    if (key.value.sections)
      for_each_key(key.value.sections().front(), path + (key.value.resize ? "[]." : "."), visit);
  }
}

template <class Visit>
void for_each_key(const Visit& visit) {
  cluster_configuration fresh;
  for_each_key(keys_of(fresh), "", visit);
}

// -- the page -------------------------------------------------------------------------------------

/// "text: "a", "b"; default `"a"`; the same on all nodes".
std::string facts(const configuration_key& key) {
  std::string out = key.value.type;
  if (!key.value.range.empty())
    out += (key.value.type == "text" ? ": " : ", ") + key.value.range;
  const auto& traits = key.traits;
  if (!traits.required.empty())
    out += "; required";
  else if (!traits.fallback.empty())
    out += "; default: " + traits.fallback;
  else
    out += "; default `" + key.initial + "`";
  return out + (traits.agreed ? "; the same on all nodes" : "")
       + (traits.built ? "" : "; not built yet");
}

/// "- words", broken before `width` as the rest of the page is.
std::string wrapped(const std::string& text, size_t width = 120) {
  std::string out;
  std::string line = "-";
  std::istringstream words{text};
  for (std::string word; words >> word;) {
    if (line.size() + 1 + word.size() > width) {
      out += line + "\n";
      line = " ";
    }
    line += " " + word;
  }
  return out + line + "\n";
}

/// The part of docs/configuration.md that lists the keys, a chapter for each section.
std::string keys_page() {
  std::map<std::string, std::string> chapters;
  std::vector<std::string> order = {""};
  for_each_key([&](const std::string& path, const configuration_key& key) {
    const auto dot = path.rfind('.');
    const auto section = dot == std::string::npos ? "" : path.substr(0, dot);
    if (key.value.sections && !key.value.resize)
      return;
    if (!section.empty() && chapters[section].empty())
      order.push_back(section);
    chapters[section] += wrapped("`" + key.name + "` (" + facts(key) + "). " + key.help);
  });
  std::string out;
  for (const auto& section : order)
    out += "### " + (section.empty() ? "At the top" : "`" + section + "`") + "\n\n"
         + chapters[section] + "\n";
  return out;
}

// -- cluster.conf ---------------------------------------------------------------------------------

/// cluster.conf, with the section that is commented out there.
std::string reference() {
  auto text = read_file("cluster.conf");
  const std::string hidden = "\n# caches {";
  const auto at = text.find(hidden);
  BOOST_TEST_REQUIRE(at != std::string::npos);
  return text.erase(at + 1, 2);
}

/// The comment of each key that stands first on its line, by the key's path with "[]" for lists.
std::multimap<std::string, std::string> comments(const std::string& text) {
  const auto scanned = scan_configuration(text, "cluster.conf");
  BOOST_TEST_REQUIRE(scanned.has_value(), luna::testing::why(scanned));
  std::map<int, std::string> by_line;
  int line = 0;
  int owner = 0;
  std::istringstream lines{text};
  for (std::string each; std::getline(lines, each);) {
    ++line;
    const auto hash = each.find('#');
    const auto first = each.find_first_not_of(' ');
    if (first != hash || hash == 0)
      owner = line;
    if (hash != std::string::npos)
      by_line[owner] += each.substr(hash + 1);
  }
  std::multimap<std::string, std::string> out;
  for (const auto& [path, at] : scanned->lines)
    out.emplace(std::regex_replace(path, std::regex{R"(\[\d+\])"}, "[]"), by_line[at]);
  return out;
}

/// What the first group of `pattern` is, wherever it stands in a text.
std::vector<std::string> all_of(const std::string& text, const std::string& pattern) {
  const std::regex expression{pattern};
  std::vector<std::string> out;
  for (std::sregex_iterator at{text.begin(), text.end(), expression}, end; at != end; ++at)
    out.push_back(at->str(1));
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(configuration_table_test)

BOOST_AUTO_TEST_CASE(the_page_lists_every_key_as_the_table_has_it) {
  const std::string begin = "<!-- keys: the test configuration_table_test compares this -->\n\n";
  const std::string end = "<!-- end of keys -->\n";
  const auto page = read_file("docs/configuration.md");
  const auto from = page.find(begin);
  const auto to = page.find(end);
  BOOST_TEST_REQUIRE(from != std::string::npos);
  BOOST_TEST_REQUIRE(to != std::string::npos);
  const auto found = page.substr(from + begin.size(), to - from - begin.size());
  BOOST_TEST((found == keys_page()), "docs/configuration.md should say:\n" << keys_page());
}

BOOST_AUTO_TEST_CASE(every_key_takes_a_value_and_prints_it_and_nodes_compare_those_that_say_so) {
  const std::vector<caf::config_value> samples = {
    caf::config_value{"/x"},
    caf::config_value{"h:1"},
    caf::config_value{"https://h"},
    caf::config_value{"xyz"},
    caf::config_value{"7GiB"},
    caf::config_value{"0775"},
    caf::config_value{"cuda:7"},
    caf::config_value{"vlm"},
    caf::config_value{"virtual"},
    caf::config_value{"ask"},
    caf::config_value{"json"},
    caf::config_value{"debug"},
    caf::config_value{int64_t{7}},
    caf::config_value{caf::timespan{50s}},
    caf::config_value{caf::timespan{7h}},
    caf::config_value{std::vector<caf::config_value>{caf::config_value{"x"}}},
    caf::config_value{caf::settings{{"x", caf::config_value{"y"}}}}};
  cluster_configuration all;
  for_each_key(keys_of(all), "", [&](const std::string& path, const configuration_key& key) {
    if (!key.value.read)
      return;
    const auto before = agreement_of(all);
    bool taken = false;
    for (const auto& sample : samples) {
      bool refused = false;
      key.value.read(sample, "/", [&](auto&, auto&) { refused = true; });
      taken = !refused && key.value.print() != key.initial;
      if (taken)
        break;
    }
    // precision and the kind of a target have one value so far
    BOOST_TEST(taken == (key.value.range != "\"exact\"" && key.value.range != "\"s3\""), path);
    BOOST_TEST((agreement_of(all) != before) == key.traits.agreed, path);
  });
}

BOOST_AUTO_TEST_CASE(the_reference_file_names_every_key_and_its_default) {
  const auto text = reference();
  const auto got = parse_configuration(text);
  BOOST_TEST_REQUIRE(got.has_value(), luna::testing::why(got));
  BOOST_TEST((got->value.caches == caches_section{}));
  const auto told = comments(text);
  for_each_key([&](const std::string& path, const configuration_key& key) {
    BOOST_TEST(told.count(path) > 0, "cluster.conf does not name " << path);
    std::string defaults;
    const auto [from, to] = told.equal_range(path);
    for (auto at = from; at != to; ++at) {
      for (const auto& each : all_of(at->second, R"(default ("[^"]*"|\[\]|\d+\w*))"))
        defaults += each;
      for (const auto& each : all_of(at->second, R"re((\d+\w* to \d+\w*|at least "\w+"))re"))
        BOOST_TEST(std::regex_replace(each, std::regex{"\""}, "") == key.value.range, path);
    }
    const auto initial = key.value.resize ? "[]" : key.initial;
    const bool has_plain_default = key.value.read && key.traits.required.empty()
                                && key.traits.fallback.empty() && key.traits.built;
    if (has_plain_default || !defaults.empty())
      BOOST_TEST(defaults == initial,
                 path << " has the default " << initial << ", cluster.conf says " << defaults);
  });
}

BOOST_AUTO_TEST_SUITE_END()
