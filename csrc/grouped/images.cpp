#include "grouped/images.h"

#include "common/parallel.h"
#include "common/simd.h"
#include "grouped/grouped.h"

#define TORCHCONV_INL "grouped/images-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::grouped {

void run_images(const ConvProblem& p, const ConvOperands& o) {
  dispatch_dtype(p.dtype, [&](auto s) { TORCHCONV_DISPATCH_ISA(p.isa, run_images<decltype(s)>, images_of(p), o); });
}

int64_t images_workspace(const ConvProblem& p) {
  return dispatch_dtype(
      p.dtype, [&](auto s) { return TORCHCONV_DISPATCH_ISA(p.isa, images_workspace<decltype(s)>, images_of(p)); });
}

int64_t pack_bytes_fwd(const ConvProblem& p) {
  return dispatch_dtype(p.dtype,
                        [&](auto s) { return TORCHCONV_DISPATCH_ISA(p.isa, packed_bytes<decltype(s)>, images_of(p)); });
}

void pack_fwd(const ConvProblem& p, const void* w, void* to) {
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(p.isa, pack_images_weights, images_of(p), (const S*)w, to);
  });
}

}  // namespace torchconv::grouped
