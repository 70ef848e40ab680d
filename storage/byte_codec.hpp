#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace luna::storage {

/// Writes the payload of a log record: little-endian integers and strings with their length.
class byte_writer {
public:
  template <std::integral T>
  void put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }

  void put(std::string_view text) {
    put(static_cast<uint32_t>(text.size()));
    bytes_ += text;
  }

  void put_raw(const void* data, size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
  }

  std::string take() { return std::move(bytes_); }

private:
  std::string bytes_;
};

/// Reads it back. After the first read past the end everything is zero and `ok` is false: callers
/// read a whole struct and ask once.
class byte_reader {
public:
  explicit byte_reader(std::string_view bytes) : left_(bytes) {}

  template <std::integral T>
  T get() {
    T value{};
    get_raw(&value, sizeof(T));
    return value;
  }

  bool get_bool() {
    auto x = get<uint8_t>();
    require(x <= 1);
    return x == 1;
  }

  /// @param last the highest value there is.
  template <class Enum>
  Enum get_enum(Enum last) {
    auto x = get<uint8_t>();
    require(x <= static_cast<uint8_t>(last));
    return ok() ? static_cast<Enum>(x) : Enum{};
  }

  std::string get_text() {
    auto size = get<uint32_t>();
    if (size > left_.size()) {
      ok_ = false;
      return {};
    }
    std::string text{left_.substr(0, size)};
    left_.remove_prefix(size);
    return text;
  }

  void get_raw(void* into, size_t size) {
    if (!ok_ || size > left_.size()) {
      ok_ = false;
      std::memset(into, 0, size);
      return;
    }
    std::memcpy(into, left_.data(), size);
    left_.remove_prefix(size);
  }

  /// A count of things that take at least one byte each: never more than there are bytes left, so
  /// nothing is reserved for a count that lies.
  uint32_t get_count() {
    auto count = get<uint32_t>();
    if (count > left_.size())
      ok_ = false;
    return ok_ ? count : 0;
  }

  /// False once a value is out of its range.
  void require(bool condition) { ok_ = ok_ && condition; }

  bool ok() const noexcept { return ok_; }

  /// Nothing is left to read.
  bool at_end() const noexcept { return left_.empty(); }

  /// Everything was read and nothing was missing.
  bool complete() const noexcept { return ok_ && left_.empty(); }

private:
  std::string_view left_;
  bool ok_ = true;
};

} // namespace luna::storage
