#include "common/parallel.h"
#include "common/simd.h"
#include "im2col/gather.h"
#include "im2col/im2col.h"

#define TORCHCONV_INL "im2col/grad_weight-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::im2col {

void run_grad_weight(const ConvProblem& p, const ConvOperands& o) {
  const Gather g = flatten(forward_gather(p));
  if (p.dtype == DType::f32)
    TORCHCONV_DISPATCH_ISA(p.isa, run_grad_weight, g, (const float*)o.a, (const float*)o.b, (float*)o.out, o.workspace);
  else
    TORCHCONV_DISPATCH_ISA(p.isa, run_grad_weight, g, (const double*)o.a, (const double*)o.b, (double*)o.out,
                           o.workspace);
}

int64_t workspace_grad_weight(const ConvProblem& p) {
  const Gather g = flatten(forward_gather(p));
  return p.dtype == DType::f32 ? TORCHCONV_DISPATCH_ISA(p.isa, grad_weight_workspace<float>, g)
                               : TORCHCONV_DISPATCH_ISA(p.isa, grad_weight_workspace<double>, g);
}

double tile_macs_grad_weight(const ConvProblem& p) {
  const Gather g = flatten(forward_gather(p));
  return p.dtype == DType::f32 ? TORCHCONV_DISPATCH_ISA(p.isa, grad_weight_tile_macs<float>, g)
                               : TORCHCONV_DISPATCH_ISA(p.isa, grad_weight_tile_macs<double>, g);
}

}  // namespace torchconv::im2col
