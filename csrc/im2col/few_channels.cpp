#include "im2col/few_channels.h"

#include "common/axis.h"
#include "common/parallel.h"
#include "common/simd.h"

#define TORCHCONV_INL "im2col/few_channels-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::im2col {

void run_few_channels(const ConvProblem& p, const void* x, const void* grad_y, void* grad_w, void* workspace) {
  dispatch_wide(p.dtype, [&](auto t) {
    using T = decltype(t);
    TORCHCONV_DISPATCH_ISA(p.isa, run_few_channels, p, (const T*)x, (const T*)grad_y, (T*)grad_w, (T*)workspace);
  });
}

int64_t few_channels_workspace(const ConvProblem& p) {
  return dispatch_wide(p.dtype,
                       [&](auto t) { return TORCHCONV_DISPATCH_ISA(p.isa, few_channels_workspace<decltype(t)>, p); });
}

double few_channels_tile_macs(const ConvProblem& p) {
  return dispatch_wide(p.dtype,
                       [&](auto t) { return TORCHCONV_DISPATCH_ISA(p.isa, few_channels_tile_macs<decltype(t)>, p); });
}

}  // namespace torchconv::im2col
