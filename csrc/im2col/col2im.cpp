#include "im2col/col2im.h"

#include "common/parallel.h"
#include "common/simd.h"

#define TORCHCONV_INL "im2col/col2im-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::im2col {

void run_col2im(const ConvProblem& p, const void* grad_y, const void* w, const void* bias, void* grad_x,
                void* workspace) {
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(p.isa, run_col2im, p, (const S*)grad_y, (const S*)w, (const S*)bias, (S*)grad_x, workspace);
  });
}

int64_t col2im_workspace(const ConvProblem& p) {
  return dispatch_dtype(p.dtype,
                        [&](auto s) { return TORCHCONV_DISPATCH_ISA(p.isa, col2im_workspace<decltype(s)>, p); });
}

double col2im_tile_macs(const ConvProblem& p) {
  return dispatch_dtype(p.dtype,
                        [&](auto s) { return TORCHCONV_DISPATCH_ISA(p.isa, col2im_tile_macs<decltype(s)>, p); });
}

}  // namespace torchconv::im2col
