#include "header_only.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "models/weights/safetensors_file.hpp"
#include "support.hpp"

namespace luna::test {

std::vector<header_entry> header_of(const std::filesystem::path& path) {
  std::vector<header_entry> all;
  auto file = models::safetensors_file::open(file_of(path));
  if (!file)
    throw std::runtime_error(file.error().message);
  for (auto& x : file->header().entries)
    all.push_back({x.name, x.type, x.shape});
  return all;
}

header_entry& entry_of(std::vector<header_entry>& all, const std::string& name) {
  auto i = std::find_if(all.begin(), all.end(), [&](auto& x) { return x.name == name; });
  if (i == all.end())
    throw std::runtime_error("there is no tensor " + name);
  return *i;
}

void write_header_only(const std::vector<header_entry>& all, const std::filesystem::path& path) {
  auto header = nlohmann::ordered_json::object();
  uint64_t at = 0;
  for (auto& x : all) {
    auto end = at + *element_count(x.shape) * size_of(x.type);
    auto type = x.type_name.empty() ? std::string{safetensors_name(x.type)} : x.type_name;
    header[x.name] = {{"dtype", type}, {"shape", x.shape}, {"data_offsets", {at, end}}};
    at = end;
  }
  auto text = header.dump();
  std::ofstream out{path, std::ios::binary | std::ios::trunc};
  for (int i = 0; i < 8; ++i)
    out.put(static_cast<char>(text.size() >> (8 * i)));
  out << text;
  auto data = 8 + text.size();
  at = 0;
  for (auto& x : all) {
    out.seekp(static_cast<std::streamoff>(data + at));
    out << x.bytes;
    at += *element_count(x.shape) * size_of(x.type);
  }
  out.close();
  std::filesystem::resize_file(path, data + at);
}

result<models::model_facts> inspect_header(const std::vector<header_entry>& all, model_kind kind) {
  temporary_folder folder;
  auto path = folder / "some.safetensors";
  write_header_only(all, path);
  std::vector files{file_of(path)};
  return models::inspect_model(kind, files);
}

} // namespace luna::test
