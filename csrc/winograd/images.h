// The driver shared by forward and grad_input.
#pragma once
#include "winograd/tiles.h"

namespace torchconv::winograd {

struct ImageOperands {
  const void *a, *b, *bias;
  void *out, *workspace;
  Epilogue epilogue;
  const void* residual = nullptr;
};

void run_images(Isa isa, DType dtype, const Gather& g, const ImageOperands&, int64_t m);
// What g.packed expects in the place of b; the same for any pixels and threads.
void pack_images(Isa isa, DType dtype, const Gather& g, const void* w, void* to, int64_t m);
int64_t packed_images_bytes(Isa isa, DType dtype, const Gather& g, int64_t m);
int64_t images_workspace(Isa isa, DType dtype, const Gather& g, int64_t m);  // bytes

}  // namespace torchconv::winograd
