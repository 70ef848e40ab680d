#include "bench/picture_pool.hpp"

#include <caf/all.hpp>

#include <vector>

#include "bench/plain_socket.hpp"
#include "messages/node_view.hpp"

namespace luna::bench {

named_tensor make_picture() {
  std::vector<float> pixels(picture_bytes / sizeof(float), 0.5F);
  return {"images",
          tensor_block::copy_of(dtype::f32, {1, 1024, 1024, 3}, std::as_bytes(std::span{pixels}))};
}

pool_actor::behavior_type picture_pool(pool_actor::pointer) {
  return {[picture = make_picture()](run_atom, const model_task& task) {
            model_result answer;
            if (total_bytes(task.tensors) < picture_bytes)
              answer.tensors.push_back(picture);
            return answer;
          },
          [](cancel_atom, uint64_t) {}, [](reset_atom) { return uint64_t{0}; },
          [](drain_atom) { return true; }, [](status_atom) { return pool_row{}; }};
}

} // namespace luna::bench
