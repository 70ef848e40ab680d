#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace luna::storage::testing {

/// A fresh folder on the real disk that goes with the test.
struct temporary_folder {
  std::filesystem::path path;

  temporary_folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "luna-storage-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;

  std::string at(const std::string& name) const { return (path / name).string(); }
};

} // namespace luna::storage::testing
