#include "base/safetensors.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

namespace luna {

namespace {

using nlohmann::json;

constexpr auto metadata_key = "__metadata__";

auto broken(std::string what) {
  return fail(ec::bad_request, "safetensors: " + std::move(what));
}

uint64_t little_endian(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i)
    value |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  return value;
}

/// A name as it is shown in a message: it may be as long as the header.
std::string shown(std::string_view name) {
  constexpr size_t most = 80;
  return "'" + std::string{name.substr(0, most)} + (name.size() > most ? "...'" : "'");
}

/// A type of the format that no dtype stands for, with the bits of an element.
struct packed_type {
  std::string_view name;
  uint64_t bits;
};

constexpr std::array<packed_type, 7> packed_types{{
  {"F4", 4},
  {"F6_E2M3", 6},
  {"F6_E3M2", 6},
  {"F8_E8M0", 8},
  {"F8_E4M3FNUZ", 8},
  {"F8_E5M2FNUZ", 8},
  {"C64", 64},
}};

/// What the header says of one tensor.
struct raw_entry {
  std::optional<std::string> type;
  std::optional<std::vector<uint64_t>> shape;
  std::optional<std::vector<uint64_t>> offsets;
};

result<safetensors_entry> check_entry(std::string name, const raw_entry& raw, uint64_t data_begin,
                                      const safetensors_limits& limits) {
  if (!raw.type || !raw.shape || !raw.offsets || raw.offsets->size() != 2)
    return broken("tensor " + shown(name) + " needs a dtype, a shape and two data_offsets");
  auto type = dtype_of_safetensors(*raw.type);
  auto packed = std::find_if(packed_types.begin(), packed_types.end(),
                             [&](auto& x) { return x.name == *raw.type; });
  if (!type && packed == packed_types.end())
    return broken("tensor " + shown(name) + " has the unknown dtype " + shown(*raw.type));
  if (raw.shape->size() > limits.rank)
    return broken("tensor " + shown(name) + " has more than " + std::to_string(limits.rank)
                  + " dimensions");
  safetensors_entry entry;
  entry.type = type.value_or(dtype::u8);
  for (auto n : *raw.shape) {
    if (n > uint64_t{INT64_MAX})
      return broken("tensor " + shown(name) + " has an impossible dimension");
    entry.shape.push_back(static_cast<int64_t>(n));
  }
  auto begin = raw.offsets->front();
  auto end = raw.offsets->back();
  if (begin > end || end > uint64_t{INT64_MAX} - data_begin)
    return broken("tensor " + shown(name) + " lies outside of any buffer");
  auto count = element_count(entry.shape);
  uint64_t bits = 0;
  if (!count || __builtin_mul_overflow(*count, type ? 8 * size_of(*type) : packed->bits, &bits)
      || bits % 8 != 0 || bits / 8 != end - begin)
    return broken("tensor " + shown(name) + " has " + std::to_string(end - begin)
                  + " bytes, which does not fit its shape " + format_shape(entry.shape)
                  + " and type " + (type ? std::string{to_string(*type)} : *raw.type));
  if (!type) {
    entry.packed_type = packed->name;
    entry.shape = {static_cast<int64_t>(end - begin)};
  }
  entry.begin = data_begin + begin;
  entry.end = data_begin + end;
  entry.name = std::move(name);
  return entry;
}

/// Reads the header's JSON as it comes, without a tree of it: what the header costs is bounded by
/// what it means, and what does not belong there ends the reading at once.
class header_reader : public nlohmann::json_sax<json> {
public:
  header_reader(safetensors_header& header, const safetensors_limits& limits)
    : header_(header), limits_(limits) {}

  /// What is wrong, if parsing stopped.
  failure take_problem() {
    return problem_ ? std::move(*problem_) : broken("the header is not a JSON object").value();
  }

  bool key(std::string& name) override {
    if (skipped_ > 0)
      return true;
    if (depth_ == 1) {
      name_ = std::move(name);
      entry_ = {};
      in_metadata_ = name_ == metadata_key;
      if (!in_metadata_ && header_.entries.size() == limits_.tensors)
        return refuse("the header names more than " + std::to_string(limits_.tensors) + " tensors");
      return true;
    }
    field_ = std::move(name);
    return true;
  }

  bool start_object(size_t) override {
    if (skipped_ > 0)
      return skip_deeper();
    if (depth_ == 2)
      return in_metadata_ ? refuse_metadata() : begin_unknown();
    if (depth_ == 3)
      return refuse_entry();
    ++depth_;
    return true;
  }

