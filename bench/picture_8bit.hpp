#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "storage/file_system.hpp"

namespace luna::bench {

/// A picture [height, width, 3] of u8 that does not compress.
tensor_block noise_picture(int64_t height, int64_t width, uint64_t seed);

/// What a disk takes by itself: a new file, written and synced. The file goes afterwards.
class plain_file {
public:
  static result<plain_file> in(const std::string& folder);

  /// @returns the milliseconds that it took until the bytes were durable.
  result<double> write(const tensor_block& pixels);

private:
  explicit plain_file(std::shared_ptr<storage::directory> folder) : folder_(std::move(folder)) {}

  std::shared_ptr<storage::directory> folder_;
};

} // namespace luna::bench
