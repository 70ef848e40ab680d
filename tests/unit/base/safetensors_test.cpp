#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <cstring>

#include "base/safetensors.hpp"

namespace luna {

namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span{text.data(), text.size()});
}

/// A buffer with this header and so many bytes of data.
std::string buffer_of(const std::string& header, size_t data = 0) {
  std::string buffer(8, '\0');
  for (size_t i = 0; i < 8; ++i)
    buffer[i] = static_cast<char>(header.size() >> (8 * i));
  return buffer + header + std::string(data, 'x');
}

/// What is wrong with a buffer; empty if nothing is.
std::string problem_of(const std::string& buffer, const safetensors_limits& limits = {}) {
  auto header = parse_safetensors(bytes_of(buffer), buffer.size(), limits);
  if (header)
    return "";
  BOOST_TEST((header.error().code == ec::bad_request));
  return header.error().message;
}

std::string problem_of_header(const std::string& header, size_t data = 0) {
  return problem_of(buffer_of(header, data));
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

named_tensor tensor_of(std::string name, dtype type, std::vector<int64_t> shape, char fill) {
  auto bytes = std::string(*element_count(shape) * size_of(type), fill);
  return {std::move(name), tensor_block::copy_of(type, std::move(shape), bytes_of(bytes))};
}

} // namespace

BOOST_AUTO_TEST_SUITE(safetensors_test)

BOOST_AUTO_TEST_CASE(what_is_written_is_read_again) {
  std::vector<named_tensor> tensors{
    tensor_of("images", dtype::f32, {1, 2, 2, 3}, 'a'), tensor_of("mask", dtype::u8, {3}, 'b'),
    tensor_of("nothing", dtype::f16, {0, 4}, 'c'), tensor_of("scalar", dtype::i64, {}, 'd')};
  auto buffer = std::make_shared<std::string>(write_safetensors(tensors, {{"key", "värde"}}));
  auto read = read_safetensors(bytes_of(*buffer), buffer);
  BOOST_REQUIRE(read.has_value());
  BOOST_REQUIRE(read->size() == 4U);
  for (auto& x : tensors) {
    auto* y = find_tensor(*read, x.name);
    BOOST_REQUIRE(y != nullptr);
    BOOST_TEST((y->type() == x.tensor.type()));
    BOOST_TEST(y->shape() == x.tensor.shape(), boost::test_tools::per_element());
    BOOST_TEST(std::memcmp(y->bytes().data(), x.tensor.bytes().data(), y->size_bytes()) == 0);
  }
  auto header = parse_safetensors(bytes_of(*buffer), buffer->size());
  BOOST_TEST(header->metadata.at("key") == "värde");
}

BOOST_AUTO_TEST_CASE(the_bytes_are_those_of_the_reference_implementation) {
  // safetensors.numpy.save({"x": np.arange(2, dtype="<u2")})
  std::string data("\x00\x00\x01\x00", 4);
  named_tensor x{"x", tensor_block::copy_of(dtype::u16, {2}, bytes_of(data))};
  std::string expected("\x38\0\0\0\0\0\0\0", 8);
  expected += R"({"x":{"dtype":"U16","shape":[2],"data_offsets":[0,4]}}  )" + data;
  BOOST_TEST(write_safetensors({&x, 1}) == expected);
}

BOOST_AUTO_TEST_CASE(the_head_ends_where_eight_bytes_align) {
  for (size_t n = 1; n < 10; ++n) {
    auto x = tensor_of(std::string(n, 'n'), dtype::u8, {1}, 'x');
    BOOST_TEST(write_safetensors_head({&x, 1}).size() % 8 == 0U);
  }
}

BOOST_AUTO_TEST_CASE(an_empty_buffer_holds_no_tensors) {
  auto read = read_safetensors({}, nullptr);
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST(read->empty());
  auto none = write_safetensors({});
  BOOST_TEST(problem_of(none) == "");
}

