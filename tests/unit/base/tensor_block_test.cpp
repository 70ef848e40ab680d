#include <boost/test/unit_test.hpp>

#include <array>
#include <stdexcept>

#include "base/tensor_block.hpp"

namespace luna {

namespace {

std::span<const std::byte> bytes_of(const std::vector<float>& x) {
  return std::as_bytes(std::span{x});
}

} // namespace

BOOST_AUTO_TEST_SUITE(tensor_block_test)

BOOST_AUTO_TEST_CASE(a_block_is_a_view_that_keeps_its_owner_alive) {
  auto owner = std::make_shared<std::vector<float>>(6, 0.5F);
  std::weak_ptr<std::vector<float>> watch = owner;
  tensor_block block{dtype::f32, {2, 3}, bytes_of(*owner), owner};
  BOOST_TEST(static_cast<const void*>(block.bytes().data())
             == static_cast<const void*>(owner->data()));
  owner.reset();
  auto copy = block;
  block = {};
  BOOST_TEST(!watch.expired());
  BOOST_TEST(copy.as<float>()[5] == 0.5F);
  copy = {};
  BOOST_TEST(watch.expired());
}

BOOST_AUTO_TEST_CASE(a_default_block_has_no_elements) {
  tensor_block block;
  BOOST_TEST(block.size_bytes() == 0U);
  BOOST_TEST(block.rank() == 1U);
  BOOST_TEST(block.dim(0) == 0);
}

BOOST_AUTO_TEST_CASE(copy_of_owns_its_bytes) {
  std::vector<float> source{1, 2, 3, 4};
  auto block = tensor_block::copy_of(dtype::f32, {4}, bytes_of(source));
  source.assign(4, 9);
  BOOST_TEST(block.as<float>()[0] == 1.0F);
  BOOST_TEST(block.as<float>()[3] == 4.0F);
}

BOOST_AUTO_TEST_CASE(a_shape_that_does_not_fit_the_bytes_is_a_defect) {
  std::vector<float> source(6);
  BOOST_CHECK_THROW(tensor_block::copy_of(dtype::f32, {2, 2}, bytes_of(source)), std::logic_error);
  BOOST_CHECK_THROW(tensor_block::copy_of(dtype::f16, {2, 3}, bytes_of(source)), std::logic_error);
  BOOST_CHECK_THROW(tensor_block::copy_of(dtype::f32, {-2, -3}, bytes_of(source)),
                    std::logic_error);
  // 2^62 * 4 * 4 wraps around to 0 in 64 bits.
  BOOST_CHECK_THROW(tensor_block::copy_of(dtype::f32, {int64_t{1} << 62, 4}, {}), std::logic_error);
  BOOST_CHECK_THROW(tensor_block::copy_of(dtype::f32, {int64_t{1} << 62}, {}), std::logic_error);
}

BOOST_AUTO_TEST_CASE(reshaping_shares_the_bytes) {
  std::vector<float> source(6, 2);
  auto block = tensor_block::copy_of(dtype::f32, {6}, bytes_of(source));
  auto matrix = block.reshaped({3, 2});
  BOOST_TEST(matrix.dim(0) == 3);
  BOOST_TEST(static_cast<const void*>(matrix.bytes().data())
             == static_cast<const void*>(block.bytes().data()));
  BOOST_CHECK_THROW(block.reshaped({4, 2}), std::logic_error);
}

BOOST_AUTO_TEST_CASE(the_elements_of_a_shape_are_counted_without_wrapping) {
  auto count = [](std::vector<int64_t> shape) { return element_count(shape); };
  BOOST_TEST((count({}) == 1U));
  BOOST_TEST((count({2, 3, 4}) == 24U));
  BOOST_TEST((count({2, 0, 4}) == 0U));
  BOOST_TEST(!count({2, -1}).has_value());
  BOOST_TEST(!count({int64_t{1} << 33, int64_t{1} << 33}).has_value());
}

BOOST_AUTO_TEST_CASE(every_type_has_a_size_and_two_names_that_lead_back) {
  constexpr std::array<size_t, 15> sizes{4, 2, 2, 1, 4, 8, 8, 1, 2, 2, 4, 8, 1, 1, 1};
  for (size_t i = 0; i < sizes.size(); ++i) {
    auto type = static_cast<dtype>(i);
    BOOST_TEST(size_of(type) == sizes[i]);
    BOOST_TEST((dtype_of_safetensors(safetensors_name(type)) == type), safetensors_name(type));
    BOOST_TEST((dtype_of(to_string(type)) == type), to_string(type));
  }
  BOOST_TEST(!dtype_of("F32").has_value());
  BOOST_TEST(!dtype_of_safetensors("f32").has_value());
}

BOOST_AUTO_TEST_CASE(a_shape_is_written_as_python_writes_a_list) {
  BOOST_TEST(format_shape(std::vector<int64_t>{}) == "[]");
  BOOST_TEST(format_shape(std::vector<int64_t>{1, 3, 64, 64}) == "[1, 3, 64, 64]");
}

BOOST_AUTO_TEST_CASE(tensors_are_found_by_name_and_summed) {
  std::vector<float> source(4);
  std::vector<named_tensor> tensors{{"a", tensor_block::copy_of(dtype::f32, {4}, bytes_of(source))},
                                    {"b", tensor_block{}}};
  BOOST_TEST(find_tensor(tensors, "b") == &tensors[1].tensor);
  BOOST_TEST(find_tensor(tensors, "c") == nullptr);
  BOOST_TEST(total_bytes(tensors) == 16U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna
