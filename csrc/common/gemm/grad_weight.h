// The driver of grad_weight: a matrix product whose sums run over the pixels of a Gather.
#pragma once
#include "common/gemm/gather.h"

namespace torchconv {

// grad_w is dense: rows of depth() for one output after another. g comes out of flatten().
void run_grad_weight(Isa isa, DType dtype, const Gather& g, const void* x, const void* grad_y, void* grad_w,
                     void* workspace);
int64_t grad_weight_workspace(Isa isa, DType dtype, const Gather& g);  // bytes
double grad_weight_tile_macs(Isa isa, DType dtype, const Gather& g);   // multiply-adds with the tiles' tails

}  // namespace torchconv
