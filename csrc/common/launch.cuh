// What every .cu file starts from: kernels are torch-free, take a POD of parameters and a stream, and return a
// cudaError_t.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace torchconv::cuda {

// Blocks that cover n items, one thread each, up to a grid's limit; beyond that the kernel strides.
inline unsigned blocks_for(int64_t n, int threads) {
  const int64_t blocks = (n + threads - 1) / threads;
  return unsigned(blocks < INT32_MAX ? blocks : INT32_MAX);
}

// Launches and reports what the launch itself says; an error inside the kernel shows at the next synchronisation.
template <class... Params, class... Args>
cudaError_t launch(void (*kernel)(Params...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                   Args... args) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Params>(args)...);
}

}  // namespace torchconv::cuda
