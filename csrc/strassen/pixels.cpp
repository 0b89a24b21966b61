#include "strassen/pixels.h"

#include "common/parallel.h"
#include "common/simd.h"

#define TORCHCONV_INL "strassen/pixels-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::strassen {

void run_pixels(Isa isa, DType dtype, const Gather& g, const void* src, const void* w, const void* bias, void* dst,
                void* workspace, bool summed) {
  dispatch_wide(dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(isa, run_strassen, g, (const S*)src, (const S*)w, (const S*)bias, (S*)dst, workspace,
                           summed);
  });
}

int64_t pixels_workspace(Isa isa, DType dtype, const Gather& g) {
  return dispatch_wide(dtype, [&](auto s) { return TORCHCONV_DISPATCH_ISA(isa, strassen_workspace<decltype(s)>, g); });
}

}  // namespace torchconv::strassen
