#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "storage/job_store.hpp"

namespace luna::bench {

/// A job store in a folder, without node and workers. One thread.
class store_under_test {
public:
  static result<store_under_test> open(const std::string& path);

  /// Submits so many jobs of one picture with one commit. @returns the milliseconds.
  result<double> submit(const tensor_block& pixels, int jobs);

  /// The newest jobs, at most so many. @returns their number.
  result<size_t> list(size_t most) const;

  /// Ends all jobs without writing pictures, so that their space comes back.
  /// @param jobs_a_commit how many of them share a sync.
  result<void> finish(int jobs_a_commit = 1);

private:
  store_under_test(std::string path, std::unique_ptr<storage::job_store> store)
    : path_(std::move(path)), store_(std::move(store)) {}

  storage::new_job job_of(const tensor_block& pixels);

  std::string path_;
  std::unique_ptr<storage::job_store> store_;
  uint32_t count_ = 0;
};

} // namespace luna::bench
