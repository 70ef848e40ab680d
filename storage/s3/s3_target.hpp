#pragma once

#include <memory>
#include <string>

#include "storage/s3/s3_client.hpp"
#include "storage/target.hpp"

namespace luna::storage::s3 {

/// The target that is a bucket.
///
/// The problem: an object store has no temporary names and loses answers. So a small object is kept
/// by the worker until its record is durable and then sent with one PUT; a large one is uploaded in
/// parts, which nobody sees, before the record, and completed after it. The key follows from the
/// name that was settled at acceptance, and each object says in its metadata which job wrote it and
/// which bytes it has: whoever finds a key taken, or gets no answer, or comes back after a crash,
/// asks for that and knows whether the effect has happened. An upload that broke off is aborted by
/// the attempt that began it, and one that was recorded when its image is tried again or its job
/// turns out to be cancelled. Other uploads of the key may be another node's: they stay. What a
/// crash in the middle of an upload has left costs space until the bucket's lifecycle rule removes
/// it.
///
/// Contract: with `conditional_puts` the store itself refuses a key that is taken. Without, it is
/// asked first: then another program that writes the same key in that moment is overwritten.
/// `is_outage`: everything that speaks of the store as a whole, wrong keys included: the jobs wait
/// until that is put right.
class s3_target final : public remote_target {
public:
  s3_target(std::string name, s3_options options, s3_surroundings world);

  const std::string& root() const override { return root_; }
  result<std::vector<std::string>> names(const std::string& subfolder,
                                         const std::string& prefix) override;
  result<staged_object> write(const publish_request& request,
                              std::span<const std::byte> bytes) override;
  result<reveal_outcome> reveal(const publish_request& request,
                                const staged_object& staged) override;
  void discard(const publish_request& request, const staged_object& staged) override;
  result<bool> is_published(const publish_request& request, const file_identity& recorded) override;
  bool is_outage(const failure& why) const override;

private:
  struct staged_state;

  result<std::string> key_of(const file_name& name) const;
  result<object_spec> spec_of(const publish_request& request, const file_identity& identity) const;
  result<void> upload(staged_state& staged);
  result<put_outcome> show(const staged_state& staged) const;
  result<bool> is_there(const object_spec& spec, uint64_t size) const;

  std::string name_;
  std::string bucket_root_; ///< "s3://bucket"
  std::string root_;        ///< and the prefix
  s3_client client_;
};

} // namespace luna::storage::s3
