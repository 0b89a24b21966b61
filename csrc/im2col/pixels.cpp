#include "im2col/pixels.h"

#include "common/parallel.h"
#include "common/simd.h"

#define TORCHCONV_INL "im2col/pixels-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::im2col {

void run_pixels(Isa isa, DType dtype, const Gather& g, const void* src, const void* w, const void* bias, void* dst,
                void* workspace) {
  dispatch_dtype(dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(isa, run_pixels, g, (const S*)src, (const S*)w, (const S*)bias, (S*)dst, workspace);
  });
}

int64_t pixels_workspace(Isa isa, DType dtype, const Gather& g) {
  return dispatch_dtype(dtype, [&](auto s) { return TORCHCONV_DISPATCH_ISA(isa, pixels_workspace<decltype(s)>, g); });
}

double pixels_tile_macs(Isa isa, DType dtype, const Gather& g) {
  return dispatch_dtype(dtype, [&](auto s) { return TORCHCONV_DISPATCH_ISA(isa, pixels_tile_macs<decltype(s)>, g); });
}

}  // namespace torchconv::im2col