  bool end_object() override {
    if (skipped_ > 0) {
      --skipped_;
      return true;
    }
    --depth_;
    if (depth_ != 1 || in_metadata_)
      return true;
    auto entry = check_entry(std::move(name_), entry_, header_.data_begin, limits_);
    if (!entry) {
      problem_ = std::move(entry.error());
      return false;
    }
    header_.entries.push_back(std::move(*entry));
    return true;
  }

  bool start_array(size_t) override {
    if (skipped_ > 0)
      return skip_deeper();
    if (depth_ == 2 && in_metadata_)
      return refuse_metadata();
    if (depth_ != 2)
      return depth_ == 3 ? refuse_entry() : refuse_root();
    auto* list = field_ == "shape"        ? &entry_.shape
               : field_ == "data_offsets" ? &entry_.offsets
                                          : nullptr;
    if (list == nullptr)
      return begin_unknown();
    if (*list)
      return refuse_entry();
    list_ = &list->emplace();
    ++depth_;
    return true;
  }

  bool end_array() override {
    if (skipped_ > 0)
      --skipped_;
    else
      --depth_;
    return true;
  }

  bool number_unsigned(uint64_t n) override {
    if (depth_ != 3 || skipped_ > 0)
      return scalar();
    if (list_->size() > limits_.rank)
      return refuse_entry();
    list_->push_back(n);
    return true;
  }

  bool string(std::string& text) override {
    if (skipped_ > 0 || depth_ != 2)
      return scalar();
    if (in_metadata_) {
      if (header_.metadata.size() == limits_.tensors)
        return refuse("__metadata__ holds more than " + std::to_string(limits_.tensors) + " texts");
      header_.metadata.insert_or_assign(field_, std::move(text));
      return true;
    }
    if (field_ != "dtype")
      return scalar();
    if (entry_.type)
      return refuse_entry();
    entry_.type = std::move(text);
    return true;
  }

  bool null() override { return scalar(); }
  bool boolean(bool) override { return scalar(); }
  bool number_integer(int64_t) override { return scalar(); }
  bool number_float(double, const std::string&) override { return scalar(); }
  bool binary(json::binary_t&) override { return scalar(); }

  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return refuse("the header is not a JSON object");
  }

private:
  static constexpr size_t deepest = 8;

  bool refuse(std::string what) {
    if (!problem_)
      problem_ = broken(std::move(what)).value();
    return false;
  }

  bool refuse_root() { return refuse("the header must be an object of objects"); }

  bool refuse_entry() {
    return refuse("tensor " + shown(name_) + " needs a dtype, a shape and two data_offsets");
  }

  bool refuse_metadata() { return refuse("__metadata__ holds something that is no string"); }

  /// A value where none of these is wanted: fine in a field that we do not know, else wrong.
  bool scalar() {
    if (skipped_ > 0)
      return true;
    if (depth_ < 2)
      return refuse_root();
    if (depth_ == 3)
      return refuse_entry();
    if (in_metadata_)
      return refuse_metadata();
    return field_ == "dtype" || field_ == "shape" || field_ == "data_offsets" ? refuse_entry()
                                                                              : true;
  }

  /// The file format lets entries have more fields; they are read over.
  bool begin_unknown() {
    if (field_ == "dtype" || field_ == "shape" || field_ == "data_offsets")
      return refuse_entry();
    skipped_ = 1;
    return true;
  }

  bool skip_deeper() { return ++skipped_ <= deepest || refuse("the header nests too deep"); }

  safetensors_header& header_;
  const safetensors_limits& limits_;

  size_t depth_ = 0;   ///< 1 in the root, 2 in an entry or the metadata, 3 in a list of an entry
  size_t skipped_ = 0; ///< levels inside a field that we do not know
  std::string name_;
  std::string field_;
  bool in_metadata_ = false;
  raw_entry entry_;
  std::vector<uint64_t>* list_ = nullptr;
  std::optional<failure> problem_;
};

result<void> check_names(const std::vector<safetensors_entry>& entries) {
  std::vector<std::string_view> names;
  names.reserve(entries.size());
  for (auto& x : entries)
    names.push_back(x.name);
  std::sort(names.begin(), names.end());
  if (auto i = std::adjacent_find(names.begin(), names.end()); i != names.end())
    return broken("there are two tensors " + shown(*i));
  return {};
}

