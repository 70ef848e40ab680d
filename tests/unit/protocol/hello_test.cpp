#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <set>
#include <unistd.h>

#include "protocol/hello.hpp"

namespace luna::protocol {

namespace {

const std::string secret = "correct horse battery staple";
const std::string server_nonce = "000102030405060708090a0b0c0d0e0f";
const std::string client_nonce = "f0e0d0c0b0a090807060504030201000";

/// A folder of its own that goes with the test.
struct folder {
  folder() {
    auto name = (std::filesystem::temp_directory_path() / "luna-hello-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~folder() { std::filesystem::remove_all(path); }

  std::filesystem::path file(std::string_view bytes) const {
    std::ofstream{path / "secret", std::ios::binary} << bytes;
    return path / "secret";
  }

  std::filesystem::path path;
};

template <class T>
std::string verdict(const result<T>& x) {
  return x ? "fine" : std::string{to_string(x.error().code)};
}

} // namespace

BOOST_AUTO_TEST_SUITE(hello_test)

BOOST_AUTO_TEST_CASE(a_nonce_is_32_hex_digits_and_new_each_time) {
  std::set<std::string> seen;
  for (auto i = 0; i < 100; ++i) {
    auto nonce = make_nonce();
    BOOST_TEST(is_nonce(nonce));
    BOOST_TEST(seen.insert(nonce).second);
  }
  BOOST_TEST(!is_nonce(""));
  BOOST_TEST(!is_nonce(std::string(31, 'a')));
  BOOST_TEST(!is_nonce(std::string(33, 'a')));
  BOOST_TEST(!is_nonce(std::string(31, 'a') + "g"));
}

BOOST_AUTO_TEST_CASE(the_proofs_are_those_of_any_hmac_sha256) {
  // python3: hmac.new(secret, b"luna-client:" + server + b":" + client, "sha256").hexdigest()
  BOOST_TEST(client_proof(secret, server_nonce, client_nonce)
             == "ef363d97370e62c6dce86c688073c3bc87f0a5df3eb83a199be2723c6f6d39cd");
  BOOST_TEST(server_proof(secret, server_nonce, client_nonce)
             == "5dda056fa376b80e99646fd8ad8c667e7906996d302bda0fe00d8c0891694b28");
}

BOOST_AUTO_TEST_CASE(proofs_differ_in_every_digit_that_differs) {
  auto proof = client_proof(secret, server_nonce, client_nonce);
  BOOST_TEST(equal_proofs(proof, proof));
  auto upper = proof;
  for (auto& c : upper)
    c = static_cast<char>(std::toupper(c));
  BOOST_TEST(equal_proofs(proof, upper));
  for (size_t i = 0; i < proof.size(); ++i) {
    auto other = proof;
    other[i] = other[i] == '0' ? '1' : '0';
    BOOST_TEST(!equal_proofs(proof, other));
  }
  BOOST_TEST(!equal_proofs(proof, proof.substr(1)));
  BOOST_TEST(!equal_proofs(proof, ""));
}

BOOST_AUTO_TEST_CASE(the_secret_is_the_file_without_one_newline) {
  folder temporary;
  auto read = [&](std::string_view bytes) { return read_secret(temporary.file(bytes)); };
  BOOST_TEST(read("0123456789abcdef").value() == "0123456789abcdef");
  BOOST_TEST(read("0123456789abcdef\n").value() == "0123456789abcdef");
  BOOST_TEST(read("0123456789abcdef\r\n").value() == "0123456789abcdef");
  BOOST_TEST(read("0123456789abcdef\n\n").value() == "0123456789abcdef\n");
  BOOST_TEST(read("  0123456789ab\tcd  ").value() == "  0123456789ab\tcd  ");
  BOOST_TEST(verdict(read("0123456789abcde\n")) == "not_permitted");
  BOOST_TEST(verdict(read("")) == "not_permitted");
  BOOST_TEST(verdict(read(std::string(65537, 'x'))) == "not_permitted");
  auto absent = read_secret(temporary.path / "none");
  BOOST_TEST(verdict(absent) == "not_permitted");
  BOOST_TEST(absent.error().message.find("none") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(only_addresses_of_this_machine_need_no_secret) {
  for (auto* host :
       {"127.0.0.1", "127.8.9.10", "::1", "[::1]", "localhost", "LocalHost", "::ffff:127.0.0.1"}) {
    BOOST_TEST(is_loopback(host), host);
    BOOST_TEST(check_exposure(host, false).has_value(), host);
  }
  for (auto* host : {"0.0.0.0", "::", "192.168.1.5", "10.0.0.1", "128.0.0.1", "example.org", "",
                     "::ffff:10.0.0.1", "localhost.example.org", "127.0.0.1.example.org"}) {
    BOOST_TEST(!is_loopback(host), host);
    BOOST_TEST(verdict(check_exposure(host, false)) == "not_permitted", host);
    BOOST_TEST(check_exposure(host, true).has_value(), host);
  }
}

BOOST_AUTO_TEST_CASE(the_greeting_looks_like_this) {
  server_greeting x{"luna/0.1.0", 1, 1, false, server_nonce};
  BOOST_TEST(to_json(x).dump()
             == R"({"server":"luna/0.1.0","protocol":[1,1],"auth":"none","nonce":")" + server_nonce
                  + R"("})");
  x.needs_proof = true;
  BOOST_TEST(to_json(x)["auth"] == "hmac-sha256");
  auto read = read_greeting(to_json(x));
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST(read->server == x.server);
  BOOST_TEST(read->needs_proof);
  BOOST_TEST(read->nonce == x.nonce);
}

BOOST_AUTO_TEST_CASE(the_clients_hello_looks_like_this) {
  client_hello x{"luna-cpp/0.1.0", 1, client_nonce, ""};
  BOOST_TEST(to_json(x).dump()
             == R"({"client":"luna-cpp/0.1.0","protocol":1,"nonce":")" + client_nonce + R"("})");
  x.proof = "ab";
  BOOST_TEST(to_json(x)["proof"] == "ab");
}

BOOST_AUTO_TEST_CASE(the_welcome_looks_like_this) {
  server_welcome x{"ab", "alpha", "studio", 10, 20, 30, {"ping"}, {"x"}};
  BOOST_TEST(to_json(x).dump()
             == R"({"ok":true,"proof":"ab","node":"alpha","cluster":"studio","limits":)"
                R"({"max_body_bytes":10,"max_header_bytes":20,"max_in_flight":30},)"
                R"("commands":["ping"],"capabilities":["x"]})");
  auto read = read_welcome(to_json(x));
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST(read->max_body_bytes == 10U);
  BOOST_TEST(read->commands == x.commands, boost::test_tools::per_element());
  x.proof.clear();
  BOOST_TEST(!to_json(x).contains("proof"));
}

BOOST_AUTO_TEST_CASE(unknown_fields_of_hellos_are_ignored) {
  auto greeting = to_json(server_greeting{"luna/9", 1, 1, false, server_nonce});
  greeting["later"] = {1, 2};
  BOOST_TEST(read_greeting(greeting).has_value());
  auto hello = to_json(client_hello{"c/1", 1, client_nonce, ""});
  hello["later"] = {1, 2};
  BOOST_TEST(read_client_hello(hello).has_value());
}

BOOST_AUTO_TEST_CASE(a_greeting_of_other_versions_is_a_mismatch_that_says_so) {
  auto greeting = to_json(server_greeting{"luna/9", 2, 3, false, server_nonce});
  auto read = read_greeting(greeting);
  BOOST_TEST(verdict(read) == "protocol_mismatch");
  BOOST_TEST(read.error().message.find("2 to 3") != std::string::npos);
  greeting["protocol"] = {1, 7};
  BOOST_TEST(verdict(read_greeting(greeting)) == "fine");
  for (auto& wrong : {json(1), json::array(), json{1}, json{1, "1"}, json(nullptr)}) {
    greeting["protocol"] = wrong;
    BOOST_TEST(verdict(read_greeting(greeting)) == "protocol_mismatch", wrong.dump());
  }
}

BOOST_AUTO_TEST_CASE(a_hello_that_lacks_something_is_refused) {
  auto good = to_json(client_hello{"c/1", 1, client_nonce, ""});
  BOOST_TEST(verdict(read_client_hello(good)) == "fine");
  auto with = [&](const char* name, const json& value) {
    auto x = good;
    x[name] = value;
    return verdict(read_client_hello(x));
  };
  auto without = [&](const char* name) {
    auto x = good;
    x.erase(name);
    return verdict(read_client_hello(x));
  };
  for (auto& wrong : {json(0), json(2), json("1"), json(1.0), json(nullptr), json{1, 1}})
    BOOST_TEST(with("protocol", wrong) == "protocol_mismatch", wrong.dump());
  BOOST_TEST(without("protocol") == "protocol_mismatch");
  for (auto& wrong : {json(1), json(""), json(std::string(257, 'x')), json("a\nb"), json(nullptr)})
    BOOST_TEST(with("client", wrong) == "unauthenticated", wrong.dump());
  BOOST_TEST(without("client") == "unauthenticated");
  for (auto& wrong : {json(1), json(""), json("zz"), json(client_nonce + "0"), json(nullptr)})
    BOOST_TEST(with("nonce", wrong) == "unauthenticated", wrong.dump());
  BOOST_TEST(without("nonce") == "unauthenticated");
  BOOST_TEST(with("proof", 5) == "unauthenticated");
  BOOST_TEST(with("proof", nullptr) == "fine");
}

BOOST_AUTO_TEST_CASE(a_server_with_a_secret_admits_only_the_right_proof) {
  client_hello hello{"c/1", 1, client_nonce, client_proof(secret, server_nonce, client_nonce)};
  BOOST_TEST(verdict(admit(hello, server_nonce, &secret)) == "fine");
  BOOST_TEST(verdict(admit(hello, client_nonce, &secret)) == "unauthenticated");
  hello.proof = server_proof(secret, server_nonce, client_nonce);
  BOOST_TEST(verdict(admit(hello, server_nonce, &secret)) == "unauthenticated");
  hello.proof = client_proof("another secret, as long", server_nonce, client_nonce);
  BOOST_TEST(verdict(admit(hello, server_nonce, &secret)) == "unauthenticated");
  hello.proof = "";
  BOOST_TEST(verdict(admit(hello, server_nonce, &secret)) == "unauthenticated");
  BOOST_TEST(verdict(admit(hello, server_nonce, nullptr)) == "fine");
}

BOOST_AUTO_TEST_CASE(a_client_with_a_secret_refuses_a_server_without_one) {
  server_greeting open{"luna/0.1.0", 1, 1, false, server_nonce};
  server_greeting closed{"luna/0.1.0", 1, 1, true, server_nonce};
  BOOST_TEST(verdict(answer_greeting(open, "c/1", &secret)) == "unauthenticated");
  BOOST_TEST(verdict(answer_greeting(closed, "c/1", nullptr)) == "unauthenticated");
  BOOST_TEST(answer_greeting(open, "c/1", nullptr)->proof == "");
  auto hello = answer_greeting(closed, "c/1", &secret);
  BOOST_REQUIRE(hello.has_value());
  BOOST_TEST(verdict(admit(*hello, server_nonce, &secret)) == "fine");
}

BOOST_AUTO_TEST_CASE(a_client_accepts_only_a_server_that_knows_the_secret) {
  server_welcome welcome;
  welcome.proof = server_proof(secret, server_nonce, client_nonce);
  BOOST_TEST(verdict(accept_welcome(welcome, server_nonce, client_nonce, &secret)) == "fine");
  // An impostor that sends the client's own proof back.
  welcome.proof = client_proof(secret, server_nonce, client_nonce);
  BOOST_TEST(verdict(accept_welcome(welcome, server_nonce, client_nonce, &secret))
             == "unauthenticated");
  welcome.proof = "";
  BOOST_TEST(verdict(accept_welcome(welcome, server_nonce, client_nonce, &secret))
             == "unauthenticated");
  BOOST_TEST(verdict(accept_welcome(welcome, server_nonce, client_nonce, nullptr)) == "fine");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::protocol
