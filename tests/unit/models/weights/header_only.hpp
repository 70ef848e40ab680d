#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/tensor_block.hpp"
#include "models/weights/inspect.hpp"

/// Model files of which only the header and chosen tensors are written: the rest is a hole, so
/// that hundreds of variants of a model cost nothing.
namespace luna::test {

struct header_entry {
  std::string name;
  dtype type = dtype::f16;
  std::vector<int64_t> shape;
  std::string bytes{};     ///< what stands in the file; empty: zeros
  std::string type_name{}; ///< written in place of the type's, if any
};

std::vector<header_entry> header_of(const std::filesystem::path& path);

header_entry& entry_of(std::vector<header_entry>& all, const std::string& name);

void write_header_only(const std::vector<header_entry>& all, const std::filesystem::path& path);

/// What inspection says of a file with these tensors.
result<models::model_facts> inspect_header(const std::vector<header_entry>& all, model_kind kind);

} // namespace luna::test
