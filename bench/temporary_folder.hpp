#pragma once

#include <string>

#include "base/result.hpp"

namespace luna::bench {

/// A new folder below another; gone with all that is in it when the object goes.
class temporary_folder {
public:
  static result<temporary_folder> make(const std::string& below);

  temporary_folder(temporary_folder&& other) noexcept;
  temporary_folder& operator=(temporary_folder&& other) noexcept;
  ~temporary_folder();

  const std::string& path() const noexcept { return path_; }

private:
  temporary_folder() = default;

  std::string path_;
};

} // namespace luna::bench
