#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <memory>
#include <vector>

#include "base/tensor_landing.hpp"
#include "base/transfer_position.hpp"

using namespace luna;

namespace {

using memory = std::vector<std::byte>;

tensor_landing::area area_of(const std::shared_ptr<memory>& x) {
  return {*x, x};
}

} // namespace

BOOST_AUTO_TEST_SUITE(tensor_landing_test)

BOOST_AUTO_TEST_CASE(a_position_goes_through_all_bytes_and_passes_empty_tensors) {
  transfer_position at{{0, 3, 0, 2, 0}};
  BOOST_CHECK_EQUAL(at.tensor(), 1u);
  BOOST_CHECK_EQUAL(at.rest(), 3u);
  BOOST_CHECK(at.expects(1, 0, 3));
  BOOST_CHECK(!at.expects(1, 0, 0));
  BOOST_CHECK(!at.expects(1, 0, 4));
  BOOST_CHECK(!at.expects(1, 1, 1));
  BOOST_CHECK(!at.expects(3, 0, 1));
  at.advance(2);
  BOOST_CHECK_EQUAL(at.offset(), 2u);
  BOOST_CHECK(at.expects(1, 2, 1));
  at.advance(1);
  BOOST_CHECK(at.expects(3, 0, 2));
  at.advance(2);
  BOOST_CHECK(at.done());
  BOOST_CHECK(!at.expects(3, 2, 1));
  BOOST_CHECK(!at.expects(5, 0, 1));
}

BOOST_AUTO_TEST_CASE(nothing_and_tensors_without_bytes_are_done_at_once) {
  BOOST_CHECK(transfer_position{}.done());
  BOOST_CHECK((transfer_position{{0, 0}}.done()));
}

BOOST_AUTO_TEST_CASE(places_are_given_out_once_and_in_order) {
  auto a = std::make_shared<memory>(10);
  auto b = std::make_shared<memory>(4);
  auto landing = tensor_landing::open({area_of(a), area_of(b)});
  auto claim = [&](uint32_t tensor, uint64_t offset, size_t size) {
    return tensor_landing::claim(landing.number(), tensor, offset, size).get();
  };
  BOOST_CHECK(claim(1, 0, 4) == nullptr);
  BOOST_CHECK(claim(0, 6, 4) == nullptr);
  BOOST_CHECK(claim(0, 0, 11) == nullptr);
  BOOST_CHECK(claim(0, 0, 6) == a->data());
  BOOST_CHECK(claim(0, 0, 6) == nullptr);
  BOOST_CHECK(claim(0, 6, 4) == a->data() + 6);
  BOOST_CHECK(claim(2, 0, 1) == nullptr);
  BOOST_CHECK(claim(1, 0, 4) == b->data());
  BOOST_CHECK(claim(1, 4, 1) == nullptr);
}

BOOST_AUTO_TEST_CASE(a_number_means_one_landing_and_nothing_after_its_end) {
  auto a = std::make_shared<memory>(1);
  auto first = tensor_landing::open({area_of(a)});
  auto number = first.number();
  auto second = tensor_landing::open({area_of(a)});
  BOOST_CHECK_NE(number, 0u);
  BOOST_CHECK_NE(second.number(), number);
  auto moved = std::move(first);
  BOOST_CHECK_EQUAL(first.number(), 0u);
  BOOST_CHECK_EQUAL(moved.number(), number);
  moved = {};
  BOOST_CHECK(tensor_landing::claim(number, 0, 0, 1) == nullptr);
  BOOST_CHECK(tensor_landing::claim(0, 0, 0, 1) == nullptr);
  BOOST_CHECK(tensor_landing::claim(second.number(), 0, 0, 1) != nullptr);
}

BOOST_AUTO_TEST_CASE(a_place_keeps_its_memory_after_the_landing_is_closed) {
  auto a = std::make_shared<memory>(8);
  std::weak_ptr<memory> alive = a;
  auto landing = tensor_landing::open({area_of(a)});
  a.reset();
  auto place = tensor_landing::claim(landing.number(), 0, 0, 8);
  landing = {};
  BOOST_REQUIRE(place);
  BOOST_CHECK(!alive.expired());
  place.get()[7] = std::byte{1};
  place.reset();
  BOOST_CHECK(alive.expired());
}

BOOST_AUTO_TEST_SUITE_END()
