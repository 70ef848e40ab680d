#include "models/vae/vae_work.hpp"

#include <algorithm>
#include <utility>

#include "models/vae/vae.hpp"

namespace luna::models {

namespace {

class vae_work : public work {
public:
  vae_work(std::shared_ptr<const model_facts> facts, dtype reply_type, vae_direction direction,
           vae_job job)
    : facts_(std::move(facts)), reply_type_(reply_type), direction_(direction),
      job_(std::move(job)) {}

  /// Pixels of the images, as the model sees them.
  uint64_t cost() const override {
    auto shape = encodes() ? output_shape() : job_.input.shape();
    auto side = static_cast<uint64_t>(facts_->upscale_ratio);
    return static_cast<uint64_t>(shape.front() * shape[shape.size() - 2] * shape.back()) * side
         * side;
  }

  std::vector<tensor_shape> reply_shapes() const override {
    return {{name(), reply_type_, output_shape()}};
  }

  bool joins(const work& other) const override {
    auto* image = dynamic_cast<const vae_work*>(&other);
    return image != nullptr && image->direction_ == direction_;
  }

  /// Images run one by one: the largest, beside the inputs and results of the others.
  work_needs needs(std::span<const work* const> batch) const override {
    work_needs needs;
    uint64_t net = 0;
    for (auto* work : batch) {
      auto& image = static_cast<const vae_work&>(*work);
      auto own = image.job_.input.size_bytes()
               + element_count(image.output_shape()).value_or(0) * size_of(dtype::f32);
      needs.tensors += own;
      net = std::max(net, estimate_working_bytes(*facts_, direction_, image.job_) - own);
    }
    needs.working = net + needs.tensors;
    // Only alone: an image must not be cut because of its company.
    if (batch.size() == 1)
      if (auto least = in_tiles(); least < needs.working)
        needs.min_working = least;
    return needs;
  }

  std::vector<result<work_answer>> run(std::span<const work* const> batch, loaded_model& model,
                                       const run_context& context) const override {
    std::vector<vae_job> jobs;
    for (auto* work : batch)
      jobs.push_back(static_cast<const vae_work&>(*work).job_);
    auto& net = dynamic_cast<vae&>(model);
    auto outputs = encodes() ? net.encode(jobs, context) : net.decode(jobs, context);
    std::vector<result<work_answer>> answers;
    for (size_t i = 0; i < batch.size(); ++i)
      answers.push_back(static_cast<const vae_work&>(*batch[i]).answer(outputs.at(i)));
    return answers;
  }

private:
  bool encodes() const { return direction_ == vae_direction::encode; }

  const char* name() const { return encodes() ? "latents" : "images"; }

  std::vector<int64_t> output_shape() const {
    return vae_output_shape(*facts_, direction_, job_.input.shape());
  }

  /// What it needs if it is cut because there is no memory for the whole; 0 if it may not be.
  uint64_t in_tiles() const {
    auto job = job_;
    if (job.tiling.mode != tiling_mode::automatic)
      return 0;
    job.tiling.mode = tiling_mode::on;
    return estimate_working_bytes(*facts_, direction_, job);
  }

  result<work_answer> answer(const result<vae_output>& output) const {
    if (!output)
      return fail(output);
    work_answer answer{{}, output->warnings, tiling_report{output->tiled, output->tiles}};
    if (auto ok = add_reply(answer, name(), output->tensor, reply_type_, !encodes()); !ok)
      return fail(ok);
    return answer;
  }

  std::shared_ptr<const model_facts> facts_;
  dtype reply_type_;
  vae_direction direction_;
  vae_job job_;
};

/// Finds the one tensor that the work takes and checks it against the model.
result<prepared_work> prepare(vae_direction direction, const vae_tiling& tiling,
                              const preparation& request) {
  if (auto ok = check_reply_type(request, direction == vae_direction::decode); !ok)
    return fail(ok);
  std::string name = direction == vae_direction::encode ? "pixels" : "latents";
  for (auto& tensor : request.tensors)
    if (tensor.name != name)
      return fail(ec::bad_request,
                  request.kind + " takes no tensor '" + tensor.name + "', only '" + name + "'");
  if (request.tensors.empty())
    return fail(ec::bad_request, request.kind + " needs the tensor '" + name + "' in the body");
  vae_job job{request.tensors.front().tensor, tiling};
  if (auto ok = check_vae_job(*request.facts, direction, job); !ok)
    return fail(ok);
  auto work =
    std::make_shared<const vae_work>(request.facts, request.reply_type, direction, std::move(job));
  return prepared_work{std::move(work), {}};
}

} // namespace

result<prepared_work> prepare_vae_encode(const vae_tiling& tiling, const preparation& request) {
  return prepare(vae_direction::encode, tiling, request);
}

result<prepared_work> prepare_vae_decode(const vae_tiling& tiling, const preparation& request) {
  return prepare(vae_direction::decode, tiling, request);
}

} // namespace luna::models
