#include "storage/name_reservations.hpp"

#include <algorithm>

namespace luna::storage {

namespace {

/// Names that are lost to others in a row before a job takes its chance without a marker.
constexpr int most_lost_names = 100;

/// Listing a folder, in markers.
constexpr size_t cost_of_a_folder = 64;

/// A remote target has no markers.
bool is_local(const file_name& name) {
  return name.root.starts_with('/');
}

} // namespace

result<std::vector<file_name>> name_reservations::reserve(const std::string& job_id,
                                                          const std::vector<name_request>& wanted) {
  name_search search{world(), job_id, files_.get(), nullptr};
  return reserve(search, wanted);
}

result<std::vector<file_name>> name_reservations::reserve(const names_there& there,
                                                          const std::string& job_id,
                                                          const std::vector<name_request>& wanted) {
  name_search search{world(), job_id, nullptr, &there};
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
    promise(job_id, *name);
    names.push_back(std::move(*name));
  }
  return names;
}

// -- markers -------------------------------------------------------------------------------------

/// The folder of a name; nullptr if it cannot be used: then there is no marker.
std::shared_ptr<directory> name_reservations::open(const file_name& name, bool make) const {
  auto root = files_->open_directory(name.root);
  if (!root)
    return nullptr;
  auto folder = make ? make_below(std::move(*root), name.subfolder)
                     : open_below(std::move(*root), name.subfolder);
  return folder ? std::move(*folder) : nullptr;
}

bool name_reservations::show(const std::string& job_id, const std::vector<name_request>& wanted,
                             std::vector<file_name>& names) {
  bool changed = false;
  for (size_t i = 0; i < names.size(); ++i)
    changed = show_one(job_id, wanted[i], names[i]) || changed;
  return changed;
}

/// @returns whether the name has become another one.
bool name_reservations::show_one(const std::string& job_id, const name_request& wanted,
                                 file_name& name) {
  auto folder = is_local(name) ? open(name, true) : nullptr;
  if (!folder)
    return false;
  for (int lost = 0;; ++lost) {
    auto made = markers_.make(*folder, marker_name(name.filename), job_id);
    if (made != promise_markers::outcome::theirs || name.overwrite)
      return lost > 0;
    set_shown(name, false); // that marker is not ours
    auto next = name_search{world(), job_id, files_.get(), nullptr}.find(wanted);
    if (!next || lost == most_lost_names)
      return lost > 0; // whoever is first gets the name
    release(job_id, name);
    name = std::move(*next);
    promise(job_id, name);
  }
}

result<file_name> name_reservations::rename(const std::string& job_id, const name_request& wanted,
                                            const file_name& taken, const names_there* there) {
  auto next = name_search{world(), job_id, there ? nullptr : files_.get(), there}.find(wanted);
  if (!next)
    return next;
  promise(job_id, *next, false);
  release(job_id, taken);
  return next;
}

void name_reservations::set_shown(const file_name& name, bool shown) {
  auto& folder = folders_[folder_of(name.root, name.subfolder)];
  if (auto promise = folder.find(name.filename); promise != folder.end())
    promise->second.shown = shown;
}

bool name_reservations::is_shown(const file_name& name) const {
  auto folder = folders_.find(folder_of(name.root, name.subfolder));
  if (folder == folders_.end())
    return false;
  auto promise = folder->second.find(name.filename);
  return promise != folder->second.end() && promise->second.shown;
}

void name_reservations::hide(const file_name& name) {
  set_shown(name, false);
  clear_marker(name);
}

void name_reservations::show_again(const std::string& job_id, const file_name& name) {
  set_shown(name, true);
  if (auto folder = is_local(name) ? open(name, true) : nullptr)
    static_cast<void>(markers_.make_again(*folder, marker_name(name.filename), job_id));
}

/// A promise does not need its marker any more: the marker goes, or stands for others still.
void name_reservations::clear_marker(const file_name& name) {
  auto folder = is_local(name) ? open(name, false) : nullptr;
  if (!folder)
    return;
  std::string other;
  for_each_of_stem(folders_[folder_of(name.root, name.subfolder)], name.filename,
                   [&](auto&, auto& promise) {
                     if (promise.shown && !promise.jobs.empty())
                       other = promise.jobs.front();
                   });
  if (other.empty())
    markers_.remove(*folder, marker_name(name.filename));
  else
    static_cast<void>(markers_.make(*folder, marker_name(name.filename), other));
}

std::string name_reservations::marker_of(const std::string& job_id, const file_name& name) const {
  auto folder = folders_.find(folder_of(name.root, name.subfolder));
  if (folder == folders_.end() || !is_local(name))
    return {};
  bool only_this = true;
  for_each_of_stem(folder->second, name.filename, [&](auto&, auto& promise) {
    for (auto& job : promise.jobs)
      only_this = only_this && (job == job_id || !promise.shown);
  });
  return only_this ? marker_name(name.filename) : std::string{};
}

void name_reservations::may_be_littered(const file_name& name) {
  if (!is_local(name))
    return;
  auto& x =
    littered_.try_emplace(folder_of(name.root, name.subfolder), litter{name, {}}).first->second;
  x.once_ours.insert(marker_name(name.filename));
}

void name_reservations::look_after(size_t most) {
  for (; most > 0 && !unchecked_.empty(); --most) {
    auto [job, name] = std::move(unchecked_.front());
    unchecked_.pop_front();
    auto holding = holders(name);
    if (std::find(holding.begin(), holding.end(), job) != holding.end() && is_shown(name))
      show_again(job, name);
  }
  for (; most >= cost_of_a_folder && !littered_.empty(); most -= cost_of_a_folder) {
    auto found = littered_.extract(littered_.begin());
    auto& promised = folders_[found.key()];
    if (auto folder = open(found.mapped().folder, false))
      for (auto& entry : folder->list().value_or(std::vector<std::string>{}))
        static_cast<void>(
          remove_dead_marker(*folder, entry, promised, markers_, found.mapped().once_ours));
    if (promised.empty())
      folders_.erase(found.key());
  }
}

// -- promises ------------------------------------------------------------------------------------

void name_reservations::promise(const std::string& job_id, const file_name& name, bool shown) {
  auto& promise = folders_[folder_of(name.root, name.subfolder)][name.filename];
  promise.jobs.push_back(job_id);
  promise.overwrite = name.overwrite;
  promise.shown = shown;
  ++count_;
}

void name_reservations::restore(const std::string& job_id, const file_name& name, bool shown) {
  promise(job_id, name, shown);
  if (shown && is_local(name))
    unchecked_.emplace_back(job_id, name);
}

void name_reservations::release(const std::string& job_id, const file_name& name) {
  auto folder = folders_.find(folder_of(name.root, name.subfolder));
  if (folder == folders_.end())
    return;
  auto promise = folder->second.find(name.filename);
  if (promise == folder->second.end())
    return;
  count_ -= std::erase(promise->second.jobs, job_id);
  auto shown = promise->second.shown;
  if (promise->second.jobs.empty())
    folder->second.erase(promise);
  if (shown)
    clear_marker(name);
  folder = folders_.find(folder_of(name.root, name.subfolder));
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
