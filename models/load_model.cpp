#include "models/device.hpp"
#include "models/family.hpp"
#include "models/weights/tensors.hpp"

namespace luna::models {

result<std::unique_ptr<loaded_model>> load_model(std::span<const model_file> files,
                                                 const model_facts& facts,
                                                 const load_options& options,
                                                 const run_context& context) {
  if (facts.served_by == nullptr)
    return fail(ec::unsupported_model, "this build serves no " + std::string{to_string(facts.kind)}
                                         + " models of family " + facts.family);
  if (options.precision != "exact")
    return fail(ec::bad_request, "precision '" + options.precision + "' is not built; 'exact' is");
  if (auto device = device_of(options.device); !device)
    return fail(device);
  auto model = guarded([&] { return facts.served_by->load(files, facts, options, context); });
  if (model)
    release_cached_memory(options.device); // what repacking took meanwhile
  return model;
}

} // namespace luna::models
