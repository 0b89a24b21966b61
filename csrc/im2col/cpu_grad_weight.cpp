#include "common/gemm/grad_weight.h"
#include "im2col/few_channels.h"
#include "im2col/few_pixels.h"
#include "im2col/im2col.h"
#include "im2col/join_taps.h"

namespace torchconv::im2col {

void run_grad_weight(const ConvProblem& p, const ConvOperands& o) {
  if (has_few_channels(p)) return run_few_channels(p, o.a, o.b, o.out, o.workspace);
  if (takes_few_pixels(p)) return run_few_pixels(p, o);
  torchconv::run_grad_weight(p.isa, p.dtype, flatten(forward_gather(join_taps(p))), o.a, o.b, o.out, o.workspace);
}

int64_t workspace_grad_weight(const ConvProblem& p) {
  if (has_few_channels(p)) return few_channels_workspace(p);
  if (takes_few_pixels(p)) return 0;
  return grad_weight_workspace(p.isa, p.dtype, flatten(forward_gather(join_taps(p))));
}

double tile_macs_grad_weight(const ConvProblem& p) {
  if (has_few_channels(p)) return few_channels_tile_macs(p);
  if (takes_few_pixels(p)) return p.macs();
  return grad_weight_tile_macs(p.isa, p.dtype, flatten(forward_gather(join_taps(p))));
}

}  // namespace torchconv::im2col
