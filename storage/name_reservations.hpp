#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "messages/result.hpp"
#include "storage/file_system.hpp"
#include "storage/job_types.hpp"

namespace luna::storage {

/// Which file names are promised to jobs that have not written them yet.
///
/// The problem: names are told to the client when the job is accepted, long before the file exists;
/// looking at the folder alone would give the same name twice. A name is taken if it stands in the
/// folder or is promised.
///
/// Thread rule: one owner, the store.
class name_reservations {
public:
  /// Settles the names of one job and promises them to it; all or none.
  /// - rename: `stem.ext`, else `stem_2.ext`, `stem_3.ext`, ...; fail: `bad_request`;
  ///   overwrite: the name as it is, but `unavailable` with a hint while a job that does not
  ///   overwrite has it, and `bad_request` if two images of the job want it.
  /// - counter: `stem_<number><suffix>.ext` with the number 1 + the highest of all names in the
  ///   folder and promised that begin with `stem_` and digits up to the next "_" or "."
  ///   (ComfyUI's rule), whatever their extension.
  /// A folder that does not exist is empty; one that may not be read counts as empty (the job will
  /// fail with its reason); a symbolic link below the root is `not_permitted`.
  result<std::vector<file_name>> reserve(file_system& files, const std::string& job_id,
                                         const std::vector<name_request>& wanted);

  /// What stands in the folders of a remote target, by subfolder, as far as names could meet.
  using names_there = std::map<std::string, std::vector<std::string>>;

  /// The same at a remote target, which is not asked here. In a folder that `there` does not have,
  /// anything may stand: so that no name is given twice all the same, `rename` and a counter give
  /// `stem_<job id>`, and for a second image of that name `stem_<job id>_2`. `fail` is settled when
  /// the object is written.
  result<std::vector<file_name>> reserve(const names_there& there, const std::string& job_id,
                                         const std::vector<name_request>& wanted);

  /// Promises a name that was settled earlier (after a restart).
  void restore(const std::string& job_id, const file_name& name);

  /// Ends a promise: the file is written, or the job gave it up. Unknown promises are ignored.
  void release(const std::string& job_id, const file_name& name);

  /// The jobs that hold this name, in the order in which they got it (several only if all
  /// overwrite).
  std::vector<std::string> holders(const file_name& name) const;

  /// Promised names, each job's counted.
  size_t size() const noexcept { return count_; }

private:
  friend class name_search;

  result<std::vector<file_name>> reserve(class name_search& search,
                                         const std::vector<name_request>& wanted);

  struct promise {
    std::vector<std::string> jobs;
    bool overwrite = false;
  };

  using promised_names = std::map<std::string, promise, std::less<>>;

  std::map<std::string, promised_names> folders_; ///< by full path
  size_t count_ = 0;
};

} // namespace luna::storage