BOOST_AUTO_TEST_CASE(blocks_share_the_buffer_and_keep_it_alive) {
  auto x = tensor_of("x", dtype::f32, {4}, 'x');
  auto buffer = std::make_shared<std::string>(write_safetensors({&x, 1}));
  auto read = read_safetensors(bytes_of(*buffer), buffer);
  BOOST_REQUIRE(read.has_value());
  auto* at = reinterpret_cast<const char*>(read->front().tensor.bytes().data());
  BOOST_TEST((at >= buffer->data() && at < buffer->data() + buffer->size()));
  std::weak_ptr<std::string> watch = buffer;
  buffer.reset();
  BOOST_TEST(!watch.expired());
  read->clear();
  BOOST_TEST(watch.expired());
}

BOOST_AUTO_TEST_CASE(a_tensor_at_an_odd_offset_is_copied_to_an_aligned_one) {
  std::vector<named_tensor> tensors{tensor_of("a", dtype::u8, {3}, 'a'),
                                    tensor_of("b", dtype::f32, {2}, 'b')};
  auto buffer = std::make_shared<std::string>(write_safetensors(tensors));
  auto read = read_safetensors(bytes_of(*buffer), buffer);
  BOOST_REQUIRE(read.has_value());
  auto& b = read->at(1).tensor;
  BOOST_TEST(reinterpret_cast<uintptr_t>(b.bytes().data()) % 4 == 0U);
  BOOST_TEST(b.as<float>()[0] == tensors[1].tensor.as<float>()[0]);
}

BOOST_AUTO_TEST_CASE(only_the_header_is_needed_to_know_where_the_tensors_lie) {
  auto buffer = buffer_of(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})");
  auto header = parse_safetensors(bytes_of(buffer), buffer.size() + 8);
  BOOST_REQUIRE(header.has_value());
  auto* x = header->find("x");
  BOOST_REQUIRE(x != nullptr);
  BOOST_TEST(x->begin == buffer.size());
  BOOST_TEST(x->end == buffer.size() + 8);
  BOOST_TEST(header->find("y") == nullptr);
}

BOOST_AUTO_TEST_CASE(entries_come_in_the_order_of_their_bytes) {
  auto buffer = buffer_of(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},)"
                          R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                          2);
  auto header = parse_safetensors(bytes_of(buffer), buffer.size());
  BOOST_REQUIRE(header.has_value());
  BOOST_TEST(header->entries[0].name == "a");
  BOOST_TEST(header->entries[1].name == "b");
}

BOOST_AUTO_TEST_CASE(lengths_that_lie_are_refused) {
  BOOST_TEST(contains(problem_of(""), "too short"));
  BOOST_TEST(contains(problem_of(std::string(7, '\0')), "too short"));
  BOOST_TEST(contains(problem_of(std::string(8, '\xff')), "18446744073709551615"));
  auto buffer = buffer_of("{}");
  buffer[0] = 3;
  BOOST_TEST(contains(problem_of(buffer), "says that it has 3 bytes"));
  BOOST_TEST(contains(problem_of(buffer_of(std::string(101, ' ')), {.header_bytes = 100}),
                      "says that it has 101 bytes"));
  // A prefix that ends inside the header.
  auto whole = buffer_of(R"({"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})");
  for (size_t n = 8; n < whole.size(); ++n)
    BOOST_TEST(!parse_safetensors(bytes_of(whole.substr(0, n)), whole.size()).has_value());
}

BOOST_AUTO_TEST_CASE(a_header_that_is_no_json_object_is_refused) {
  for (auto* header : {"", " ", "[]", "1", "null", "\"x\"", "{", "{}x", "{\"x\":}", "{\"x\"}",
                       "[{}]", "{\"\xff\":{}}", "{\"x\":NaN}"})
    BOOST_TEST(contains(problem_of_header(header), "header"), "not refused: " << header);
}

