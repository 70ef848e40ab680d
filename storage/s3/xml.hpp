#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The little of XML that an object store's answers need: the text of elements by their name,
/// without attributes, namespaces or nesting of the same name.
/// Thread rule: free functions without state.
namespace luna::storage::s3 {

/// The text of the first element of that name, entities resolved; nothing if there is none.
std::optional<std::string> xml_text(std::string_view xml, std::string_view name);

/// What stands in each element of that name, as it is.
std::vector<std::string> xml_elements(std::string_view xml, std::string_view name);

/// For text between tags: "&", "<", ">" and quotes as entities.
std::string xml_escaped(std::string_view text);

} // namespace luna::storage::s3
