#include "common/parallel.h"
#include "common/simd.h"
#include "common/gemm/gather.h"
#include "im2col/im2col.h"

#define TORCHCONV_INL "common/gemm/grad_weight-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::im2col {

void run_grad_weight(const ConvProblem& p, const ConvOperands& o) {
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(p.isa, run_grad_weight, flatten(forward_gather(p)), (const S*)o.a, (const S*)o.b, (S*)o.out,
                           o.workspace);
  });
}

int64_t workspace_grad_weight(const ConvProblem& p) {
  return dispatch_dtype(p.dtype, [&](auto s) {
    return TORCHCONV_DISPATCH_ISA(p.isa, grad_weight_workspace<decltype(s)>, flatten(forward_gather(p)));
  });
}

double tile_macs_grad_weight(const ConvProblem& p) {
  return dispatch_dtype(p.dtype, [&](auto s) {
    return TORCHCONV_DISPATCH_ISA(p.isa, grad_weight_tile_macs<decltype(s)>, flatten(forward_gather(p)));
  });
}

}  // namespace torchconv::im2col
