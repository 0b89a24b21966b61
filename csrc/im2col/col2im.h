// grad_input where x has few channels (a stem): one product for all taps, then scattered (col2im).
#pragma once
#include "im2col/gather.h"

namespace torchconv::im2col {

// The tiles of a product over pixels are as wide as x has channels; 3 of 16 lanes would work. Here
// they are as wide as S * R * C, 147 for a 7x7 stem, at the price of adding the results up in memory.
inline bool scatters(const ConvProblem& p) { return p.G == 1 && p.C <= 8 && p.C * p.R * p.S >= 16; }

void run_col2im(const ConvProblem& p, const void* grad_y, const void* w, const void* bias, void* grad_x,
                void* workspace);
int64_t col2im_workspace(const ConvProblem& p);  // bytes
double col2im_tile_macs(const ConvProblem& p);

}  // namespace torchconv::im2col
