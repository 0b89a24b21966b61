#include "common/parallel.h"
#include "common/simd.h"
#include "grouped/grouped.h"
#include "grouped/weights.h"

#define TORCHCONV_INL "grouped/grad_weight-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::grouped {

void run_grad_weight(const ConvProblem& p, const ConvOperands& o) {
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(p.isa, run_grad_weight, weights_of(p), (const S*)o.a, (const S*)o.b, (S*)o.out, o.workspace);
  });
}

int64_t workspace_grad_weight(const ConvProblem& p) {
  return dispatch_dtype(p.dtype, [&](auto s) {
    return TORCHCONV_DISPATCH_ISA(p.isa, grad_weight_workspace<decltype(s)>, weights_of(p));
  });
}

}  // namespace torchconv::grouped
