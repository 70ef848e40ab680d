#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "storage/file_system.hpp"
#include "storage/folder_numbers.hpp"
#include "storage/job_types.hpp"
#include "storage/promise_markers.hpp"
#include "storage/promised_names.hpp"

// INTERNAL to name_reservations: how one job finds its names.

namespace luna::storage {

std::string folder_of(std::string_view root, std::string_view subfolder);

/// What stands in one folder already.
class folder_view {
public:
  virtual ~folder_view() = default;

  /// A file of that name, or the promise of another node.
  virtual bool has(const std::string& name) = 0;
  virtual uint64_t highest(const std::string& prefix) = 0;

  /// Whether the two tell all.
  virtual bool is_known() const { return true; }
};

/// What a search looks at besides the folders themselves.
struct naming_world {
  std::map<std::string, promised_names>& promises; ///< by full path of the folder
  folder_numbers& numbers;
  const promise_markers& markers;
};

/// Removes a marker that this node made and that stands for no promise: what a power cut has left.
/// @param once_ours markers of names that our log has promised.
/// @returns whether it was one.
bool remove_dead_marker(directory& folder, const std::string& name, const promised_names& promised,
                        const promise_markers& markers,
                        const std::set<std::string>& once_ours = {});

/// Finds the names of one job: each folder is opened once at most.
class name_search {
public:
  using names_there = std::map<std::string, std::vector<std::string>>;

  /// @param files nullptr: a remote target. @param there nullptr: folders.
  name_search(naming_world world, std::string job_id, file_system* files, const names_there* there)
    : world_(world), job_id_(std::move(job_id)), files_(files), there_(there) {}

  result<file_name> find(const name_request& wanted);

  const std::string& job_id() const { return job_id_; }

private:
  result<folder_view*> open(const name_request& wanted, const std::string& path);
  result<std::unique_ptr<folder_view>> open_local(const name_request& wanted,
                                                  const std::string& path);
  result<std::unique_ptr<folder_view>> open_remote(const name_request& wanted);
  std::string unseen(const name_request& wanted, const promised_names& promised) const;

  naming_world world_;
  std::string job_id_;
  file_system* files_;
  const names_there* there_;
  std::map<std::string, std::unique_ptr<folder_view>> folders_;
};

} // namespace luna::storage
