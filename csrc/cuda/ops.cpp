// The CUDA library's own operators: from tensors to parameters and the current stream.
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include "common/error.h"
#include "cuda/probe.h"

namespace torchconv::cuda {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

cudaStream_t current_stream(int32_t device) {
  void* stream = nullptr;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(device, &stream));
  return static_cast<cudaStream_t>(stream);
}

Tensor cuda_probe(const Tensor& x) {
  int gpus = 0;
  const cudaError_t found = cudaGetDeviceCount(&gpus);
  TORCHCONV_CHECK(found == cudaSuccess, "x: expected a tensor on a GPU, but there is no GPU to use here (",
                  cudaGetErrorString(found), ")");
  TORCHCONV_CHECK(x.is_cuda(), "x: expected a tensor on a GPU, got one elsewhere");
  TORCHCONV_CHECK(x.scalar_type() == ScalarType::Float, "x: expected dtype float32, got ",
                  torch::headeronly::toString(x.scalar_type()));
  const torch::stable::accelerator::DeviceGuard guard(x.get_device_index());
  const Tensor dense = torch::stable::contiguous(x), y = torch::stable::empty_like(dense);
  const ProbeParams p{static_cast<const float*>(dense.const_data_ptr()), static_cast<float*>(y.mutable_data_ptr()),
                      x.numel()};
  const cudaError_t launched = probe(p, current_stream(x.get_device_index()));
  TORCHCONV_CHECK(launched == cudaSuccess,
                  "cuda_probe: expected the kernel to start, got: ", cudaGetErrorString(launched));
  return y;
}

}  // namespace
}  // namespace torchconv::cuda

STABLE_TORCH_LIBRARY_FRAGMENT(torchconv, m) { m.def("cuda_probe(Tensor x) -> Tensor"); }

// For every device, so that a tensor elsewhere is refused with the reason and not by the dispatcher.
STABLE_TORCH_LIBRARY_IMPL(torchconv, CompositeExplicitAutograd, m) {
  m.impl("cuda_probe", TORCH_BOX(&torchconv::cuda::cuda_probe));
}
