#include "nodes/model_folders.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

namespace luna {

namespace {

namespace fs = std::filesystem;

/// One kind's folders of one section.
struct extra_folder {
  std::string kind;
  std::string path;
  bool first = false; ///< the section has is_default
};

std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t\r");
  const auto end = text.find_last_not_of(" \t\r");
  return begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
}

/// "~" and $VARIABLE or ${VARIABLE} as ComfyUI expands them in base_path; an unknown variable
/// stays.
std::string expanded(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char* value = nullptr;
    size_t end = i;
    if (text[i] == '~' && i == 0 && (text.size() == 1 || text[1] == '/')) {
      value = std::getenv("HOME");
      end = 1;
    } else if (text[i] == '$') {
      const bool braced = i + 1 < text.size() && text[i + 1] == '{';
      const auto begin = i + (braced ? 2 : 1);
      end = begin;
      while (end < text.size()
             && (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_'))
        ++end;
      const bool closed = !braced || (end < text.size() && text[end] == '}');
      if (end > begin && closed)
        value = std::getenv(text.substr(begin, end - begin).c_str());
      end += braced ? 1 : 0;
    }
    if (value == nullptr) {
      out += text[i];
    } else {
      out += value;
      i = end - 1;
    }
  }
  return out;
}

std::string clean(const fs::path& path) {
  auto text = path.lexically_normal().string();
  while (text.size() > 1 && text.back() == '/')
    text.pop_back();
  return text;
}

/// What is wrong with the file, by line.
struct yaml_problem {
  int line;
  std::string text;
};

bool truth(const YAML::Node& node) {
  if (!node.IsDefined())
    return false;
  bool value = false;
  if (!node.IsScalar() || !YAML::convert<bool>::decode(node, value))
    throw yaml_problem{node.Mark().line + 1, "is_default is true or false"};
  return value;
}

std::string text_of(const YAML::Node& node, const std::string& key) {
  if (!node.IsDefined() || node.IsNull())
    return "";
  if (!node.IsScalar())
    throw yaml_problem{node.Mark().line + 1, key + " is one folder a line"};
  return node.Scalar();
}

void read_section(const YAML::Node& section, const fs::path& base, std::vector<extra_folder>& out) {
  const auto base_path = expanded(text_of(section["base_path"], "base_path"));
  const auto root = base_path.empty() ? base : base / base_path;
  const bool first = truth(section["is_default"]);
  const auto& kinds = model_folder_kinds();
  for (const auto& entry : section) {
    const auto kind = text_of(entry.first, "the name of a kind");
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end())
      continue;
    std::istringstream lines{text_of(entry.second, kind)};
    for (std::string line; std::getline(lines, line);)
      if (const auto folder = trimmed(line); !folder.empty())
        out.push_back({kind, clean(root / folder), first});
  }
}

std::vector<extra_folder> read_sections(const YAML::Node& document, const fs::path& base) {
  std::vector<extra_folder> out;
  if (!document.IsDefined() || document.IsNull())
    return out;
  if (!document.IsMap())
    throw yaml_problem{document.Mark().line + 1, "expected sections with base_path and folders"};
  for (const auto& section : document) {
    if (section.second.IsNull())
      continue;
    if (!section.second.IsMap())
      throw yaml_problem{section.second.Mark().line + 1,
                         "expected a section with base_path and folders"};
    read_section(section.second, base, out);
  }
  return out;
}

result<std::vector<extra_folder>> read_yaml(const std::string& yaml, const fs::path& base,
                                            const std::string& file_name) {
  const auto problem = [&](int line, const std::string& text) {
    return fail(ec::bad_request, file_name + ":" + std::to_string(line) + ": " + text);
  };
  try {
    return read_sections(YAML::Load(yaml), base);
  } catch (const yaml_problem& p) {
    return problem(p.line, p.text);
  } catch (const YAML::Exception& e) {
    return problem(e.mark.line + 1, e.msg);
  }
}

void add(model_folders& to, const std::string& kind, const std::string& path) {
  auto& list = to.folders[kind];
  if (std::find(list.begin(), list.end(), path) == list.end())
    list.push_back(path);
}

} // namespace

const std::vector<std::string>& model_folder_kinds() {
  static const std::vector<std::string> kinds = {"checkpoints",   "vae",         "clip",
                                                 "text_encoders", "clip_vision", "loras",
                                                 "embeddings",    "vae_approx"};
  return kinds;
}

const std::vector<std::string>& model_folders::of(std::string_view kind) const {
  static const std::vector<std::string> none;
  const auto at = folders.find(kind);
  return at == folders.end() ? none : at->second;
}

result<model_folders> parse_extra_model_paths(const std::string& yaml, const fs::path& base,
                                              const std::string& file_name) {
  const auto found = read_yaml(yaml, base, file_name);
  if (!found)
    return fail(found);
  model_folders out;
  for (const bool first : {true, false})
    for (const auto& folder : *found)
      if (folder.first == first)
        add(out, folder.kind, folder.path);
  return out;
}

result<model_folders> collect_model_folders(const models_section& models) {
  std::vector<extra_folder> extra;
  if (!models.extra_model_paths.empty()) {
    const fs::path file{models.extra_model_paths};
    std::ifstream in{file, std::ios::binary};
    const std::string yaml{std::istreambuf_iterator<char>{in}, {}};
    if (!in)
      return fail(ec::bad_request, file.string()
                                     + " cannot be read: models.extra-model-paths names "
                                       "ComfyUI's extra_model_paths.yaml");
    auto found = read_yaml(yaml, fs::absolute(file).parent_path(), file.string());
    if (!found)
      return fail(found);
    extra = std::move(*found);
  }
  model_folders out;
  for (const auto& folder : extra)
    if (folder.first)
      add(out, folder.kind, folder.path);
  for (const auto& root : models.folders)
    for (const auto& kind : model_folder_kinds())
      add(out, kind, clean(fs::path{root} / kind));
  for (const auto& folder : extra)
    if (!folder.first)
      add(out, folder.kind, folder.path);
  return out;
}

} // namespace luna
