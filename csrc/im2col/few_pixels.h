// Pointwise products of few pixels in channels_last, as of a linear layer or of squeezed images: each weight meets so
// few that it is read where it lies, once, and its gradient is written at once.
#pragma once
#include "common/problem.h"

namespace torchconv::im2col {

// On a Zen 5, with two threads, packing first takes longer up to 12 pixels (512 to 1000 channels, 8 pixels: 1.8x
// forward, 1.4x for the gradient of the input), and weight gradients that are summed in memory up to 64 (3.4x, 1.7x).
constexpr int64_t kMostFewPixels = 12, kMostFewPixelsOfWeights = 64;

bool takes_few_pixels(const ConvProblem&);
void run_few_pixels(const ConvProblem&, const ConvOperands&);

}  // namespace torchconv::im2col
