#include "depthwise/images.h"

#include "common/parallel.h"
#include "common/simd.h"
#include "depthwise/planes.h"

#define TORCHCONV_INL "depthwise/images-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::depthwise {

void run_images(const ConvProblem& p, const ConvOperands& o) {
  const Images g = images_of(p);
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(p.isa, run_images<S>, way_for(p), g, o);
  });
}

int64_t images_workspace(const ConvProblem& p) {
  return dispatch_dtype(p.dtype, [&](auto s) {
    return TORCHCONV_DISPATCH_ISA(p.isa, images_workspace<decltype(s)>, way_for(p), images_of(p));
  });
}

}  // namespace torchconv::depthwise