BOOST_AUTO_TEST_CASE(an_entry_that_is_none_is_refused_by_name) {
  for (auto* entry : {
         R"(1)",
         R"([])",
         R"("text")",
         R"(null)",
       })
    BOOST_TEST(
      contains(problem_of_header(std::string{R"({"x":)"} + entry + "}"), "an object of objects"),
      entry);
  for (auto* entry : {
         R"({})",
         R"({"dtype":"F32"})",
         R"({"dtype":"F32","shape":[0]})",
         R"({"shape":[0],"data_offsets":[0,0]})",
         R"({"dtype":1,"shape":[0],"data_offsets":[0,0]})",
         R"({"dtype":["F32"],"shape":[0],"data_offsets":[0,0]})",
         R"({"dtype":"F32","shape":0,"data_offsets":[0,0]})",
         R"({"dtype":"F32","shape":{},"data_offsets":[0,0]})",
         R"({"dtype":"F32","shape":[-1],"data_offsets":[0,0]})",
         R"({"dtype":"F32","shape":[0.0],"data_offsets":[0,0]})",
         R"({"dtype":"F32","shape":["0"],"data_offsets":[0,0]})",
         R"({"dtype":"F32","shape":[[0]],"data_offsets":[0,0]})",
         R"({"dtype":"F32","shape":[{}],"data_offsets":[0,0]})",
         R"({"dtype":"F32","shape":[true],"data_offsets":[0,0]})",
         R"({"dtype":"F32","shape":[0],"data_offsets":[0]})",
         R"({"dtype":"F32","shape":[0],"data_offsets":[0,0,0]})",
         R"({"dtype":"F32","shape":[0],"data_offsets":null})",
         R"({"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]})",
         R"({"dtype":"F32","shape":[0],"shape":[0],"data_offsets":[0,0]})",
       })
    BOOST_TEST(contains(problem_of_header(std::string{R"({"x":)"} + entry + "}"),
                        "tensor 'x' needs a dtype, a shape and two data_offsets"),
               entry);
}

BOOST_AUTO_TEST_CASE(fields_that_the_format_may_get_later_are_read_over) {
  BOOST_TEST(problem_of_header(R"({"x":{"dtype":"U8","later":{"a":[1,{"b":null}]},"shape":[1],)"
                               R"("also":[1.5,"t"],"flag":true,"data_offsets":[0,1]}})",
                               1)
             == "");
}

BOOST_AUTO_TEST_CASE(hostile_nesting_ends_the_reading) {
  std::string deep(100000, '[');
  BOOST_TEST(contains(problem_of_header(R"({"x":{"later":)" + deep), "too deep"));
  BOOST_TEST(contains(problem_of_header(R"({"x":)" + deep), "an object of objects"));
  BOOST_TEST(contains(problem_of_header(deep), "an object of objects"));
}

BOOST_AUTO_TEST_CASE(an_unknown_dtype_is_named) {
  BOOST_TEST(
    contains(problem_of_header(R"({"x":{"dtype":"F12","shape":[0],"data_offsets":[0,0]}})"),
             "unknown dtype 'F12'"));
}

BOOST_AUTO_TEST_CASE(types_of_the_format_that_we_do_not_have_are_known_as_bytes) {
  auto buffer = buffer_of(R"({"x":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]},)"
                          R"("y":{"dtype":"F8_E8M0","shape":[2],"data_offsets":[3,5]}})",
                          5);
  auto header = parse_safetensors(bytes_of(buffer), buffer.size());
  BOOST_REQUIRE(header);
  BOOST_TEST(header->entries[0].packed_type == "F4");
  BOOST_TEST((header->entries[0].type == dtype::u8));
  BOOST_TEST(header->entries[0].shape == std::vector<int64_t>{3}, boost::test_tools::per_element());
  BOOST_TEST(header->entries[1].packed_type == "F8_E8M0");
  auto tensors = read_safetensors(bytes_of(buffer), nullptr);
  BOOST_REQUIRE(!tensors);
  BOOST_TEST(contains(tensors.error().message, "tensor 'x' has the type F4, which is not read"));
  BOOST_TEST(
    contains(problem_of_header(R"({"x":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", 1),
             "does not fit its shape [3] and type F4"));
}

