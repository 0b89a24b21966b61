// The driver shared by forward and grad_input: a matrix product over the pixels of a Gather.
#pragma once
#include "common/gemm/gather.h"

namespace torchconv::im2col {

struct PixelOperands {
  const void *src, *w, *bias;
  void *dst, *workspace;
  Epilogue epilogue;
  const void* residual = nullptr;  // as dst
};

void run_pixels(Isa isa, DType dtype, const Gather& g, const PixelOperands&);
// What g.packed expects in the place of w; the same for any pixels and threads.
void pack_pixels_weights(Isa isa, DType dtype, const Gather& g, const void* w, void* to);
int64_t packed_weights_bytes(Isa isa, DType dtype, const Gather& g);
int64_t pixels_workspace(Isa isa, DType dtype, const Gather& g);  // bytes
double pixels_tile_macs(Isa isa, DType dtype, const Gather& g);   // multiply-adds with the tiles' tails

}  // namespace torchconv::im2col
