#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "storage/job_types.hpp"

namespace luna::storage {

/// Where one image goes.
struct publish_request {
  file_name name;
  std::string temporary; ///< a name in the same folder for this job and image

  /// Nobody else in the world has that temporary name: it tells whose a file or an object is.
  bool unique = false;

  /// The marker in the same folder that goes when the image has its name; empty if there is none,
  /// or if it stands for other images, too.
  std::string marker = {};
};

/// The temporary name of an image: ".luna-<job id>-<index>.tmp".
std::string temporary_name(std::string_view job_id, uint32_t image);

publish_request request_of(std::string_view job_id, uint32_t image, file_name name,
                           std::string marker = {});

/// What came of giving an image its name.
enum class reveal_outcome : uint8_t {
  revealed,
  taken, ///< somebody else's stands there, and it stays
};

/// An image that is complete at its target, or ready to go there at once, and that nobody sees yet.
struct staged_object {
  file_identity identity;
  std::shared_ptr<void> state; ///< what its target needs to show or to drop it
};

/// A place where pictures go: the folders of this machine, or an object store.
///
/// The problem: a save may be interrupted between any two operations, and afterwards the picture
/// must be there once, whole, under the promised name, or not at all. So an image is first staged,
/// where nobody sees it; a durable record says what is about to appear (the owner of the store
/// writes it); only then it gets its name, without replacing another. After a crash the record
/// tells whether the effect has happened.
///
/// Order: `write` -> (store: publishing + commit) -> `reveal` -> (store: image_done). An attempt
/// that finds a publishing record asks `is_published` first. When the name is taken, the store
/// gives the image another one and the order begins again: the new record is durable before the new
/// name is used.
///
/// Thread rule: workers share one object and call it at the same time, for different images.
class target {
public:
  virtual ~target() = default;

  /// Stages the bytes. What an earlier attempt of the same request left behind is removed first;
  /// after a failure there is nothing.
  /// @param bytes must stay as they are until the object is revealed or discarded.
  virtual result<staged_object> write(const publish_request& request,
                                      std::span<const std::byte> bytes) = 0;

  /// Gives the object its name, durably. Without `overwrite` what stands there is never replaced:
  /// `taken`, and the object stays staged. `bad_request`: it can never have that name.
  virtual result<reveal_outcome> reveal(const publish_request& request,
                                        const staged_object& staged) = 0;

  /// Drops a staged object; best effort.
  virtual void discard(const publish_request& request, const staged_object& staged) = 0;

  /// Whether the effect of a publishing record has happened. If not, the image is to be written
  /// again. What was staged for it is removed in both cases.
  virtual result<bool> is_published(const publish_request& request,
                                    const file_identity& recorded) = 0;

  /// Whether a failure says that the whole target cannot be used now, rather than that this image
  /// cannot go there. Such a job waits without losing an attempt.
  virtual bool is_outage(const failure& why) const = 0;
};

/// A target that is reached over a network: it may be slow or away for hours.
class remote_target : public target {
public:
  /// What the addresses of its objects begin with, "s3://bucket/prefix": file_name::root.
  virtual const std::string& root() const = 0;

  /// The names in a folder that begin with `prefix`. Answers within seconds or fails.
  virtual result<std::vector<std::string>> names(const std::string& subfolder,
                                                 const std::string& prefix) = 0;
};

/// All targets of a node.
struct target_table {
  std::shared_ptr<target> folder;
  std::map<std::string, std::shared_ptr<remote_target>> remote; ///< by name

  /// The target of a job; nullptr if there is none of that name. @param name "" = the folders.
  target* find(const std::string& name) const;
};

/// All steps of one image in a row. `record` makes the publishing record durable.
/// @param recorded the publishing record of an earlier attempt, if there is one.
result<reveal_outcome> publish(target& to, const publish_request& request,
                               std::span<const std::byte> bytes,
                               const std::optional<file_identity>& recorded,
                               const std::function<result<void>(const file_identity&)>& record);

} // namespace luna::storage
