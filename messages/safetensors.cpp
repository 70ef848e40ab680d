#include "messages/safetensors.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>

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

bool is_offset(const json& x) {
  return x.is_number_unsigned();
}

result<safetensors_entry> read_entry(const std::string& name, const json& x, uint64_t data_begin,
                                     uint64_t data_size, const safetensors_limits& limits) {
  auto type = x.find("dtype");
  auto shape = x.find("shape");
  auto offsets = x.find("data_offsets");
  if (type == x.end() || !type->is_string() || shape == x.end() || !shape->is_array()
      || offsets == x.end() || !offsets->is_array() || offsets->size() != 2
      || !is_offset((*offsets)[0]) || !is_offset((*offsets)[1]))
    return broken("tensor '" + name + "' needs a dtype, a shape and two data_offsets");
  safetensors_entry entry;
  entry.name = name;
  auto known = dtype_of_safetensors(type->get_ref<const std::string&>());
  if (!known)
    return broken("tensor '" + name + "' has the unknown dtype "
                  + type->get<std::string>().substr(0, 32));
  entry.type = *known;
  if (shape->size() > limits.rank)
    return broken("tensor '" + name + "' has " + std::to_string(shape->size())
                  + " dimensions, at most " + std::to_string(limits.rank) + " are read");
  for (auto& n : *shape) {
    if (!n.is_number_unsigned() || n.get<uint64_t>() > uint64_t{INT64_MAX})
      return broken("tensor '" + name + "' has a dimension that is no whole number");
    entry.shape.push_back(n.get<int64_t>());
  }
  auto begin = (*offsets)[0].get<uint64_t>();
  auto end = (*offsets)[1].get<uint64_t>();
  if (begin > end || end > data_size)
    return broken("tensor '" + name + "' lies outside of the buffer");
  auto count = element_count(entry.shape);
  uint64_t bytes = 0;
  if (!count || __builtin_mul_overflow(*count, uint64_t{size_of(entry.type)}, &bytes)
      || bytes != end - begin)
    return broken("tensor '" + name + "' has " + std::to_string(end - begin)
                  + " bytes, which does not fit its shape " + format_shape(entry.shape));
  entry.begin = data_begin + begin;
  entry.end = data_begin + end;
  return entry;
}

result<void> read_metadata(const json& x, safetensors_header& header) {
  if (!x.is_object())
    return broken("__metadata__ is not an object");
  for (auto& [key, value] : x.items()) {
    if (!value.is_string())
      return broken("__metadata__ holds something that is no string: " + key.substr(0, 64));
    header.metadata.emplace(key, value.get<std::string>());
  }
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
      return broken("tensor '" + x.name
                    + (x.begin < at ? "' overlaps another" : "' leaves a hole before it"));
    at = x.end;
  }
  if (at != end)
    return broken("there are " + std::to_string(end - at) + " bytes that belong to no tensor");
  return {};
}

/// Counts how deep the JSON nests without building it: the parser below recurses for nothing
/// deeper.
class depth_guard {
public:
  static constexpr int limit = 8;

  bool operator()(int depth, json::parse_event_t, json&) {
    if (depth > limit)
      too_deep = true;
    return !too_deep;
  }

  bool too_deep = false;
};

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
    return broken("the header says that it has " + std::to_string(size) + " bytes");
  if (prefix.size() - 8 < size)
    return broken("the header is cut off");
  auto* text = reinterpret_cast<const char*>(prefix.data()) + 8;
  depth_guard guard;
  auto root = json::parse(text, text + size, std::ref(guard), false);
  if (root.is_discarded() || !root.is_object() || guard.too_deep)
    return broken("the header is not a JSON object");
  if (root.size() > limits.tensors)
    return broken("the header names " + std::to_string(root.size()) + " tensors, at most "
                  + std::to_string(limits.tensors) + " are read");
  safetensors_header header;
  header.data_begin = 8 + size;
  auto data_size = total_size - header.data_begin;
  header.entries.reserve(root.size());
  for (auto& [key, value] : root.items()) {
    if (key == metadata_key) {
      if (auto ok = read_metadata(value, header); !ok)
        return fail(ok);
      continue;
    }
    auto entry = read_entry(key, value, header.data_begin, data_size, limits);
    if (!entry)
      return fail(entry);
    header.entries.push_back(std::move(*entry));
  }
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
  auto text = root.dump();
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
