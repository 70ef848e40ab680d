#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace luna {

/// A bound on memory that many parts share, such as all bodies and transfers of a node
/// (`limits.buffers`).
///
/// Contract: the sum of all live shares never passes the capacity; a share gives its bytes back
/// when it is destroyed. Thread rule: everything may be called from any thread; shares keep the
/// budget alive.
class byte_budget : public std::enable_shared_from_this<byte_budget> {
public:
  /// Bytes taken from a budget; moves, does not copy.
  class share {
  public:
    share() = default;
    share(share&& other) noexcept
      : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}
    share& operator=(share&& other) noexcept {
      if (this != &other) {
        release();
        budget_ = std::move(other.budget_);
        bytes_ = std::exchange(other.bytes_, 0);
      }
      return *this;
    }
    ~share() { release(); }

    uint64_t bytes() const noexcept { return bytes_; }

    /// Takes more; false, and nothing taken, if the budget has not that much left.
    bool grow(uint64_t more) {
      if (!budget_ || !budget_->take(more))
        return false;
      bytes_ += more;
      return true;
    }

    void release() noexcept {
      if (budget_)
        budget_->used_.fetch_sub(bytes_, std::memory_order_relaxed);
      budget_.reset();
      bytes_ = 0;
    }

  private:
    friend class byte_budget;
    share(std::shared_ptr<byte_budget> budget, uint64_t bytes)
      : budget_(std::move(budget)), bytes_(bytes) {}

    std::shared_ptr<byte_budget> budget_;
    uint64_t bytes_ = 0;
  };

  static std::shared_ptr<byte_budget> make(uint64_t capacity) {
    return std::shared_ptr<byte_budget>{new byte_budget{capacity}};
  }

  /// A share of `bytes` (0 is fine: grow it later), or nothing if that much is not left.
  std::optional<share> try_take(uint64_t bytes) {
    if (!take(bytes))
      return std::nullopt;
    return share{shared_from_this(), bytes};
  }

  uint64_t capacity() const noexcept { return capacity_; }
  uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }

private:
  explicit byte_budget(uint64_t capacity) : capacity_(capacity) {}

  bool take(uint64_t bytes) noexcept {
    auto used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > capacity_ || used > capacity_ - bytes)
        return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
  }

  const uint64_t capacity_;
  std::atomic<uint64_t> used_{0};
};

} // namespace luna
