#include "cuda/probe.h"

#include "common/launch.cuh"

namespace torchconv::cuda {

constexpr int kThreads = 256;

static __global__ void add_one(ProbeParams p) {
  const int64_t step = int64_t(gridDim.x) * kThreads;
  for (int64_t i = int64_t(blockIdx.x) * kThreads + threadIdx.x; i < p.n; i += step) p.y[i] = p.x[i] + 1;
}

cudaError_t probe(const ProbeParams& p, cudaStream_t stream) {
  if (p.n == 0) return cudaSuccess;
  return launch(add_one, blocks_for(p.n, kThreads), kThreads, 0, stream, p);
}

}  // namespace torchconv::cuda