BOOST_AUTO_TEST_CASE(bytes_must_fit_shape_and_type) {
  auto problem = [](const std::string& shape, const std::string& offsets, size_t data) {
    return problem_of_header(
      R"({"x":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}", data);
  };
  BOOST_TEST(problem("[2]", "[0,8]", 8) == "");
  BOOST_TEST(contains(problem("[2]", "[0,7]", 7), "does not fit its shape"));
  BOOST_TEST(contains(problem("[3]", "[0,8]", 8), "does not fit its shape"));
  BOOST_TEST(contains(problem("[2]", "[0,8]", 7), "1 of its"));
  BOOST_TEST(contains(problem("[2]", "[8,0]", 8), "outside"));
  BOOST_TEST(contains(problem("[2]", "[18446744073709551608,18446744073709551615]", 8), "outside"));
  BOOST_TEST(contains(problem("[4611686018427387904,4]", "[0,0]", 0), "does not fit its shape"));
  BOOST_TEST(contains(problem("[4611686018427387904]", "[0,0]", 0), "does not fit its shape"));
  BOOST_TEST(contains(problem("[18446744073709551615]", "[0,0]", 0), "impossible dimension"));
  BOOST_TEST(contains(problem("[1,1,1,1,1,1,1,1,2]", "[0,8]", 8), "more than 8 dimensions"));
}

BOOST_AUTO_TEST_CASE(every_byte_belongs_to_exactly_one_tensor) {
  auto two = [](const std::string& a, const std::string& b) {
    return R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + a
         + R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + b + "}}";
  };
  BOOST_TEST(problem_of_header(two("[0,2]", "[2,4]"), 4) == "");
  BOOST_TEST(contains(problem_of_header(two("[0,2]", "[1,3]"), 3), "'b' overlaps another"));
  BOOST_TEST(contains(problem_of_header(two("[0,2]", "[0,2]"), 2), "overlaps another"));
  BOOST_TEST(contains(problem_of_header(two("[0,2]", "[3,5]"), 5), "'b' leaves a hole before it"));
  BOOST_TEST(contains(problem_of_header(two("[0,2]", "[2,4]"), 5), "1 bytes that belong to no"));
  BOOST_TEST(contains(problem_of_header("{}", 3), "3 bytes that belong to no"));
}

BOOST_AUTO_TEST_CASE(two_tensors_of_one_name_are_refused) {
  BOOST_TEST(contains(problem_of_header(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                        R"("x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                                        2),
                      "two tensors 'x'"));
}

BOOST_AUTO_TEST_CASE(metadata_holds_strings_only) {
  BOOST_TEST(problem_of_header(R"({"__metadata__":{}})") == "");
  BOOST_TEST(contains(problem_of_header(R"({"__metadata__":{"a":1}})"), "no string"));
  BOOST_TEST(contains(problem_of_header(R"({"__metadata__":{"a":["b"]}})"), "no string"));
  BOOST_TEST(contains(problem_of_header(R"({"__metadata__":{"a":{}}})"), "no string"));
  BOOST_TEST(problem_of_header(R"({"__metadata__":1})") != "");
}

BOOST_AUTO_TEST_CASE(there_is_a_limit_to_the_number_of_tensors_and_texts) {
  std::string many = "{";
  for (auto i = 0; i < 5; ++i)
    many += (i > 0 ? ",\"" : "\"") + std::to_string(i)
          + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  many += "}";
  BOOST_TEST(problem_of(buffer_of(many), {.tensors = 5}) == "");
  BOOST_TEST(contains(problem_of(buffer_of(many), {.tensors = 4}), "more than 4 tensors"));
  BOOST_TEST(
    contains(problem_of(buffer_of(R"({"__metadata__":{"a":"","b":"","c":""}})"), {.tensors = 2}),
             "more than 2 texts"));
}

BOOST_AUTO_TEST_CASE(a_name_as_long_as_the_header_does_not_fill_the_message) {
  auto problem = problem_of_header("{\"" + std::string(1 << 20, 'n') + "\":{}}");
  BOOST_TEST(problem.size() < 250U);
}

BOOST_AUTO_TEST_CASE(names_that_are_no_utf8_are_written_all_the_same) {
  auto x = tensor_of("bad\xff", dtype::u8, {1}, 'x');
  BOOST_TEST(problem_of(write_safetensors({&x, 1})) == "");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna
