// Text models that are made of CLIP towers: SD1.5, SDXL and its refiner.
#include <ATen/ops/cat.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/non_finite.hpp"
#include "models/device.hpp"
#include "models/text/clip_layout.hpp"
#include "models/text/clip_tower.hpp"
#include "models/text/text_encoder.hpp"
#include "models/ticker.hpp"
#include "models/weights/tensors.hpp"
#include "models/weights/weight_memory.hpp"

namespace luna::models {

namespace {

/// A job's way through all towers.
struct plan {
  size_t job = 0;
  std::vector<clip_prompt> prompts; ///< one a tower
};

class clip_text : public text_encoder {
public:
  clip_text(const model_facts& facts, at::Device device)
    : text_encoder(facts), rules_(rules_of(facts.family)), memory_(device, facts.weight_bytes) {
    towers_.reserve(towers_of(facts).size());
    for (auto& tower : towers_of(facts))
      towers_.emplace_back(tower, memory_);
  }

  uint64_t weight_bytes() const noexcept override { return memory_.bytes(); }

  result<void> load(std::span<const checkpoint> files, const run_context& context);

  std::vector<result<text_output>> encode(std::span<const text_job> jobs,
                                          const run_context& context) override;

private:
  clip_layer layer_of(const clip_tower_facts& tower, const text_job& job) const;
  plan make_plan(const text_job& job, size_t index) const;
  result<void> run(std::span<plan> plans, const run_context& context);
  result<text_output> finish(const plan& plan, const text_job& job, const run_context& context);

  clip_rules rules_;
  weight_memory memory_; // before the towers: goes last, after all tensors that lie in it
  std::vector<clip_tower> towers_;
};

result<void> clip_text::load(std::span<const checkpoint> files, const run_context& context) {
  auto model = find_clip_model(files);
  if (!model)
    return fail(model);
  if (model->towers.size() != towers_.size())
    return fail(ec::bad_model_file, files.front().title() + " has changed since it was inspected");
  weight_reader reader{files.front(), context, facts().weight_bytes, true};
  for (size_t i = 0; i < towers_.size(); ++i) {
    auto& place = model->towers[i];
    reader.go_on_in(files[place.file]);
    if (auto ok = towers_[i].load(place, reader); !ok)
      return ok;
  }
  for (auto& file : files)
    if (auto ok = file.check_unchanged(); !ok)
      return ok;
  return {};
}

/// A layer beyond the tower's depth means the family's own, as in ComfyUI: what asks for it there
/// is undone before the tower runs. So for SDXL and layer -13 only the deeper tower differs.
clip_layer clip_text::layer_of(const clip_tower_facts& tower, const text_job& job) const {
  auto asked = job.layer && -*job.layer <= tower.layers ? *job.layer : rules_.layer;
  if (asked == 0)
    return {tower.layers - 1, true};
  return {tower.layers + asked, rules_.norm_hidden};
}

plan clip_text::make_plan(const text_job& job, size_t index) const {
  plan made;
  made.job = index;
  for (auto& tower : towers_)
    made.prompts.push_back(
      tower.prepare(job.tokens.at(tower.facts().key), job, layer_of(tower.facts(), job)));
  return made;
}

result<void> clip_text::run(std::span<plan> plans, const run_context& context) {
  uint64_t layers = 0;
  for (auto& tower : towers_)
    layers += static_cast<uint64_t>(tower.facts().layers);
  ticker ticker{context, "encode", layers};
  for (size_t i = 0; i < towers_.size(); ++i) {
    std::vector<clip_row*> rows;
    for (auto& plan : plans)
      for (auto& row : plan.prompts[i].rows)
        rows.push_back(&row);
    if (auto ok = towers_[i].run(rows, context, ticker); !ok)
      return ok;
  }
  return {};
}

result<text_output> clip_text::finish(const plan& plan, const text_job& job,
                                      const run_context& context) {
  std::vector<at::Tensor> parts;
  text_output out;
  for (size_t i = 0; i < towers_.size(); ++i) {
    auto part = towers_[i].conditioning(plan.prompts[i], context);
    if (!part)
      return fail(part);
    parts.push_back(std::move(*part));
    add_warnings(out.warnings, plan.prompts[i].warnings);
  }
  // Towers that got different numbers of chunks: as long as the shortest.
  auto shortest = std::min_element(parts.begin(), parts.end(), [](auto& x, auto& y) {
                    return x.size(0) < y.size(0);
                  })->size(0);
  for (auto& part : parts)
    part = part.narrow(0, 0, shortest);
  auto cond = parts.size() == 1 ? parts.front() : at::cat(parts, 1);
  out.cond = block_of(cond.unsqueeze(0));
  out.pooled =
    block_of(towers_.back().pooled(plan.prompts.back(), rules_.projected && job.projected));
  if (auto count = count_non_finite(out.cond) + count_non_finite(*out.pooled); count > 0)
    out.warnings.push_back({"non_finite",
                            std::to_string(count)
                              + " values of the conditioning are NaN or infinite: usually a prompt"
                                " weight is far too large, or an embedding or the text encoder's"
                                " file holds such values",
                            count});
  return out;
}

std::vector<result<text_output>> clip_text::encode(std::span<const text_job> jobs,
                                                   const run_context& context) {
  std::vector<result<text_output>> answers;
  for (auto& job : jobs) {
    auto ok = check_text_job(facts(), job);
    answers.push_back(ok ? result<text_output>{text_output{}} : fail(ok));
  }
  auto all = guarded([&]() -> result<void> {
    std::vector<plan> plans;
    for (size_t i = 0; i < jobs.size(); ++i)
      if (answers[i])
        plans.push_back(make_plan(jobs[i], i));
    if (auto ok = run(plans, context); !ok)
      return ok;
    for (auto& plan : plans)
      answers[plan.job] = finish(plan, jobs[plan.job], context);
    return {};
  });
  if (!all)
    for (auto& answer : answers)
      if (answer && answer->cond.size_bytes() == 0)
        answer = fail(all);
  return answers;
}

} // namespace

result<std::unique_ptr<loaded_model>> load_clip(std::span<const model_file> files,
                                                const model_facts& facts,
                                                const load_options& options,
                                                const run_context& context) {
  auto opened = open_text_files(files);
  if (!opened)
    return fail(opened);
  auto model = std::make_unique<clip_text>(facts, at::Device{options.device});
  if (auto ok = model->load(*opened, context); !ok)
    return fail(ok);
  return model;
}

} // namespace luna::models
