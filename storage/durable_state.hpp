#pragma once

#include <cstdint>
#include <memory>

#include "base/attention_mode.hpp"
#include "base/result.hpp"
#include "storage/file_system.hpp"

namespace luna::storage {

/// What a node knows of the cluster-wide commands and must know again after a restart.
struct control_state {
  uint64_t epoch = 0; ///< of the last command that reached this node
  attention_mode mode = attention_mode::automatic;

  friend bool operator==(const control_state&, const control_state&) = default;
};

/// Replaces a small file so that after a power cut it holds the old or the new text, whole.
result<void> replace_file(directory& folder, std::string_view name, std::string_view text);

/// Epoch and mode in the file `control` of the data folder.
///
/// Contract: what `save` has answered is what the next `load` gives, also after a power cut.
/// Thread rule: one owner.
class durable_state {
public:
  explicit durable_state(std::shared_ptr<directory> data) : data_(std::move(data)) {}

  /// The defaults if the file is absent; `internal` with its path if it is damaged (it is kept).
  result<control_state> load() const;

  result<void> save(const control_state& state);

private:
  std::shared_ptr<directory> data_;
};

} // namespace luna::storage
