// grad_input where x has few channels (a stem): one product for all taps, then scattered (col2im).
#pragma once
#include "common/gemm/gather.h"

namespace torchconv::im2col {

// The tiles of a product over pixels are as wide as x has channels; 3 of 16 lanes would work. Here
// they are as wide as S * R * C, 147 for a 7x7 stem, at the price of adding the results up in memory.
// A row of grad_x has to fit into a task's strip, and the packed weights and products into a few hundred KiB. With
// depth, a strip is of one plane of grad_x, and takes a product for each plane of grad_y that reaches it.
constexpr int64_t kStripBytes = 512 << 10;
inline bool scatters(const ConvProblem& p) {
  const int64_t columns = p.C * p.R * p.S;
  return p.G == 1 && p.C <= 8 && columns >= 16 && columns <= 1024 && p.K * p.T * columns <= (1 << 19) &&
         p.W * p.C * itemsize(p.dtype) <= kStripBytes;
}

void run_col2im(const ConvProblem& p, const void* grad_y, const void* w, const void* bias, void* grad_x,
                void* workspace);
int64_t col2im_workspace(const ConvProblem& p);  // bytes
double col2im_tile_macs(const ConvProblem& p);

}  // namespace torchconv::im2col
