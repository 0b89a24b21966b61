// grad_weight where x has few channels (a stem), in channels_last: the elements under one row of the kernel lie one
// after another in memory, so that nothing is packed and grad_y is not turned.
#pragma once
#include "common/problem.h"

namespace torchconv::im2col {

// The sums of a thread have to stay in its caches.
inline bool has_few_channels(const ConvProblem& p) {
  return p.pass == Pass::grad_weight && p.layout == Layout::nhwc && p.G == 1 && !p.has_depth() && p.dil_w == 1 &&
         itemsize(p.dtype) >= 4 && p.C <= 8 && p.S * p.C <= 64 && p.R * p.S * p.C * p.K <= (1 << 16);
}

void run_few_channels(const ConvProblem& p, const void* x, const void* grad_y, void* grad_w, void* workspace);
int64_t few_channels_workspace(const ConvProblem& p);  // bytes
double few_channels_tile_macs(const ConvProblem& p);

}  // namespace torchconv::im2col
