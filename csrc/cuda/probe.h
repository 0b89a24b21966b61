// The probe: y = x + 1. It computes nothing of use; that it runs shows that build, loading, stream and GPU fit
// together.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

namespace torchconv::cuda {

struct ProbeParams {
  const float* x;
  float* y;
  int64_t n;
};
cudaError_t probe(const ProbeParams&, cudaStream_t);

}  // namespace torchconv::cuda
