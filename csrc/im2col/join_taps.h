// Where a kernel is as wide as its stride, as of patches and of sub-pixel layers, in channels_last: the pixels under a
// row of the kernel are one pixel of all their channels, so that the row is one tap.
#pragma once
#include "common/problem.h"

namespace torchconv::im2col {

inline bool joins_taps(const ConvProblem& p) {
  return p.layout == Layout::nhwc && p.G == 1 && p.S > 1 && p.S == p.stride_w && p.dil_w == 1 && p.pad_left == 0 &&
         p.W == p.Q * p.S && p.w_stride[1] == 1 && p.w_stride[4] == p.C;
}

// The problem with such rows joined, or else as it is. A bias of grad_input has to be repeated S times.
inline ConvProblem join_taps(ConvProblem p) {
  if (!joins_taps(p)) return p;
  p.C *= p.S, p.W = p.Q;
  p.S = p.stride_w = 1, p.pad_right = 0;
  return p;
}

}  // namespace torchconv::im2col
