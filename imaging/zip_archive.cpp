#include "imaging/zip_archive.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <optional>
#include <utility>

namespace luna::imaging {

struct zip_archive::state {
  sink to;
  int64_t time = 0;
  std::optional<failure> problem; ///< the sink's first
};

namespace {

struct entry_closer {
  void operator()(archive_entry* x) const { archive_entry_free(x); }
};

} // namespace

void zip_archive::closer::operator()(archive* x) const {
  archive_write_free(x);
}

zip_archive::zip_archive(std::unique_ptr<state> state)
  : state_(std::move(state)), archive_(archive_write_new()) {}

zip_archive::zip_archive(zip_archive&&) noexcept = default;

zip_archive::~zip_archive() {
  // What was not finished is not wanted: its end must not reach the sink.
  if (state_ && archive_ && !state_->problem)
    state_->problem = failure{};
}

result<zip_archive> zip_archive::open(sink to, int64_t time_of_files) {
  zip_archive out{std::make_unique<state>(state{std::move(to), time_of_files, std::nullopt})};
  if (!out.archive_)
    return fail(ec::out_of_memory, "no memory for a ZIP archive");
  auto* x = out.archive_.get();
  archive_write_set_format_zip(x);
  archive_write_zip_set_compression_store(x);
  archive_write_set_options(x, "hdrcharset=UTF-8");
  archive_write_set_bytes_per_block(x, 1 << 20);
  archive_write_set_bytes_in_last_block(x, 1);
  const auto write = [](archive* self, void* data, const void* bytes, size_t n) -> la_ssize_t {
    auto& me = *static_cast<state*>(data);
    if (!me.problem)
      if (auto ok = me.to({static_cast<const std::byte*>(bytes), n}); !ok)
        me.problem = ok.error();
    if (!me.problem)
      return static_cast<la_ssize_t>(n);
    archive_set_error(self, -1, "the sink failed");
    return -1;
  };
  if (auto ok = out.checked(archive_write_open(x, out.state_.get(), nullptr, write, nullptr)); !ok)
    return tl::make_unexpected(ok.error());
  return out;
}

result<void> zip_archive::checked(int status) {
  if (status == ARCHIVE_OK)
    return {};
  if (state_->problem)
    return tl::make_unexpected(*state_->problem);
  const char* why = archive_error_string(archive_.get());
  return fail(ec::internal, std::string{"the ZIP archive: "} + (why != nullptr ? why : "unknown"));
}

result<void> zip_archive::add(const std::string& name, std::span<const std::byte> bytes) {
  const std::unique_ptr<archive_entry, entry_closer> entry{archive_entry_new()};
  if (!entry)
    return fail(ec::out_of_memory, "no memory for a ZIP archive");
  constexpr int readable_by_all = 0644;
  archive_entry_set_pathname_utf8(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<int64_t>(bytes.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), readable_by_all);
  archive_entry_set_mtime(entry.get(), state_->time, 0);
  if (auto ok = checked(archive_write_header(archive_.get(), entry.get())); !ok)
    return ok;
  const auto written = archive_write_data(archive_.get(), bytes.data(), bytes.size());
  if (written != static_cast<la_ssize_t>(bytes.size()))
    return checked(ARCHIVE_FATAL);
  return checked(archive_write_finish_entry(archive_.get()));
}

result<void> zip_archive::finish() {
  auto ok = checked(archive_write_close(archive_.get()));
  archive_.reset();
  return ok;
}

} // namespace luna::imaging
