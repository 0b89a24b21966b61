// The two passes whose result is an image: y from x, and grad_x from grad_y.
#pragma once
#include "grouped/strips.h"

namespace torchconv::grouped {

struct Images {
  Axis h, w;
  int64_t N, groups, sources, results;  // channels of each group
  int64_t w_group, w_source, w_result;  // strides of the weights
  int64_t w_r, w_s;
  int threads;
  bool nhwc, packed;
  bool stream;  // the result is too large to stay in the caches
  Epilogue epilogue;

  int64_t taps() const { return h.kernel * w.kernel; }
};

// Results larger than the first are written past the caches; those larger than the second are new memory of the system
// each time, whose zeros are in the caches.
constexpr int64_t kStreamBytes = 6 << 20, kNewMemoryBytes = 32 << 20;

inline Images images_of(const ConvProblem& p) {
  const bool adjoint = p.pass == Pass::grad_input;
  const int64_t bytes = p.N * (adjoint ? p.x_stride_n() : p.y_stride_n()) * itemsize(p.dtype);
  return {height(p, adjoint),
          width(p, adjoint),
          p.N,
          p.G,
          adjoint ? p.Kg() : p.Cg(),
          adjoint ? p.Cg() : p.Kg(),
          p.Kg() * p.w_stride[0],
          p.w_stride[adjoint ? 0 : 1],
          p.w_stride[adjoint ? 1 : 0],
          p.w_stride[3],
          p.w_stride[4],
          int(useful_threads(p.macs(), p.threads)),
          p.layout == Layout::nhwc,
          p.packed,
          bytes > kStreamBytes && bytes <= kNewMemoryBytes,
          p.epilogue};
}

void run_images(const ConvProblem&, const ConvOperands&);
int64_t images_workspace(const ConvProblem&);

}  // namespace torchconv::grouped