/// Every byte of the data part belongs to exactly one tensor.
result<void> check_cover(std::vector<safetensors_entry>& entries, uint64_t data_begin,
                         uint64_t end) {
  std::stable_sort(entries.begin(), entries.end(), [](auto& x, auto& y) {
    return std::pair{x.begin, x.end} < std::pair{y.begin, y.end};
  });
  auto at = data_begin;
  for (auto& x : entries) {
    if (x.begin != at)
      return broken("tensor " + shown(x.name)
                    + (x.begin < at ? " overlaps another" : " leaves a hole before it"));
    at = x.end;
  }
  if (at > end)
    return broken("it is incomplete: " + std::to_string(at - end) + " of its " + std::to_string(at)
                  + " bytes are missing at the end");
  if (at != end)
    return broken("there are " + std::to_string(end - at) + " bytes that belong to no tensor");
  return {};
}

} // namespace

const safetensors_entry* safetensors_header::find(std::string_view name) const {
  auto i = std::find_if(entries.begin(), entries.end(), [&](auto& x) { return x.name == name; });
  return i == entries.end() ? nullptr : &*i;
}

result<safetensors_header> parse_safetensors(std::span<const std::byte> prefix, uint64_t total_size,
                                             const safetensors_limits& limits) {
  if (prefix.size() < 8 || total_size < 8)
    return broken("a buffer of " + std::to_string(total_size) + " bytes is too short for a header");
  auto size = little_endian(prefix);
  if (size > limits.header_bytes || size > total_size - 8)
    return broken("the header says that it has " + std::to_string(size) + " bytes, of "
                  + std::to_string(total_size) + " in all");
  if (prefix.size() - 8 < size)
    return broken("the header is cut off");
  auto* text = reinterpret_cast<const char*>(prefix.data()) + 8;
  safetensors_header header;
  header.data_begin = 8 + size;
  header_reader reader{header, limits};
  if (!json::sax_parse(text, text + size, &reader))
    return tl::make_unexpected(reader.take_problem());
  if (auto ok = check_names(header.entries); !ok)
    return fail(ok);
  if (auto ok = check_cover(header.entries, header.data_begin, total_size); !ok)
    return fail(ok);
  return header;
}

result<std::vector<named_tensor>> read_safetensors(std::span<const std::byte> buffer,
                                                   std::shared_ptr<const void> owner,
                                                   const safetensors_limits& limits) {
  std::vector<named_tensor> tensors;
  if (buffer.empty())
    return tensors;
  auto header = parse_safetensors(buffer, buffer.size(), limits);
  if (!header)
    return fail(header);
  tensors.reserve(header->entries.size());
  for (auto& x : header->entries) {
    if (!x.packed_type.empty())
      return broken("tensor " + shown(x.name) + " has the type " + std::string{x.packed_type}
                    + ", which is not read");
    auto bytes = buffer.subspan(x.begin, x.end - x.begin);
    auto aligned = reinterpret_cast<uintptr_t>(bytes.data()) % size_of(x.type) == 0;
    tensors.push_back({x.name, aligned ? tensor_block{x.type, x.shape, bytes, owner}
                                       : tensor_block::copy_of(x.type, x.shape, bytes)});
  }
  return tensors;
}

std::string write_safetensors_head(std::span<const named_tensor> tensors,
                                   const std::map<std::string, std::string>& metadata) {
  auto root = nlohmann::ordered_json::object();
  if (!metadata.empty())
    root[metadata_key] = metadata;
  uint64_t at = 0;
  for (auto& x : tensors) {
    auto end = at + x.tensor.size_bytes();
    root[x.name] = {{"dtype", safetensors_name(x.tensor.type())},
                    {"shape", x.tensor.shape()},
                    {"data_offsets", {at, end}}};
    at = end;
  }
  // Names that are no UTF-8 cannot stand in JSON.
  auto text = root.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string head(8, '\0');
  for (size_t i = 0; i < 8; ++i)
    head[i] = static_cast<char>(text.size() >> (8 * i));
  return head += text;
}

std::string write_safetensors(std::span<const named_tensor> tensors,
                              const std::map<std::string, std::string>& metadata) {
  auto buffer = write_safetensors_head(tensors, metadata);
  buffer.reserve(buffer.size() + total_bytes(tensors));
  for (auto& x : tensors)
    buffer.append(reinterpret_cast<const char*>(x.tensor.bytes().data()), x.tensor.size_bytes());
  return buffer;
}

} // namespace luna
