// c = a b as the 1x1 convolution that it is: rows of a are pixels, columns of b are outputs.
#pragma once
#include "common/problem.h"

namespace torchconv::im2col {

// c [M, N] and a [M, K] are row-major; b [K, N] has any strides, in elements.
struct GemmProblem {
  Isa isa;
  DType dtype;  // f32 or f64
  int threads;
  int64_t M, N, K;
  int64_t b_stride_k, b_stride_n;
};

void run_gemm(const GemmProblem&, const void* a, const void* b, void* c, void* workspace);
int64_t gemm_workspace(const GemmProblem&);  // bytes

}  // namespace torchconv::im2col
