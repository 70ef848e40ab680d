#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "storage/file_system.hpp"
#include "storage/folder_numbers.hpp"
#include "storage/job_types.hpp"
#include "storage/name_search.hpp"
#include "storage/promise_markers.hpp"
#include "storage/promised_names.hpp"

namespace luna::storage {

/// Which file names are promised to jobs that have not written them yet.
///
/// The problem: names are told to the client when the job is accepted, long before the file exists;
/// looking at the folder alone would give the same name twice. A name is taken if it stands in the
/// folder or is promised, here or, as its marker shows, by another node.
///
/// Order: `reserve`, then the job's durable record, then `show`: a marker that stands there without
/// a job would be nobody's. Then `release`, or `hide` as long as nothing is on its way.
///
/// Thread rule: one owner, the store.
class name_reservations {
public:
  /// @param node this node's identity; empty: there are no markers.
  explicit name_reservations(std::shared_ptr<file_system> files, std::string node = {})
    : files_(std::move(files)), markers_(std::move(node)) {}

  /// Settles the names of one job and promises them to it; all or none.
  /// - rename: `stem.ext`, else `stem_2.ext`, `stem_3.ext`, ...; fail: `bad_request`;
  ///   overwrite: the name as it is, but `unavailable` with a hint while a job that does not
  ///   overwrite has it, and `bad_request` if two images of the job want it.
  /// - counter: `stem_<number><suffix>.ext` with the number 1 + the highest of all names in the
  ///   folder and promised that begin with `stem_` and digits up to the next "_" or "."
  ///   (ComfyUI's rule), whatever their extension.
  /// A folder that does not exist is empty; one that may not be read counts as empty (the job will
  /// fail with its reason); a symbolic link below the root is `not_permitted`.
  result<std::vector<file_name>> reserve(const std::string& job_id,
                                         const std::vector<name_request>& wanted);

  /// What stands in the folders of a remote target, by subfolder, as far as names could meet.
  using names_there = std::map<std::string, std::vector<std::string>>;

  /// The same at a remote target, which is not asked here. In a folder that `there` does not have,
  /// anything may stand: so that no name is given twice all the same, `rename` and a counter give
  /// `stem_<job id>`, and for a second image of that name `stem_<job id>_2`. `fail` is settled when
  /// the object is written.
  result<std::vector<file_name>> reserve(const names_there& there, const std::string& job_id,
                                         const std::vector<name_request>& wanted);

  /// Makes the markers of reserved names. A name that another node has promised in between becomes
  /// the next free one, in `names` too, if its rule allows that. @returns whether one did.
  bool show(const std::string& job_id, const std::vector<name_request>& wanted,
            std::vector<file_name>& names);

  /// The next free name for one that somebody else has taken; promised, without a marker.
  /// @param there of a remote target; nullptr: folders.
  /// @returns `bad_request` if its rule is "fail".
  result<file_name> rename(const std::string& job_id, const name_request& wanted,
                           const file_name& taken, const names_there* there);

  /// Promises a name that was settled earlier (after a restart).
  /// @param shown is to have a marker: `look_after` makes it if it is gone.
  void restore(const std::string& job_id, const file_name& name, bool shown = true);

  /// The name stays promised, without a marker; and with one again.
  void hide(const file_name& name);
  void show_again(const std::string& job_id, const file_name& name);

  /// Ends a promise: the file is written, or the job gave it up. Unknown promises are ignored.
  void release(const std::string& job_id, const file_name& name);

  /// The marker of a promise that stands for names of this job only; else empty.
  std::string marker_of(const std::string& job_id, const file_name& name) const;

  /// The log has promised this name: in its folder markers may be left for which there is no job
  /// any more.
  void may_be_littered(const file_name& name);

  /// Makes markers that a power cut has taken and removes those that it has left, so many at most.
  void look_after(size_t most);

  /// The jobs that hold this name, in the order in which they got it (several only if all
  /// overwrite).
  std::vector<std::string> holders(const file_name& name) const;

  /// Promised names, each job's counted.
  size_t size() const noexcept { return count_; }

private:
  struct litter {
    file_name folder;
    std::set<std::string> once_ours; ///< markers
  };

  naming_world world() { return {folders_, numbers_, markers_}; }
  result<std::vector<file_name>> reserve(name_search& search,
                                         const std::vector<name_request>& wanted);
  bool show_one(const std::string& job_id, const name_request& wanted, file_name& name);
  std::shared_ptr<directory> open(const file_name& name, bool make) const;
  void promise(const std::string& job_id, const file_name& name, bool shown = true);
  bool is_shown(const file_name& name) const;
  void set_shown(const file_name& name, bool shown);
  void clear_marker(const file_name& name);

  std::shared_ptr<file_system> files_;
  promise_markers markers_;
  folder_numbers numbers_;
  std::map<std::string, promised_names> folders_;           ///< by full path
  std::deque<std::pair<std::string, file_name>> unchecked_; ///< restored promises, with their jobs
  std::map<std::string, litter> littered_;                  ///< by full path
  size_t count_ = 0;
};

} // namespace luna::storage
