#include "actors/save/save_intake.hpp"

#include <caf/all.hpp>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <memory>
#include <string_view>
#include <utility>

#include "actors/support/actor_defaults.hpp"
#include "imaging/save_plan.hpp"
#include "messages/error.hpp"

namespace luna {

namespace {

/// The name that a task gives the folders of the saving node.
constexpr std::string_view local_target = "folder";

storage::collision_rule rule_of(imaging::collision_mode mode) {
  switch (mode) {
  case imaging::collision_mode::overwrite:
    return storage::collision_rule::overwrite;
  case imaging::collision_mode::fail:
    return storage::collision_rule::fail;
  default:
    return storage::collision_rule::rename;
  }
}

/// The plan's name as the store wants it: below an allowed folder, which exists and is trusted.
storage::name_request name_of(const imaging::image_plan& plan) {
  storage::name_request name;
  name.root = plan.allowed;
  name.subfolder = plan.root.substr(plan.allowed.size());
  while (!name.subfolder.empty() && name.subfolder.front() == '/')
    name.subfolder.erase(0, 1);
  if (!name.subfolder.empty() && !plan.subfolder.empty())
    name.subfolder += '/';
  name.subfolder += plan.subfolder;
  name.stem = plan.stem;
  name.extension = "." + plan.extension;
  name.collision = rule_of(plan.collision);
  if (plan.counter)
    name.counter = {static_cast<uint32_t>(plan.counter->digits), plan.counter->suffix};
  return name;
}

caf::result<std::string> probe(const output_folders& folders, const std::string& folder,
                               const std::string& nonce) {
  auto content = folders.read_probe(folder, nonce);
  if (!content)
    return make_error(content.error());
  nlohmann::json reply{{"found", content->has_value()}};
  if (*content)
    reply["content"] = **content;
  return reply.dump();
}

caf::result<std::string> allow(output_folders& folders, const std::string& folder) {
  auto added = folders.allow(folder);
  if (!added)
    return make_error(added.error());
  if (*added)
    spdlog::info("pictures may go to {} too: a program of this machine asked for it", folder);
  return nlohmann::json{{"allowed", true}, {"added", *added}}.dump();
}

} // namespace

result<storage::new_job> read_submission(const save_submission& x,
                                         const std::vector<std::string>& allowed,
                                         std::chrono::system_clock::time_point now) {
  auto data = nlohmann::ordered_json::parse(x.task, nullptr, false);
  if (data.is_discarded())
    return fail(ec::bad_request, "task_data is no JSON");
  auto task = imaging::parse_save_task(data);
  if (!task)
    return fail(task);
  // A remote target has no folders of this machine: its names count from its own root.
  bool remote = task->target != local_target;
  auto plan =
    imaging::plan_save(*task, x.tensors, now, remote ? std::vector<std::string>{"/"} : allowed);
  if (!plan)
    return fail(plan);
  storage::new_job job;
  job.key = x.key;
  job.task = x.task;
  job.plan = imaging::to_text(plan->roles());
  job.target = remote ? task->target : "";
  job.priority = static_cast<int8_t>(task->priority);
  job.fast = task->fast_durability;
  for (auto& file : plan->files)
    job.images.push_back(
      {name_of(file.place), std::move(file.pixels), imaging::detail_of(file.role, {})});
  return job;
}

save_intake_actor::behavior_type save_intake(save_intake_actor::pointer self,
                                             save_store_actor store,
                                             std::shared_ptr<output_folders> folders) {
  set_actor_defaults(self);
  return {
    [self, store, folders](submit_atom, const save_submission& x) -> caf::result<std::string> {
      auto job = read_submission(x, folders->list(), std::chrono::system_clock::now());
      if (!job)
        return make_error(job.error());
      return self->delegate(store, submit_atom_v,
                            std::make_shared<storage::new_job>(std::move(*job)));
    },
    [folders](probe_atom, const std::string& folder, const std::string& nonce) {
      return probe(*folders, folder, nonce);
    },
    [folders](allow_atom, const std::string& folder) { return allow(*folders, folder); },
  };
}

} // namespace luna
