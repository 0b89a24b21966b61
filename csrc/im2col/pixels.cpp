#include "im2col/pixels.h"

#include "common/parallel.h"
#include "common/simd.h"

#define TORCHCONV_INL "im2col/pixels-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::im2col {

void run_pixels(Isa isa, DType dtype, const Gather& g, const void* src, const void* w, const void* bias, void* dst,
                void* workspace) {
  if (dtype == DType::f32)
    TORCHCONV_DISPATCH_ISA(isa, run_pixels, g, (const float*)src, (const float*)w, (const float*)bias, (float*)dst,
                           workspace);
  else
    TORCHCONV_DISPATCH_ISA(isa, run_pixels, g, (const double*)src, (const double*)w, (const double*)bias, (double*)dst,
                           workspace);
}

int64_t pixels_workspace(Isa isa, DType dtype, const Gather& g) {
  return dtype == DType::f32 ? TORCHCONV_DISPATCH_ISA(isa, pixels_workspace<float>, g)
                             : TORCHCONV_DISPATCH_ISA(isa, pixels_workspace<double>, g);
}

double pixels_tile_macs(Isa isa, DType dtype, const Gather& g) {
  return dtype == DType::f32 ? TORCHCONV_DISPATCH_ISA(isa, pixels_tile_macs<float>, g)
                             : TORCHCONV_DISPATCH_ISA(isa, pixels_tile_macs<double>, g);
}

}  // namespace torchconv::im2col
