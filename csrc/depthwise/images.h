// The two passes whose result is an image: y from x, and grad_x from grad_y.
#pragma once
#include "common/axis.h"

namespace torchconv::depthwise {

struct Images {
  Axis h, w;
  int64_t N, sources, results;  // channels
  int64_t joined;               // sources that one result sums over: the multiplier in grad_input, else 1
  int64_t shared;               // results that one source goes into: the multiplier in forward, else 1
  int64_t w_k, w_r, w_s;        // strides of the weights
  int threads;
  bool stream;  // the result is too large to stay in the caches
  Epilogue epilogue;

  int64_t taps() const { return h.kernel * w.kernel; }
};

// Results larger than the first are written past the caches: 1.4x on 96 to 144 channels at 56x56, batch 8. Those larger
// than the second are new memory of the system each time, whose zeros are in the caches: 0.83x.
constexpr int64_t kStreamBytes = 6 << 20, kNewMemoryBytes = 32 << 20;

inline Images images_of(const ConvProblem& p) {
  const bool adjoint = p.pass == Pass::grad_input;
  const int64_t m = p.K / p.C, bytes = p.N * (adjoint ? p.x_stride_n() : p.y_stride_n()) * itemsize(p.dtype);
  return {height(p, adjoint),
          width(p, adjoint),
          p.N,
          adjoint ? p.K : p.C,
          adjoint ? p.C : p.K,
          adjoint ? m : 1,
          adjoint ? 1 : m,
          p.w_stride[0],
          p.w_stride[3],
          p.w_stride[4],
          int(useful_threads(p.macs(), p.threads)),
          bytes > kStreamBytes && bytes <= kNewMemoryBytes,
          p.epilogue};
}

void run_images(const ConvProblem&, const ConvOperands&);
int64_t images_workspace(const ConvProblem&);

}  // namespace torchconv::depthwise
