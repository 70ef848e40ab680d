#include "models/work.hpp"

#include <utility>

#include "models/weights/convert.hpp"

namespace luna::models {

result<void> check_reply_type(const preparation& request, bool answers_images) {
  switch (request.reply_type) {
  case dtype::f32:
  case dtype::f16:
  case dtype::bf16:
    return {};
  case dtype::u8:
    if (answers_images)
      return {};
    return fail(ec::bad_request,
                "dtype 'u8' is for images; " + request.kind + " answers f32, f16 or bf16");
  default:
    return fail(ec::bad_request, "dtype '" + std::string{to_string(request.reply_type)}
                                   + "' cannot be answered; use f32, f16 or bf16");
  }
}

result<void> add_reply(work_answer& answer, std::string name, const tensor_block& tensor,
                       dtype type, bool is_image) {
  auto converted = tensor.type() == dtype::i64 ? tensor : convert_reply(tensor, type, is_image);
  if (!converted) {
    auto why = converted.error();
    why.message =
      "'" + name + "' cannot be sent as " + std::string{to_string(type)} + ": " + why.message;
    return tl::make_unexpected(std::move(why));
  }
  answer.tensors.push_back({std::move(name), std::move(*converted)});
  return {};
}

} // namespace luna::models
