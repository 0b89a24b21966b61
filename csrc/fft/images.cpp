#include "fft/images.h"

#include "common/parallel.h"
#include "common/simd.h"

#define TORCHCONV_INL "fft/images-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::fft {

void run_images(const ConvProblem& p, const ConvOperands& o) {
  const Images g = images_of(p);
  dispatch_dtype(p.dtype, [&](auto s) { TORCHCONV_DISPATCH_ISA(p.isa, run_images<decltype(s)>, g, o); });
}

int64_t images_workspace(const ConvProblem& p) {
  const Images g = images_of(p);
  return dispatch_dtype(p.dtype,
                        [&](auto s) { return TORCHCONV_DISPATCH_ISA(p.isa, images_workspace<decltype(s)>, g); });
}

}  // namespace torchconv::fft
