#include "storage/name_reservations.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>

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

/// Finds the names of one job: the folders are opened and listed at most once each.
class name_search {
public:
  name_search(name_reservations& all, file_system& files) : all_(all), files_(files) {}

  result<file_name> find(const name_request& wanted) {
    auto path = folder_of(wanted.root, wanted.subfolder);
    auto opened = open(wanted, path);
    if (!opened)
      return fail(opened);
    place here{path, opened->get(), all_.folders_[path]};
    auto chosen = wanted.counter                             ? counted(wanted, here)
                : wanted.collision == collision_rule::rename ? renamed(wanted, here)
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

private:
  struct place {
    const std::string& path;
    directory* folder; ///< nullptr: nothing there
    const name_reservations::promised_names& promised;
  };

  result<std::shared_ptr<directory>> open(const name_request& wanted, const std::string& path) {
    auto known = folders_.find(path);
    if (known != folders_.end())
      return known->second;
    auto root = files_.open_directory(wanted.root);
    auto folder = root ? open_below(std::move(*root), wanted.subfolder) : root;
    if (!folder
        && (folder.error().kind == io_kind::is_link || folder.error().kind == io_kind::bad_name))
      return fail_io(folder);
    return folders_[path] = folder ? *folder : nullptr;
  }

  bool taken(const place& here, const std::string& name) const {
    if (here.promised.contains(name))
      return true;
    return here.folder && here.folder->info(name).has_value();
  }

  const std::vector<std::string>& listed(const place& here) {
    auto [i, fresh] = lists_.try_emplace(here.path);
    if (fresh && here.folder)
      if (auto names = here.folder->list())
        i->second = std::move(*names);
    return i->second;
  }

  /// The highest number that follows the prefix, in the folder and among the promised names.
  uint64_t highest(const place& here, const std::string& prefix) {
    uint64_t highest = 0;
    for (auto& name : listed(here))
      highest = std::max(highest, number_after(name, prefix).value_or(0));
    for (auto i = here.promised.lower_bound(prefix);
         i != here.promised.end() && i->first.starts_with(prefix); ++i)
      highest = std::max(highest, number_after(i->first, prefix).value_or(0));
    return highest;
  }

  result<std::string> counted(const name_request& wanted, const place& here) {
    auto prefix = wanted.stem + "_";
    return prefix + padded(highest(here, prefix) + 1, wanted.counter->digits)
         + wanted.counter->suffix + wanted.extension;
  }

  result<std::string> renamed(const name_request& wanted, const place& here) {
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

  result<std::string> literal(const name_request& wanted, const place& here) {
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
  file_system& files_;
  std::map<std::string, std::shared_ptr<directory>> folders_;
  std::map<std::string, std::vector<std::string>> lists_;
};

result<std::vector<file_name>> name_reservations::reserve(file_system& files,
                                                          const std::string& job_id,
                                                          const std::vector<name_request>& wanted) {
  name_search search{*this, files};
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
