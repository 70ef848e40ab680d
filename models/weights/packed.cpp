#include "models/weights/packed.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <fbgemm/FbgemmFP16.h>

namespace luna::models {

namespace {

constexpr int vectors_per_block = 2; ///< of FBGEMM's kernels

/// FBGEMM copies as many rows of [T, K] values at a time as a kernel takes (14 at most) into a
/// buffer of 2^18.
constexpr int64_t max_columns = (int64_t{1} << 18) / 14;

/// Rows of a weight that FBGEMM's kernels for this CPU take together.
int64_t block_rows() {
  auto vector = fbgemm::isZmm(fbgemm::fbgemmInstructionSet()) ? 16 : 8;
  return int64_t{vector} * vectors_per_block;
}

bool can_pack(const at::Device& device, int64_t rows, int64_t columns) {
  return device.is_cpu() && fbgemm::fbgemmHasAvx2Support() && rows % block_rows() == 0
      && columns <= max_columns;
}

} // namespace

result<packed_linear> packed_linear::load(const std::vector<linear_names>& sources,
                                          weight_reader& reader, weight_memory& memory,
                                          int64_t rows, int64_t columns) {
  packed_linear made;
  auto pack = can_pack(memory.device(), rows, columns);
  auto weight = pack ? at::empty({rows, columns}, at::TensorOptions{}.dtype(at::kHalf))
                     : memory.take({rows, columns}, at::kHalf);
  made.bias_ = memory.take({rows}, at::kFloat);
  auto share = rows / static_cast<int64_t>(sources.size());
  int64_t at = 0;
  for (auto& x : sources) {
    if (auto ok = reader.read(x.weight, weight.narrow(0, at, share)); !ok)
      return fail(ok);
    if (auto ok = reader.read(x.bias, made.bias_.narrow(0, at, share)); !ok)
      return fail(ok);
    at += share;
  }
  made.weight_ = weight;
  if (pack) {
    auto block = block_rows();
    made.weight_ = memory.take({rows / block, columns, block}, at::kHalf);
    made.weight_.copy_(weight.view({rows / block, block, columns}).transpose(1, 2));
  }
  return made;
}

at::Tensor packed_linear::operator()(const at::Tensor& x) const {
  return weight_.dim() == 3 ? multiply(x) : at::linear(x, weight_.to(at::kFloat), bias_);
}

at::Tensor packed_linear::multiply(const at::Tensor& x) const {
  auto blocks = static_cast<int>(weight_.size(0));
  auto columns = static_cast<int>(weight_.size(1));
  auto block = static_cast<int>(weight_.size(2));
  // One block of depth: all columns. It only points to the weight.
  const fbgemm::PackedGemmMatrixFP16 packed{columns,
                                            blocks * block,
                                            columns,
                                            columns,
                                            block,
                                            1,
                                            blocks,
                                            static_cast<uint64_t>(weight_.numel()),
                                            vectors_per_block,
                                            weight_.data_ptr()};
  auto in = x.contiguous();
  auto out = at::empty({x.size(0), bias_.size(0)}, x.options());
  auto threads = at::get_num_threads();
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (auto i = begin; i < end; ++i)
      fbgemm::cblas_gemm_compute(fbgemm::matrix_op_t::NoTranspose, static_cast<int>(x.size(0)),
                                 in.const_data_ptr<float>(), packed, 0.0F, out.data_ptr<float>(),
                                 static_cast<int>(i), threads);
  });
  return out.add_(bias_);
}

} // namespace luna::models
