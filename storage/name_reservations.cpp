#include "storage/name_reservations.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <unordered_set>

namespace luna::storage {

namespace {

using namespace std::chrono_literals;

std::string folder_of(std::string_view root, std::string_view subfolder) {
  while (root.size() > 1 && root.ends_with('/'))
    root.remove_suffix(1);
  std::string path{root};
  if (!subfolder.empty())
    (path += '/') += subfolder;
  return path;
}

/// The number between a prefix and the next `stop` character; nothing if there is none.
std::optional<uint64_t> number_after(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix))
    return std::nullopt;
  name.remove_prefix(prefix.size());
  auto digits = name.substr(0, name.find_first_of("_."));
  uint64_t number = 0;
  auto end = digits.data() + digits.size();
  auto [at, error] = std::from_chars(digits.data(), end, number);
  if (digits.empty() || digits.size() > 18 || error != std::errc{} || at != end)
    return std::nullopt;
  return number;
}

std::string padded(uint64_t number, uint32_t digits) {
  auto text = std::to_string(number);
  if (text.size() < digits)
    text.insert(0, digits - text.size(), '0');
  return text;
}

} // namespace

/// What stands in one folder already.
class folder_view {
public:
  virtual ~folder_view() = default;
  virtual bool has(const std::string& name) = 0;
  virtual const std::vector<std::string>& list() = 0;

  /// Whether `has` and `list` tell all.
  virtual bool is_known() const { return true; }
};

namespace {

class local_folder final : public folder_view {
public:
  explicit local_folder(std::shared_ptr<directory> opened) : opened_(std::move(opened)) {}

  bool has(const std::string& name) override { return opened_ && opened_->info(name).has_value(); }

  const std::vector<std::string>& list() override {
    if (!listed_ && opened_)
      if (auto names = opened_->list())
        names_ = std::move(*names);
    listed_ = true;
    return names_;
  }

private:
  std::shared_ptr<directory> opened_; ///< nullptr: nothing there
  bool listed_ = false;
  std::vector<std::string> names_;
};

class remote_folder final : public folder_view {
public:
  /// @param names nullptr if the target could not be asked.
  explicit remote_folder(const std::vector<std::string>* names) : names_(names) {
    if (names)
      set_.insert(names->begin(), names->end());
  }

  bool has(const std::string& name) override { return set_.contains(name); }

  const std::vector<std::string>& list() override { return names_ ? *names_ : none_; }
  bool is_known() const override { return names_ != nullptr; }

private:
  const std::vector<std::string>* names_;
  std::unordered_set<std::string> set_;
  std::vector<std::string> none_;
};

} // namespace

/// Finds the names of one job: each folder is looked at once at most.
class name_search {
public:
  name_search(name_reservations& all, std::string job_id, file_system* files,
              const name_reservations::names_there* there)
    : all_(all), job_id_(std::move(job_id)), files_(files), there_(there) {}

  result<file_name> find(const name_request& wanted) {
    auto path = folder_of(wanted.root, wanted.subfolder);
    auto folder = open(wanted, path);
    if (!folder)
      return fail(folder);
    place here{path, **folder, all_.folders_[path]};
    auto free_choice = wanted.counter || wanted.collision == collision_rule::rename;
    auto chosen = free_choice && !here.folder.is_known() ? unseen(wanted, here)
                : wanted.counter                         ? counted(wanted, here)
                : free_choice                            ? renamed(wanted, here)
                                                         : literal(wanted, here);
    if (!chosen)
      return fail(chosen);
    // Room for the temporary name is there whenever the final one fits.
    if (!is_component(*chosen))
      return fail(ec::bad_request, "\"" + *chosen
                                     + "\" cannot be a file name: use 1 to 255 bytes "
                                       "without \"/\"");
    return file_name{wanted.root, wanted.subfolder, std::move(*chosen),
                     !wanted.counter && wanted.collision == collision_rule::overwrite};
  }

  const std::string& job_id() const { return job_id_; }

private:
  struct place {
    const std::string& path;
    folder_view& folder;
    const name_reservations::promised_names& promised;
  };

  result<folder_view*> open(const name_request& wanted, const std::string& path) {
    auto known = folders_.find(path);
    if (known != folders_.end())
      return known->second.get();
    auto fresh = files_ ? open_local(wanted) : open_remote(wanted);
    if (!fresh)
      return fail(fresh);
    return (folders_[path] = std::move(*fresh)).get();
  }

  result<std::unique_ptr<folder_view>> open_local(const name_request& wanted) {
    auto root = files_->open_directory(wanted.root);
    auto folder = root ? open_below(std::move(*root), wanted.subfolder) : root;
    if (!folder
        && (folder.error().kind == io_kind::is_link || folder.error().kind == io_kind::bad_name))
      return fail_io(folder);
    return std::make_unique<local_folder>(folder ? std::move(*folder) : nullptr);
  }

  result<std::unique_ptr<folder_view>> open_remote(const name_request& wanted) {
    for (std::string_view left = wanted.subfolder; !left.empty();) {
      auto part = left.substr(0, left.find('/'));
      if (!is_component(part))
        return fail(ec::bad_request, "\"" + wanted.subfolder + "\" cannot be a folder: \""
                                       + std::string{part} + "\" is no name");
      left.remove_prefix(std::min(part.size() + 1, left.size()));
    }
    auto names = there_->find(wanted.subfolder);
    return std::make_unique<remote_folder>(names == there_->end() ? nullptr : &names->second);
  }

