#include "im2col/pixels.h"

#include "common/parallel.h"
#include "common/simd.h"

#define TORCHCONV_WITH_BF16
#define TORCHCONV_INL "im2col/pixels-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::im2col {

void run_pixels(Isa isa, DType dtype, const Gather& g, const void* src, const void* w, const void* bias, void* dst,
                void* workspace) {
  dispatch_dtype(dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_BF16(S, isa, run_pixels, g, (const S*)src, (const S*)w, (const S*)bias, (S*)dst, workspace);
  });
}

int64_t pixels_workspace(Isa isa, DType dtype, const Gather& g) {
  return dispatch_dtype(dtype, [&](auto s) {
    using S = decltype(s);
    return TORCHCONV_DISPATCH_BF16(S, isa, pixels_workspace<S>, g);
  });
}

double pixels_tile_macs(Isa isa, DType dtype, const Gather& g) {
  return dispatch_dtype(dtype, [&](auto s) {
    using S = decltype(s);
    return TORCHCONV_DISPATCH_BF16(S, isa, pixels_tile_macs<S>, g);
  });
}

}  // namespace torchconv::im2col
