#pragma once

#include <string_view>

#include "models/run_context.hpp"
#include "models/text/text_encoder.hpp"

namespace luna::test {

/// What ComfyUI's tokenizer and nodes make of a prompt, for the model of those facts. Embeddings
/// come from the test models' folder.
models::text_job job_of_prompt(const models::model_facts& facts, std::string_view prompt);

/// Encodes one job, or fails the test.
models::text_output encode(models::text_encoder& encoder, const models::text_job& job,
                           const models::run_context& context = {});

/// Runs every case of a golden file of conditioning (tests/data/models/<name>) and checks each
/// against the tolerance. @returns the largest error.
double run_golden_text(models::text_encoder& encoder, std::string_view name, double tolerance,
                       const models::run_context& context = {});

} // namespace luna::test
