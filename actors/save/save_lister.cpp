#include "actors/save/save_lister.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "actors/support/actor_defaults.hpp"

namespace luna {

namespace {

using self_pointer = save_lister_actor::stateful_pointer<save_lister_state>;

/// How long a target that did not answer is left in peace.
constexpr std::chrono::seconds silence{10};

/// More different names than this in a folder are asked for at once, by what they have in common.
constexpr size_t most_questions = 4;

/// How long all questions about a job may take together: a client waits.
constexpr std::chrono::seconds patience{8};

std::string common_prefix(const std::set<std::string>& names) {
  // in order: what the first and the last share, all share
  auto& first = *names.begin();
  auto& last = *names.rbegin();
  auto end = std::mismatch(first.begin(), first.end(), last.begin(), last.end()).first;
  return {first.begin(), end};
}

/// What is to be asked: beginnings of names, by subfolder.
std::map<std::string, std::set<std::string>> questions_of(const storage::new_job& job) {
  std::map<std::string, std::set<std::string>> questions;
  for (auto& [wanted, pixels, detail] : job.images) {
    auto is_free = wanted.collision == storage::collision_rule::overwrite && !wanted.counter;
    if (!is_free)
      questions[wanted.subfolder].insert(wanted.stem);
  }
  for (auto& [subfolder, stems] : questions)
    if (stems.size() > most_questions)
      stems = {common_prefix(stems)};
  return questions;
}

/// @returns why the target did not answer in time; then the job's names are made without it.
result<void> ask(storage::remote_target& target, storage::new_job& job) {
  auto until = std::chrono::steady_clock::now() + patience;
  for (auto& [subfolder, stems] : questions_of(job)) {
    std::set<std::string> there;
    for (auto& stem : stems) {
      if (std::chrono::steady_clock::now() >= until)
        return fail(ec::unavailable, "the answers take too long");
      auto names = target.names(subfolder, stem);
      if (!names)
        return tl::make_unexpected(names.error());
      there.insert(names->begin(), names->end());
    }
    job.names_there[subfolder].assign(there.begin(), there.end());
  }
  return {};
}

/// @returns false if the target did not answer.
bool look(storage::remote_target& target, storage::new_job& job) {
  auto asked = ask(target, job);
  if (asked)
    return true;
  spdlog::warn("{} does not say which names it has, the job's names get its id: {}", target.root(),
               asked.error().message);
  job.names_there.clear();
  return false;
}

} // namespace

save_lister_actor::behavior_type save_lister(self_pointer self, save_store_actor store,
                                             std::shared_ptr<storage::remote_target> target) {
  set_actor_defaults(self);
  self->state.store = std::move(store);
  self->state.target = std::move(target);
  return {
    [self](submit_atom, std::shared_ptr<storage::new_job>& job) {
      auto& state = self->state;
      auto now = self->clock().now();
      if (!state.silent_until || now >= *state.silent_until) {
        state.silent_until.reset();
        if (!look(*state.target, *job))
          state.silent_until = self->clock().now() + silence;
      }
      return self->delegate(state.store, resolve_atom_v, std::move(job));
    },
  };
}

} // namespace luna
