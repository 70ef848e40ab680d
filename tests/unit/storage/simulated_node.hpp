#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/job_store.hpp"
#include "storage/publisher.hpp"
#include "storage/testing/faulty_file_system.hpp"

namespace luna::storage::testing {

inline constexpr auto output_folder = "/out";

/// A clock that moves when told to.
struct manual_clock {
  time_point now{std::chrono::milliseconds{1'700'000'000'000}};

  void advance(std::chrono::milliseconds by) { now += by; }
};

/// The bytes that a test's "encoder" makes of pixels.
inline std::string encoded(const tensor_block& pixels) {
  std::string text{"picture:"};
  auto bytes = pixels.bytes();
  text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text;
}

/// Pixels that tell by every byte which image they are of.
inline tensor_block pixels_of(uint32_t which, int64_t size = 600) {
  std::vector<std::byte> bytes(static_cast<size_t>(size));
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>((which * 31 + i * 7) % 251);
  return tensor_block::copy_of(dtype::u8, {size}, bytes);
}

inline name_request named(std::string stem, std::string subfolder = {},
                          collision_rule collision = collision_rule::rename) {
  return {output_folder, std::move(subfolder), std::move(stem), ".png", collision, std::nullopt};
}

/// A job with one image for each name.
inline new_job job_of(std::string key, std::vector<name_request> names, uint32_t first = 0,
                      int64_t size = 600) {
  new_job job;
  job.task = "{\"task\":\"" + key + "\"}";
  job.plan = "plan of " + key;
  job.key = std::move(key);
  for (auto& name : names) {
    auto& image = job.images.emplace_back();
    image.name = std::move(name);
    image.pixels = pixels_of(first++, size);
  }
  return job;
}

/// A node with one worker on a faulty disk, driven step by step.
struct simulated_node {
  std::shared_ptr<faulty_file_system> disk = std::make_shared<faulty_file_system>();
  manual_clock clock;
  uint64_t random_state = 1;
  job_store_options options = default_options();
  std::unique_ptr<job_store> store;
  std::string data_folder = "/data";
  target_table targets; ///< its folders are made at each start
  recovery_report report;
  std::string damage; ///< of the pixels that the last attempt read

  simulated_node() { static_cast<void>(disk->make_directories(output_folder)); }

  job_store_options default_options() {
    job_store_options x;
    x.clock = [this] { return clock.now; };
    x.log.segment_bytes = 16384;
    x.log.random = [this] {
      random_state = random_state * 6364136223846793005u + 1442695040888963407u;
      return random_state;
    };
    return x;
  }

  /// Starts the node. @returns why it could not.
  std::string boot() {
    store.reset();
    auto data = disk->make_directories(data_folder);
    if (!data)
      return data.error().message;
    auto opened = job_store::open(disk, *data, options);
    if (!opened)
      return opened.error().message;
    store = std::move(opened->store);
    report = std::move(opened->report);
    targets.folder = std::make_shared<publisher>(disk, store->node());
    return {};
  }

  /// The power goes and comes back.
  std::string power_cycle(survival mode, uint64_t seed = 0) {
    store.reset();
    targets.folder.reset();
    disk->restart(mode, seed);
    return boot();
  }

  /// Submits and waits for durability, as a client sees it.
  result<accepted> submit(new_job job) {
    auto x = store->accept(std::move(job));
    if (!x)
      return x;
    if (auto ok = store->commit(); !ok)
      return tl::make_unexpected(ok.error().reason);
    if (auto status = store->status(x->job.id)) // with the names that it has come to
      x->job = *status;
    return x;
  }

  /// One attempt of one job. @returns false if there was nothing to do.
  bool work_once() {
    auto work = store->take();
    if (!work)
      return false;
    std::string away;
    damage.clear();
    for (size_t i = 0; i < work->images.size() && away.empty(); ++i)
      away = save(*work, work->images[i]);
    static_cast<void>(!damage.empty() ? store->pixels_damaged(work->id, damage)
                      : away.empty()  ? store->finish_attempt(work->id, {}, false)
                                      : store->target_away(work->id, away));
    static_cast<void>(store->commit());
    return true;
  }

  /// Works until nothing is due. Bounded: a power cut makes every attempt fail at once.
  void work_all() {
    for (int i = 0; i < 1000 && !disk->power_is_cut() && work_once(); ++i) {
    }
  }

  /// @returns why its target is away, or "".
  std::string save(const job_work& work, const job_work::image& image) {
    auto ok = work.only_check ? check(work, image) : write(work, image);
    auto away = !ok && targets.find(work.target)->is_outage(ok.error());
    if (ok)
      static_cast<void>(store->image_done(work.id, image.index, image_state::done, {}));
    else if (!away)
      static_cast<void>(store->image_failed(work.id, image.index, ok.error().message));
    return away ? ok.error().message : std::string{};
  }

  result<void> check(const job_work& work, const job_work::image& image) {
    auto request = request_of(work.id, image.index, image.name, image.marker);
    auto there = targets.find(work.target)->is_published(request, *image.recorded);
    if (there && !*there)
      return fail(ec::cancelled, "cancelled");
    return there ? result<void>{} : fail(there);
  }

  result<void> write(const job_work& work, const job_work::image& image) {
    auto pixels = work.read_pixels(image);
    if (!pixels) {
      damage = pixels.error().code == ec::internal ? pixels.error().message : "";
      return fail(pixels);
    }
    auto bytes = encoded(*pixels);
    auto record = [&](const file_identity& identity) -> result<void> {
      if (auto ok = store->publishing(work.id, image.index, identity); !ok)
        return ok;
      if (auto ok = store->commit(); !ok)
        return tl::make_unexpected(ok.error().reason);
      return {};
    };
    auto request = request_of(work.id, image.index, image.name, image.marker);
    auto recorded = image.recorded;
    while (true) {
      auto outcome = publish(*targets.find(work.target), request, std::as_bytes(std::span{bytes}),
                             recorded, record);
      if (!outcome || *outcome == reveal_outcome::revealed)
        return outcome ? result<void>{} : fail(outcome);
      auto next = another_name(work, image);
      if (!next)
        return fail(next);
      request = request_of(work.id, image.index, *next);
      recorded.reset();
    }
  }

  result<file_name> another_name(const job_work& work, const job_work::image& image) {
    if (work.target.empty())
      return store->rename(work.id, image.index, nullptr);
    auto names = targets.remote.at(work.target)->names(image.name.subfolder, image.stem);
    if (!names)
      return fail(names);
    name_reservations::names_there there{{image.name.subfolder, *names}};
    return store->rename(work.id, image.index, &there);
  }
};

/// Path of a saved image.
inline std::string path_of(const file_name& name) {
  return name.root + (name.subfolder.empty() ? "" : "/" + name.subfolder) + "/" + name.filename;
}

} // namespace luna::storage::testing
