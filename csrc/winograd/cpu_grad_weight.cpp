#include "common/parallel.h"
#include "common/simd.h"
#include "winograd/tiles.h"
#include "winograd/winograd.h"

#define TORCHCONV_INL "winograd/grad_weight-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::winograd {

void run_grad_weight(const ConvProblem& p, const ConvOperands& o, int64_t m) {
  dispatch_dtype(p.dtype, [&](auto s) {
    TORCHCONV_DISPATCH_ISA(p.isa, winograd::run_grad_weight<decltype(s)>, forward_gather(p), o, m);
  });
}

int64_t workspace_grad_weight(const ConvProblem& p, int64_t m) {
  return dispatch_dtype(p.dtype, [&](auto s) {
    return TORCHCONV_DISPATCH_ISA(p.isa, winograd::grad_weight_workspace<decltype(s)>, forward_gather(p), m);
  });
}

}  // namespace torchconv::winograd
