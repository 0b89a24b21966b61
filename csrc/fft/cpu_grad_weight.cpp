#include "common/parallel.h"
#include "common/simd.h"
#include "fft/fft.h"
#include "fft/weight_gradient.h"

#define TORCHCONV_INL "fft/grad_weight-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::fft {

void run_grad_weight(const ConvProblem& p, const ConvOperands& o) {
  const WeightGradient g = weight_gradient_of(p);
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(p.isa, run_grad_weight, g, (const S*)o.a, (const S*)o.b, (S*)o.out, o.workspace);
  });
}

int64_t workspace_grad_weight(const ConvProblem& p) {
  const WeightGradient g = weight_gradient_of(p);
  return dispatch_dtype(p.dtype,
                        [&](auto s) { return TORCHCONV_DISPATCH_ISA(p.isa, grad_weight_workspace<decltype(s)>, g); });
}

}  // namespace torchconv::fft
