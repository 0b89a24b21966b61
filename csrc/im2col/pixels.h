// The driver shared by forward and grad_input: a matrix product over the pixels of a Gather.
#pragma once
#include "common/gemm/gather.h"

namespace torchconv::im2col {

void run_pixels(Isa isa, DType dtype, const Gather& g, const void* src, const void* w, const void* bias, void* dst,
                void* workspace);
int64_t pixels_workspace(Isa isa, DType dtype, const Gather& g);  // bytes
double pixels_tile_macs(Isa isa, DType dtype, const Gather& g);   // multiply-adds with the tiles' tails

}  // namespace torchconv::im2col
