// grad_weight where x has few channels (a stem, a thin 1x1 layer), in channels_last: the elements under one row of the
// kernel lie one after another in memory, so that nothing is packed and grad_y is not turned.
#pragma once
#include "common/problem.h"

namespace torchconv::im2col {

// A 1x1 layer whose pixels are all met, one after another.
inline bool joins_rows(const ConvProblem& p) {
  return p.R * p.S == 1 && p.stride_h == 1 && p.stride_w == 1 && p.pad_top == 0 && p.pad_left == 0 && p.P == p.H &&
         p.Q == p.W;
}

// Up to so many channels of a 1x1 layer; more where a pixel's are no whole cache lines, since im2col would pack them. 8
// images in float32, 24 to 58 channels at 56x56 and 28x28 1.6x to 1.8x, 48 to 48 1.15x, 116 to 116 1.07x; 64 to 64 as
// fast. Of few pixels to clear the sums and to store them counts: 48 to 512 channels, 49 pixels, 0.4x.
constexpr int64_t kFewWholeLines = 48, kFewBrokenLines = 128, kLeastJoinedPixels = 512;
inline int64_t most_channels(const ConvProblem& p) {
  if (!joins_rows(p)) return 8;
  if (p.N * p.P * p.Q < kLeastJoinedPixels) return 0;
  return p.C * itemsize(p.dtype) % 64 == 0 ? kFewWholeLines : kFewBrokenLines;
}

// The sums of a thread have to stay in its caches.
inline bool has_few_channels(const ConvProblem& p) {
  return p.pass == Pass::grad_weight && p.layout == Layout::nhwc && p.G == 1 && !p.has_depth() && p.dil_w == 1 &&
         itemsize(p.dtype) >= 4 && p.C <= most_channels(p) && (p.S == 1 || p.S * p.C <= 64) &&
         p.R * p.S * p.C * p.K <= (1 << 16);
}

void run_few_channels(const ConvProblem& p, const void* x, const void* grad_y, void* grad_w, void* workspace);
int64_t few_channels_workspace(const ConvProblem& p);  // bytes
double few_channels_tile_macs(const ConvProblem& p);

}  // namespace torchconv::im2col
