#include "im2col/im2col.h"
#include "im2col/pixels.h"

namespace torchconv::im2col {

void run_fwd(const ConvProblem& p, const ConvOperands& o) {
  run_pixels(p.isa, p.dtype, forward_gather(p), o.a, o.b, o.bias, o.out, o.workspace);
}

int64_t workspace_fwd(const ConvProblem& p) { return pixels_workspace(p.isa, p.dtype, forward_gather(p)); }
double tile_macs_fwd(const ConvProblem& p) { return pixels_tile_macs(p.isa, p.dtype, forward_gather(p)); }

}  // namespace torchconv::im2col
