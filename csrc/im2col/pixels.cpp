#include "im2col/pixels.h"

#include "common/parallel.h"
#include "common/simd.h"

#define TORCHCONV_WITH_BF16
#define TORCHCONV_INL "im2col/pixels-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::im2col {

void run_pixels(Isa isa, DType dtype, const Gather& g, const PixelOperands& o) {
  dispatch_dtype(dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_BF16(S, isa, run_pixels<S>, g, o);
  });
}

void pack_pixels_weights(Isa isa, DType dtype, const Gather& g, const void* w, void* to) {
  dispatch_dtype(dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_BF16(S, isa, pack_all_weights<S>, g, w, to);
  });
}

int64_t packed_weights_bytes(Isa isa, DType dtype, const Gather& g) {
  return dispatch_dtype(dtype, [&](auto s) {
    using S = decltype(s);
    return TORCHCONV_DISPATCH_BF16(S, isa, packed_weights_bytes<S>, g);
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
