#include <boost/test/unit_test.hpp>

#include <cstring>
#include <numeric>

#include "actors/transport/tensor_assembly.hpp"

using namespace luna;

namespace {

/// A tensor whose bytes count up.
named_tensor counting(std::string name, int64_t size) {
  std::vector<std::byte> bytes(static_cast<size_t>(size));
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(i * 7 + i / 251);
  return {std::move(name), tensor_block::copy_of(dtype::u8, {size}, bytes)};
}

bool same_bytes(const tensor_block& x, const tensor_block& y) {
  return x.size_bytes() == y.size_bytes()
      && std::memcmp(x.bytes().data(), y.bytes().data(), x.size_bytes()) == 0;
}

} // namespace

BOOST_AUTO_TEST_SUITE(tensor_assembly_test)

BOOST_AUTO_TEST_CASE(what_a_cursor_cuts_an_assembly_puts_together) {
  std::vector<named_tensor> sent{counting("a", 3), counting("none", 0),
                                 counting("b", int64_t{2 * max_chunk_bytes} + 5)};
  chunk_cursor cursor{sent};
  auto budget = byte_budget::make(8 << 20);
  auto assembly = tensor_assembly::open(cursor.shapes(), *budget);
  BOOST_REQUIRE(assembly.has_value());
  auto chunks = 0;
  while (auto chunk = cursor.next(7, false, 0)) {
    BOOST_CHECK_LE(chunk->bytes.view.size(), max_chunk_bytes);
    BOOST_CHECK(!assembly->complete());
    BOOST_REQUIRE(assembly->add(*chunk).has_value());
    ++chunks;
  }
  BOOST_CHECK_EQUAL(chunks, 4); // one of a, three of b
  BOOST_CHECK(cursor.done());
  BOOST_REQUIRE(assembly->complete());
  auto got = assembly->take();
  BOOST_REQUIRE_EQUAL(got.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    BOOST_CHECK_EQUAL(got[i].name, sent[i].name);
    BOOST_CHECK(same_bytes(got[i].tensor, sent[i].tensor));
  }
}

BOOST_AUTO_TEST_CASE(a_chunk_that_landed_is_not_copied_again) {
  std::vector<named_tensor> sent{counting("a", int64_t{max_chunk_bytes} + 5)};
  chunk_cursor cursor{sent};
  auto budget = byte_budget::make(8 << 20);
  auto assembly = tensor_assembly::open(cursor.shapes(), *budget);
  BOOST_REQUIRE(assembly.has_value());
  const std::byte* begin = nullptr;
  while (auto chunk = cursor.next(7, false, assembly->landing())) {
    // As the deserialiser does it.
    auto size = chunk->bytes.view.size();
    auto place = tensor_landing::claim(chunk->landing, chunk->tensor, chunk->offset, size);
    BOOST_REQUIRE(place);
    std::memcpy(place.get(), chunk->bytes.view.data(), size);
    if (!begin)
      begin = place.get();
    chunk->bytes = {{place.get(), size}, place};
    BOOST_REQUIRE(assembly->add(*chunk).has_value());
  }
  auto number = assembly->landing();
  auto got = assembly->take();
  BOOST_CHECK(got[0].tensor.bytes().data() == begin);
  BOOST_CHECK(same_bytes(got[0].tensor, sent[0].tensor));
  BOOST_CHECK(!tensor_landing::claim(number, 0, 0, 1));
}

BOOST_AUTO_TEST_CASE(no_tensors_are_complete_at_once) {
  auto budget = byte_budget::make(1);
  chunk_cursor cursor{{counting("none", 0)}};
  BOOST_CHECK(cursor.done());
  auto assembly = tensor_assembly::open(cursor.shapes(), *budget);
  BOOST_REQUIRE(assembly.has_value());
  BOOST_CHECK(assembly->complete());
}

BOOST_AUTO_TEST_CASE(memory_is_taken_before_the_first_chunk_and_given_back) {
  auto budget = byte_budget::make(100);
  {
    auto first = tensor_assembly::open({{"a", dtype::u8, {60}}}, *budget);
    BOOST_REQUIRE(first.has_value());
    BOOST_CHECK_EQUAL(budget->used(), 60u);
    auto second = tensor_assembly::open({{"b", dtype::u8, {41}}}, *budget);
    BOOST_REQUIRE(!second.has_value());
    BOOST_CHECK(second.error().code == ec::overloaded);
    BOOST_CHECK_GT(second.error().retry_after_ms, 0u);
    BOOST_CHECK_EQUAL(budget->used(), 60u);
  }
  BOOST_CHECK_EQUAL(budget->used(), 0u);
}

BOOST_AUTO_TEST_CASE(the_tensors_hold_their_share_of_the_budget) {
  auto budget = byte_budget::make(100);
  chunk_cursor cursor{{counting("a", 60)}};
  auto assembly = tensor_assembly::open(cursor.shapes(), *budget);
  BOOST_REQUIRE(assembly->add(*cursor.next(1, false, 0)).has_value());
  auto got = assembly->take();
  BOOST_CHECK_EQUAL(budget->used(), 60u);
  got.clear();
  BOOST_CHECK_EQUAL(budget->used(), 0u);
}

BOOST_AUTO_TEST_CASE(chunks_out_of_order_are_refused) {
  chunk_cursor cursor{{counting("a", int64_t{max_chunk_bytes} + 1)}};
  auto budget = byte_budget::make(8 << 20);
  auto assembly = tensor_assembly::open(cursor.shapes(), *budget);
  auto first = cursor.next(1, false, 0);
  auto second = cursor.next(1, false, 0);
  BOOST_CHECK(!assembly->add(*second).has_value());
  BOOST_CHECK(assembly->add(*first).has_value());
  BOOST_CHECK(!assembly->add(*first).has_value());
  BOOST_CHECK(assembly->add(*second).has_value());
  BOOST_CHECK(!assembly->add(*second).has_value());
}

BOOST_AUTO_TEST_CASE(impossible_shapes_are_refused) {
  auto budget = byte_budget::make(UINT64_MAX);
  for (std::vector<int64_t> shape :
       {std::vector<int64_t>{-1}, {INT64_MAX, 3}, {INT64_MAX / 2, 2}}) {
    auto assembly = tensor_assembly::open({{"a", dtype::f64, shape}}, *budget);
    BOOST_CHECK(!assembly.has_value());
    BOOST_CHECK_EQUAL(budget->used(), 0u);
  }
}

BOOST_AUTO_TEST_SUITE_END()
