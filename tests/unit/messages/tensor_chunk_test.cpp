#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/tensor_landing.hpp"
#include "messages/node_view.hpp"
#include "messages/tensor_chunk.hpp"
#include "messages/work_arguments.hpp"

using namespace luna;

namespace {

struct config : caf::actor_system_config {
  config() { add_message_types<caf::id_block::luna>(); }
};

std::shared_ptr<std::vector<std::byte>> numbered(size_t size) {
  auto bytes = std::make_shared<std::vector<std::byte>>(size);
  for (size_t i = 0; i < size; ++i)
    (*bytes)[i] = static_cast<std::byte>(i * 7 + (i >> 8));
  return bytes;
}

tensor_chunk chunk_of(size_t size) {
  auto bytes = numbered(size);
  return {71, true, 0, 3, uint64_t{5} << 32, {*bytes, bytes}};
}

struct fixture {
  config settings;
  caf::actor_system system{settings};
  std::vector<char> wire;

  template <class T>
  caf::error write(T& x) {
    wire.clear();
    caf::binary_serializer sink{system, wire};
    return sink(x);
  }

  template <class T>
  caf::error read(T& x) {
    caf::binary_deserializer source{system, wire};
    return source(x);
  }

  std::string text(const caf::error& x) { return to_failure(x, "it").message; }

  /// Changes the announced size, which stands where the bytes begin.
  void announce(uint32_t size, size_t bytes) {
    auto at = wire.size() - bytes - sizeof(size);
    for (int shift : {24, 16, 8, 0}) // network order
      wire[at++] = static_cast<char>(size >> shift);
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(tensor_chunk_test, fixture)

BOOST_AUTO_TEST_CASE(a_chunk_of_any_allowed_size_arrives_as_it_was) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{4095}, max_chunk_bytes}) {
    auto sent = chunk_of(size);
    BOOST_REQUIRE(!write(sent));
    BOOST_CHECK_LE(wire.size(), size + 64);
    tensor_chunk got;
    BOOST_REQUIRE(!read(got));
    BOOST_CHECK_EQUAL(got.call, 71u);
    BOOST_CHECK(got.reply);
    BOOST_CHECK_EQUAL(got.tensor, 3u);
    BOOST_CHECK_EQUAL(got.offset, uint64_t{5} << 32);
    auto x = sent.bytes.view;
    auto y = got.bytes.view;
    BOOST_CHECK_EQUAL(y.size(), size);
    BOOST_CHECK(std::equal(x.begin(), x.end(), y.begin(), y.end()));
  }
}

BOOST_AUTO_TEST_CASE(what_was_read_owns_its_memory) {
  tensor_chunk got;
  {
    auto sent = chunk_of(1000);
    BOOST_REQUIRE(!write(sent));
    BOOST_REQUIRE(!read(got));
  }
  std::fill(wire.begin(), wire.end(), '\0');
  auto copy = got;
  got = {};
  auto wanted = numbered(1000);
  auto y = copy.bytes.view;
  BOOST_CHECK(std::equal(wanted->begin(), wanted->end(), y.begin(), y.end()));
}

BOOST_AUTO_TEST_CASE(a_chunk_that_names_a_landing_is_read_into_its_place) {
  auto memory = std::make_shared<std::vector<std::byte>>(1000);
  auto landing = tensor_landing::open({{*memory, memory}});
  auto sent = chunk_of(600);
  sent.landing = landing.number();
  sent.tensor = 0;
  sent.offset = 0;
  BOOST_REQUIRE(!write(sent));
  tensor_chunk got, again;
  BOOST_REQUIRE(!read(got));
  BOOST_CHECK(got.bytes.view.data() == memory->data());
  auto wanted = numbered(600);
  BOOST_CHECK(std::equal(wanted->begin(), wanted->end(), memory->begin()));
  // The same piece once more must not write there again.
  BOOST_REQUIRE(!read(again));
  BOOST_CHECK(again.bytes.view.data() != memory->data());
  BOOST_CHECK_EQUAL(again.bytes.view.size(), 600u);
}

BOOST_AUTO_TEST_CASE(a_piece_that_its_landing_has_no_room_for_lands_nowhere) {
  auto memory = std::make_shared<std::vector<std::byte>>(100);
  auto landing = tensor_landing::open({{*memory, memory}});
  auto sent = chunk_of(101);
  sent.landing = landing.number();
  sent.tensor = 0;
  sent.offset = 0;
  BOOST_REQUIRE(!write(sent));
  tensor_chunk got;
  BOOST_REQUIRE(!read(got));
  BOOST_CHECK(*memory == std::vector<std::byte>(100));
}

BOOST_AUTO_TEST_CASE(more_than_512_KiB_is_an_error_on_both_sides) {
  auto sent = chunk_of(max_chunk_bytes + 1);
  auto refused = write(sent);
  BOOST_REQUIRE(refused);
  BOOST_CHECK_NE(text(refused).find("512 KiB"), std::string::npos);
  // Five hostile bytes must not take gigabytes.
  for (uint32_t size : {static_cast<uint32_t>(max_chunk_bytes + 1), 0x80000000u, 0xffffffffu}) {
    auto honest = chunk_of(16);
    BOOST_REQUIRE(!write(honest));
    announce(size, 16);
    tensor_chunk got;
    auto err = read(got);
    BOOST_REQUIRE(err);
    BOOST_CHECK_NE(text(err).find("512 KiB"), std::string::npos);
    BOOST_CHECK(got.bytes.view.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_size_that_does_not_match_the_bytes_is_an_error) {
  auto sent = chunk_of(100);
  for (uint32_t size : {101u, 4096u}) {
    BOOST_REQUIRE(!write(sent));
    announce(size, 100);
    tensor_chunk got;
    BOOST_CHECK(read(got));
  }
  BOOST_REQUIRE(!write(sent));
  while (!wire.empty()) {
    wire.pop_back();
    tensor_chunk got;
    BOOST_REQUIRE(read(got));
  }
}

BOOST_AUTO_TEST_CASE(a_whole_block_is_never_serialised) {
  auto bytes = numbered(16);
  auto block = tensor_block::copy_of(dtype::u8, {16}, *bytes);
  auto refused = write(block);
  BOOST_REQUIRE(refused);
  BOOST_CHECK_NE(text(refused).find("tensor_chunk"), std::string::npos);
  BOOST_CHECK(wire.empty());
  tensor_block got;
  BOOST_CHECK(read(got));
}

BOOST_AUTO_TEST_CASE(a_shape_arrives_as_it_was) {
  tensor_shape sent{"latents", dtype::bf16, {1, 4, 64, 96}};
  BOOST_REQUIRE(!write(sent));
  tensor_shape got;
  BOOST_REQUIRE(!read(got));
  BOOST_CHECK_EQUAL(got.name, "latents");
  BOOST_CHECK(got.type == dtype::bf16);
  BOOST_TEST(got.shape == sent.shape, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
