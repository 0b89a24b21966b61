#include "winograd/images.h"

#include "common/parallel.h"
#include "common/simd.h"

#define TORCHCONV_INL "winograd/images-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::winograd {

void run_images(Isa isa, DType dtype, const Gather& g, const ImageOperands& o, int64_t m) {
  dispatch_dtype(dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(isa, winograd::run_images<S>, g, o, m);
  });
}

void pack_images(Isa isa, DType dtype, const Gather& g, const void* w, void* to, int64_t m) {
  dispatch_dtype(dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(isa, winograd::pack_images<S>, g, w, to, m);
  });
}

int64_t packed_images_bytes(Isa isa, DType dtype, const Gather& g, int64_t m) {
  return dispatch_dtype(
      dtype, [&](auto s) { return TORCHCONV_DISPATCH_ISA(isa, winograd::packed_images_bytes<decltype(s)>, g, m); });
}

int64_t images_workspace(Isa isa, DType dtype, const Gather& g, int64_t m) {
  return dispatch_dtype(
      dtype, [&](auto s) { return TORCHCONV_DISPATCH_ISA(isa, winograd::images_workspace<decltype(s)>, g, m); });
}

}  // namespace torchconv::winograd
