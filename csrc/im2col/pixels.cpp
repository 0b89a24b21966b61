#include "im2col/pixels.h"

#include "common/parallel.h"
#include "common/simd.h"

#define TORCHCONV_INL "im2col/pixels-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::im2col {

void run_pixels(Isa isa, DType dtype, const Gather& g, const PixelOperands& o) {
  dispatch_dtype(dtype, [&](auto s) { TORCHCONV_DISPATCH_ISA(isa, run_pixels<decltype(s)>, g, o); });
}

void pack_pixels_weights(Isa isa, DType dtype, const Gather& g, const void* w, void* to) {
  dispatch_dtype(dtype, [&](auto s) { TORCHCONV_DISPATCH_ISA(isa, pack_all_weights<decltype(s)>, g, w, to); });
}

int64_t packed_weights_bytes(Isa isa, DType dtype, const Gather& g) {
  return dispatch_dtype(dtype,
                        [&](auto s) { return TORCHCONV_DISPATCH_ISA(isa, packed_weights_bytes<decltype(s)>, g); });
}

int64_t pixels_workspace(Isa isa, DType dtype, const Gather& g) {
  return dispatch_dtype(dtype, [&](auto s) { return TORCHCONV_DISPATCH_ISA(isa, pixels_workspace<decltype(s)>, g); });
}

double pixels_tile_macs(Isa isa, DType dtype, const Gather& g) {
  return dispatch_dtype(dtype, [&](auto s) { return TORCHCONV_DISPATCH_ISA(isa, pixels_tile_macs<decltype(s)>, g); });
}

}  // namespace torchconv::im2col
