#include "im2col/col2im.h"

#include "common/parallel.h"
#include "common/simd.h"

#define TORCHCONV_INL "im2col/col2im-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::im2col {

void run_col2im(const ConvProblem& p, const void* grad_y, const void* w, const void* bias, void* grad_x,
                void* workspace) {
  if (p.dtype == DType::f32)
    TORCHCONV_DISPATCH_ISA(p.isa, run_col2im, p, (const float*)grad_y, (const float*)w, (const float*)bias,
                           (float*)grad_x, workspace);
  else
    TORCHCONV_DISPATCH_ISA(p.isa, run_col2im, p, (const double*)grad_y, (const double*)w, (const double*)bias,
                           (double*)grad_x, workspace);
}

int64_t col2im_workspace(const ConvProblem& p) {
  return p.dtype == DType::f32 ? TORCHCONV_DISPATCH_ISA(p.isa, col2im_workspace<float>, p)
                               : TORCHCONV_DISPATCH_ISA(p.isa, col2im_workspace<double>, p);
}

double col2im_tile_macs(const ConvProblem& p) {
  return p.dtype == DType::f32 ? TORCHCONV_DISPATCH_ISA(p.isa, col2im_tile_macs<float>, p)
                               : TORCHCONV_DISPATCH_ISA(p.isa, col2im_tile_macs<double>, p);
}

}  // namespace torchconv::im2col
