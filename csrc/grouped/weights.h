// The pass whose result is weights.
#pragma once
#include "grouped/strips.h"

namespace torchconv::grouped {

struct Weights {
  Axis h, w;
  int64_t N, groups, sources, results;  // channels of each group: of x, of grad_y
  int64_t w_k, w_c, w_r, w_s;           // strides of grad_w
  int threads;
  bool nhwc;

  int64_t taps() const { return h.kernel * w.kernel; }
};

inline Weights weights_of(const ConvProblem& p) {
  return {height(p, false),
          width(p, false),
          p.N,
          p.G,
          p.Cg(),
          p.Kg(),
          p.w_stride[0],
          p.w_stride[1],
          p.w_stride[3],
          p.w_stride[4],
          int(useful_threads(p.macs(), p.threads)),
          p.layout == Layout::nhwc};
}

}  // namespace torchconv::grouped
