#pragma once

#include "base/model_description.hpp"
#include "base/text_arguments.hpp"
#include "base/tiling.hpp"
#include "messages/real.hpp"

// What task_header::arguments and task_answer::attributes may hold, ready to travel. A new kind of
// work adds its own types here and in type_ids.hpp.