  static bool taken(const place& here, const std::string& name) {
    return here.promised.contains(name) || here.folder.has(name);
  }

  /// The highest number that follows the prefix, in the folder and among the promised names.
  static uint64_t highest(const place& here, const std::string& prefix) {
    uint64_t highest = 0;
    for (auto& name : here.folder.list())
      highest = std::max(highest, number_after(name, prefix).value_or(0));
    for (auto i = here.promised.lower_bound(prefix);
         i != here.promised.end() && i->first.starts_with(prefix); ++i)
      highest = std::max(highest, number_after(i->first, prefix).value_or(0));
    return highest;
  }

  static result<std::string> counted(const name_request& wanted, const place& here) {
    auto prefix = wanted.stem + "_";
    return prefix + padded(highest(here, prefix) + 1, wanted.counter->digits)
         + wanted.counter->suffix + wanted.extension;
  }

  static result<std::string> renamed(const name_request& wanted, const place& here) {
    auto name = wanted.stem + wanted.extension;
    // A few names are tried one by one; a long row of them is found by listing the folder.
    for (uint64_t n = 2; n <= 16 && taken(here, name); ++n)
      name = wanted.stem + "_" + std::to_string(n) + wanted.extension;
    if (taken(here, name)) {
      auto prefix = wanted.stem + "_";
      name = prefix + std::to_string(highest(here, prefix) + 1) + wanted.extension;
    }
    return name;
  }

  /// A name that nobody else can have, in a folder that could not be looked at.
  result<std::string> unseen(const name_request& wanted, const place& here) const {
    auto stem = wanted.stem + "_" + job_id_;
    auto name = stem + wanted.extension;
    for (uint64_t n = 2; here.promised.contains(name); ++n)
      name = stem + "_" + std::to_string(n) + wanted.extension;
    return name;
  }

  static result<std::string> literal(const name_request& wanted, const place& here) {
    auto name = wanted.stem + wanted.extension;
    auto promised = here.promised.find(name);
    auto overwrite = wanted.collision == collision_rule::overwrite;
    if (overwrite && promised != here.promised.end() && !promised->second.overwrite)
      return fail(ec::unavailable,
                  here.path + "/" + name + " is promised to job " + promised->second.jobs.front()
                    + ", which has not written it yet; submit again later or use another name",
                  1000ms);
    if (!overwrite && taken(here, name))
      return fail(ec::bad_request,
                  here.path + "/" + name + " is taken; use another name or collision \"rename\"");
    return name;
  }

  name_reservations& all_;
  std::string job_id_;
  file_system* files_;                          ///< nullptr: a remote target
  const name_reservations::names_there* there_; ///< nullptr: folders
  std::map<std::string, std::unique_ptr<folder_view>> folders_;
};

result<std::vector<file_name>> name_reservations::reserve(file_system& files,
                                                          const std::string& job_id,
                                                          const std::vector<name_request>& wanted) {
  name_search search{*this, job_id, &files, nullptr};
  return reserve(search, wanted);
}

result<std::vector<file_name>> name_reservations::reserve(const names_there& there,
                                                          const std::string& job_id,
                                                          const std::vector<name_request>& wanted) {
  name_search search{*this, job_id, nullptr, &there};
  return reserve(search, wanted);
}

result<std::vector<file_name>> name_reservations::reserve(name_search& search,
                                                          const std::vector<name_request>& wanted) {
  auto& job_id = search.job_id();
  std::vector<file_name> names;
  auto give_up = [&](failure why) {
    for (auto& name : names)
      release(job_id, name);
    return tl::make_unexpected(std::move(why));
  };
  for (auto& request : wanted) {
    auto name = search.find(request);
    if (!name)
      return give_up(std::move(name.error()));
    auto holding = holders(*name);
    if (std::find(holding.begin(), holding.end(), job_id) != holding.end())
      return give_up(
        {ec::bad_request,
         "two images of the job would get the name " + name->filename + "; give each its own affix",
         0,
         {}});
    restore(job_id, *name);
    names.push_back(std::move(*name));
  }
  return names;
}

void name_reservations::restore(const std::string& job_id, const file_name& name) {
  auto& promise = folders_[folder_of(name.root, name.subfolder)][name.filename];
  promise.jobs.push_back(job_id);
  promise.overwrite = name.overwrite;
  ++count_;
}

void name_reservations::release(const std::string& job_id, const file_name& name) {
  auto folder = folders_.find(folder_of(name.root, name.subfolder));
  if (folder == folders_.end())
    return;
  auto promise = folder->second.find(name.filename);
  if (promise == folder->second.end())
    return;
  count_ -= std::erase(promise->second.jobs, job_id);
  if (promise->second.jobs.empty())
    folder->second.erase(promise);
  if (folder->second.empty())
    folders_.erase(folder);
}

std::vector<std::string> name_reservations::holders(const file_name& name) const {
  auto folder = folders_.find(folder_of(name.root, name.subfolder));
  if (folder == folders_.end())
    return {};
  auto promise = folder->second.find(name.filename);
  return promise == folder->second.end() ? std::vector<std::string>{} : promise->second.jobs;
}

} // namespace luna::storage
