#include <boost/test/unit_test.hpp>

#include "nodes/configuration_values.hpp"

using namespace luna;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(configuration_values_test)

BOOST_AUTO_TEST_CASE(sizes_have_binary_and_decimal_units) {
  BOOST_TEST(parse_size("20GiB").value() == 21474836480u);
  BOOST_TEST(parse_size("512 MiB").value() == 536870912u);
  BOOST_TEST(parse_size("100MB").value() == 100000000u);
  BOOST_TEST(parse_size("7").value() == 7u);
  BOOST_TEST(parse_size("0B").value() == 0u);
  BOOST_TEST(parse_size("18446744073709551615").value() == UINT64_MAX);
  for (const auto* bad : {"", "GiB", "1gib", "1.5GiB", "-1", "1 ", "18446744073709551616",
                          "99999999999GiB", "1 GiB x"})
    BOOST_TEST(!parse_size(bad).has_value(), bad);
}

BOOST_AUTO_TEST_CASE(sizes_and_durations_are_written_as_they_are_read) {
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, uint64_t{1536} << 20, uint64_t{20} << 30,
                               uint64_t{3} << 40, UINT64_MAX})
    BOOST_TEST(parse_size(format_size(bytes)).value() == bytes);
  BOOST_TEST(format_size(uint64_t{1536} << 20) == "1536MiB");
  BOOST_TEST(format_duration(168h) == "168h");
  BOOST_TEST(format_duration(300s) == "300s");
  BOOST_TEST(format_duration(1500ms) == "1500ms");
  BOOST_TEST(format_duration(0s) == "0s");
}

BOOST_AUTO_TEST_CASE(permissions_are_four_octal_digits) {
  BOOST_TEST(parse_mode("0644").value() == 0644u);
  BOOST_TEST(parse_mode("2775").value() == 02775u);
  for (const auto* text : {"", "644", "0844", "06440", "rw-r", "-644", "0x64"})
    BOOST_TEST(!parse_mode(text).has_value(), text);
  BOOST_TEST(format_mode(0644) == "0644");
  BOOST_TEST(format_mode(02775) == "2775");
}

BOOST_AUTO_TEST_CASE(a_name_can_become_a_folder_of_its_own) {
  for (const auto* name : {"alpha", "a", "node-1_b.example", "x."})
    BOOST_TEST(is_plain_name(name), name);
  for (const auto& name : {std::string{}, std::string{"."}, std::string{".."}, std::string{".data"},
                           std::string{"a/b"}, std::string{"a b"}, std::string(65, 'a')})
    BOOST_TEST(!is_plain_name(name), name);
}

BOOST_AUTO_TEST_CASE(addresses_have_host_and_port) {
  BOOST_TEST((parse_host_port("127.0.0.1:19283") == host_port{"127.0.0.1", 19283}));
  BOOST_TEST((parse_host_port("[::1]:0") == host_port{"::1", 0}));
  BOOST_TEST(to_string(host_port{"::1", 80}) == "[::1]:80");
  BOOST_TEST(to_string(host_port{"alpha", 80}) == "alpha:80");
  for (const auto* bad : {"", "19283", ":19283", "host:", "host:65536", "host:-1", "::1:80",
                          "a b:80", "http://x:80", "host:80x"})
    BOOST_TEST(!parse_host_port(bad).has_value(), bad);
}

BOOST_AUTO_TEST_CASE(only_this_machines_own_addresses_are_loopback) {
  for (const auto* host : {"127.0.0.1", "127.1.2.3", "::1", "localhost"})
    BOOST_TEST(is_loopback(host), host);
  for (const auto* host : {"0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example.org", "", "128.0.0.1"})
    BOOST_TEST(!is_loopback(host), host);
}

BOOST_AUTO_TEST_CASE(devices_are_cpu_or_a_numbered_cuda_device) {
  for (const auto* name : {"cpu", "cuda:0", "cuda:12"})
    BOOST_TEST(is_device_name(name), name);
  for (const auto* name : {"", "gpu", "cuda", "cuda:", "cuda:x", "cuda:01", "cuda:1234", "CPU"})
    BOOST_TEST(!is_device_name(name), name);
}

BOOST_AUTO_TEST_SUITE_END()
