#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.hpp"
#include "imaging/save_plan.hpp"
#include "imaging/save_task.hpp"
#include "storage/job_store.hpp"
#include "storage/job_types.hpp"

namespace luna {

/// The bytes of one file of a job.
struct encoded_file {
  std::shared_ptr<const void> owner; ///< of the bytes
  std::span<const std::byte> bytes;
  std::string detail; ///< what its result tells beside its path: a JSON object, or empty
};

/// Makes the files of one attempt of a job: pictures, thumbnails, and the archive of all pictures.
///
/// The problem: the archive holds every picture of the job, also those that an earlier attempt has
/// written, and may be larger than the memory. So it is made of the pixels again, which the job log
/// keeps until the job ends, into a temporary file that has no name; the encoders always give the
/// same bytes.
///
/// Thread rule: one owner, a worker.
class save_encoder {
public:
  /// Reads the job's task and plan. @param work must outlive this object.
  static result<save_encoder> open(const storage::job_work& work);

  /// Encodes one of `work.images`.
  /// @returns `internal` if the pixels in the log are damaged (then `damage` says where) or a
  /// library fails, `bad_request` for what the format cannot hold, `unavailable` without room for
  /// the archive.
  result<encoded_file> encode(const storage::job_work::image& image);

  /// What an image is once it has its name.
  storage::image_state outcome(const storage::job_work::image& image) const;

  /// What an image's result tells if an earlier attempt wrote it.
  std::string detail(const storage::job_work::image& image) const;

  /// Why pixels could not be read back; nothing if they could.
  const std::optional<std::string>& damage() const { return damage_; }

private:
  save_encoder(const storage::job_work& work, imaging::save_task task, imaging::save_roles roles);

  result<imaging::picture_bytes> encode_picture(const storage::job_work::image& image);
  result<encoded_file> make_archive();
  std::string name_in_archive(const storage::file_name& name) const;

  const storage::job_work* work_;
  imaging::save_task task_;
  imaging::save_roles roles_;
  std::optional<std::string> damage_;
};

} // namespace luna
