#include "im2col/few_pixels.h"

#include "common/gemm/gather.h"
#include "common/parallel.h"
#include "common/simd.h"

#define TORCHCONV_INL "im2col/few_pixels-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::im2col {

static Gather gather_of(const ConvProblem& p) {
  return p.pass == Pass::grad_input ? phase_gather(p, 0, 0, 0) : forward_gather(p);
}

bool takes_few_pixels(const ConvProblem& p) {
  const Gather g = gather_of(p);
  if (p.packed || g.layout != Layout::nhwc || !is_pointwise(g)) return false;
  if (p.pass == Pass::grad_weight) return g.pixels() <= kMostFewPixelsOfWeights && g.w_in == 1;
  return g.pixels() <= kMostFewPixels && (g.w_in == 1 || g.w_out == 1);
}

void run_few_pixels(const ConvProblem& p, const ConvOperands& o) {
  const Gather g = gather_of(p);
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    if (p.pass == Pass::grad_weight)
      TORCHCONV_DISPATCH_ISA(p.isa, grad_weight_of_few<S>, g, o);
    else
      TORCHCONV_DISPATCH_ISA(p.isa, product_of_few<S>, g, p.epilogue, o);
  });
}

}  // namespace torchconv::im2col
