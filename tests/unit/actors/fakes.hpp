#pragma once

#include <caf/all.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/device/device_manager.hpp"
#include "actors/device/lease.hpp"
#include "actors/device/worker_actor.hpp"
#include "held_promise.hpp"
#include "messages/actors.hpp"
#include "messages/error.hpp"
#include "messages/work_arguments.hpp"
#include "models/family.hpp"
#include "models/text/clip_layout.hpp"
#include "models/vae/taesd_layout.hpp"

/// Collaborators of catalog, devices and pools that do what a test says.
namespace luna::testing {

/// A VAE of four latent channels and eight pixels a latent, and a text encoder with chunks of four
/// tokens; no files.
inline std::shared_ptr<resolved_model> fake_model(const std::string& name,
                                                  model_kind kind = model_kind::vae,
                                                  uint64_t weight_bytes = 100) {
  auto model = std::make_shared<resolved_model>();
  model->name = name;
  model->names = {name, "vae:" + name};
  model->kind = kind;
  model->key = name + "@1";
  model->place = name;
  auto& facts = model->facts;
  facts.kind = kind;
  facts.weight_bytes = weight_bytes;
  facts.family = kind == model_kind::vae ? "taesd" : "clip_l";
  facts.latent_channels = 4;
  facts.latent_dim = 2;
  facts.downscale_ratio = 8;
  facts.upscale_ratio = 8;
  facts.output_channels = 3;
  facts.token_keys = {"l"};
  facts.layers = 2;
  facts.cond_width = 8;
  if (kind == model_kind::text) {
    facts.served_by = &models::clip_family;
    facts.own = models::clip_facts{{.key = "l",
                                    .layers = 2,
                                    .width = 8,
                                    .heads = 1,
                                    .inner = 8,
                                    .vocabulary = 100,
                                    .positions = 4}};
  } else {
    facts.served_by = &models::taesd_family;
    facts.own = models::taesd_facts{8, 4, 1};
  }
  return model;
}

/// What a fake worker was told; its answers wait here until the test gives them.
struct worker_desk {
  struct job {
    std::shared_ptr<work_order> order;
    held_promise<std::shared_ptr<work_report>> promise;
  };
  std::vector<job> jobs;
  std::vector<std::string> unloads;
  std::vector<held_promise<uint64_t>> held_unloads;
  bool hold_unloads = false;
  uint64_t unloaded_bytes = 77;
  worker_actor worker; ///< the one that lives now
  int started = 0;

  /// Answers the oldest job: every item says its task where an image says its tiles.
  void finish(uint64_t weight_bytes = 100) {
    auto report = std::make_shared<work_report>();
    report->weight_bytes = weight_bytes;
    for (auto& item : jobs.front().order->items) {
      models::work_answer answer;
      answer.attributes = tiling_report{true, static_cast<int32_t>(item.task)};
      report->answers.push_back(std::move(answer));
    }
    finish(report);
  }

  void finish(std::shared_ptr<work_report> report) {
    auto job = std::move(jobs.front());
    jobs.erase(jobs.begin());
    job.promise.deliver(std::move(report));
  }

  /// Answers the oldest job with the same failure for all items; nothing is loaded.
  void refuse(const failure& why, uint64_t weight_bytes = 0) {
    auto report = std::make_shared<work_report>();
    report->weight_bytes = weight_bytes;
    for (size_t i = 0; i < jobs.front().order->items.size(); ++i)
      report->answers.push_back(tl::make_unexpected(why));
    finish(report);
  }

  std::vector<uint64_t> tasks_of(size_t job) const {
    std::vector<uint64_t> tasks;
    for (auto& item : jobs.at(job).order->items)
      tasks.push_back(item.task);
    return tasks;
  }
};

inline worker_actor::behavior_type fake_worker(worker_actor::pointer self,
                                               std::shared_ptr<worker_desk> desk) {
  return {[self, desk](execute_atom, const std::shared_ptr<work_order>& order) {
            held_promise<std::shared_ptr<work_report>> promise{self};
            desk->jobs.push_back({order, promise});
            return promise.promise();
          },
          [self, desk](unload_atom, const std::string& key) -> caf::result<uint64_t> {
            desk->unloads.push_back(key);
            if (!desk->hold_unloads)
              return desk->unloaded_bytes;
            held_promise<uint64_t> promise{self};
            desk->held_unloads.push_back(promise);
            return promise.promise();
          }};
}

/// Which task a fake worker answered, of an image.
inline uint64_t task_of(const model_result& x) {
  return static_cast<uint64_t>(x.answer.attributes.get_as<tiling_report>(0).tiles);
}

/// Kills an actor before it reads what is in its mailbox: a message of high priority overtakes it.
template <class Handle>
void kill_before_its_mail(const Handle& who) {
  auto target = caf::actor_cast<caf::strong_actor_ptr>(who);
  target->enqueue(nullptr, caf::make_message_id(caf::message_priority::high),
                  caf::make_message(caf::exit_msg{{}, caf::exit_reason::kill}), nullptr);
}

inline device_options fake_device(std::shared_ptr<worker_desk> desk, uint64_t budget) {
  device_options options;
  options.total_bytes = 2 * budget;
  options.budget_bytes = budget;
  options.make_worker = [desk](caf::actor_system& system) {
    ++desk->started;
    return desk->worker = system.spawn(fake_worker, desk);
  };
  options.supports_attention = [](attention_mode mode) -> result<void> {
    if (mode == attention_mode::flash)
      return fail(ec::bad_request, "this device has no flash attention");
    return {};
  };
  options.restarts.jitter = 0;
  return options;
}

} // namespace luna::testing
