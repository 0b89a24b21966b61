// The driver of forward and grad_input: Strassen's product over the pixels of a Gather.
#pragma once
#include "strassen/halves.h"

namespace torchconv::strassen {

// float32 and float64. The sums of the source stand at the start of the workspace, and depend on nothing but the
// source: summed says that an earlier call with the same source has left them there.
void run_pixels(Isa isa, DType dtype, const Gather& g, const void* src, const void* w, const void* bias, void* dst,
                void* workspace, bool summed);
int64_t pixels_workspace(Isa isa, DType dtype, const Gather& g);  // bytes

}  // namespace torchconv::strassen
