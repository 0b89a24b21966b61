#include "common/gemm/grad_weight.h"

#include "common/parallel.h"
#include "common/simd.h"

#define TORCHCONV_WITH_BF16
#define TORCHCONV_INL "common/gemm/grad_weight-inl.h"
#include "common/foreach_isa.h"

namespace torchconv {

void run_grad_weight(Isa isa, DType dtype, const Gather& g, const void* x, const void* grad_y, void* grad_w,
                     void* workspace) {
  dispatch_dtype(dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_BF16(S, isa, run_grad_weight, g, (const S*)x, (const S*)grad_y, (S*)grad_w, workspace);
  });
}

int64_t grad_weight_workspace(Isa isa, DType dtype, const Gather& g) {
  return dispatch_dtype(dtype, [&](auto s) {
    using S = decltype(s);
    return TORCHCONV_DISPATCH_BF16(S, isa, grad_weight_workspace<S>, g);
  });
}

double grad_weight_tile_macs(Isa isa, DType dtype, const Gather& g) {
  return dispatch_dtype(dtype, [&](auto s) {
    using S = decltype(s);
    return TORCHCONV_DISPATCH_BF16(S, isa, grad_weight_tile_macs<S>, g);
  });
}

}  // namespace torchconv
