// The pass whose result is weights.
#pragma once
#include "common/axis.h"

namespace torchconv::depthwise {

struct Weights {
  Axis h, w;
  int64_t N, C, K;
  int64_t w_k, w_r, w_s;  // strides of grad_w
  int threads;

  int64_t taps() const { return h.kernel * w.kernel; }
};

inline Weights weights_of(const ConvProblem& p) {
  return {height(p, false),
          width(p, false),
          p.N,
          p.C,
          p.K,
          p.w_stride[0],
          p.w_stride[3],
          p.w_stride[4],
          int(useful_threads(p.macs(), p.threads))};
}

}  // namespace torchconv::depthwise
