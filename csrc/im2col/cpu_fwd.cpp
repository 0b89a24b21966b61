#include "im2col/few_pixels.h"
#include "im2col/im2col.h"
#include "im2col/join_taps.h"
#include "im2col/pixels.h"

namespace torchconv::im2col {

static Gather gather_of(const ConvProblem& p) { return forward_gather(join_taps(p)); }

void run_fwd(const ConvProblem& p, const ConvOperands& o) {
  if (takes_few_pixels(p)) return run_few_pixels(p, o);
  run_pixels(p.isa, p.dtype, gather_of(p), {o.a, o.b, o.bias, o.out, o.workspace, p.epilogue, o.residual});
}

void pack_fwd(const ConvProblem& p, const void* w, void* to) {
  pack_pixels_weights(p.isa, p.dtype, gather_of(p), w, to);
}
int64_t pack_bytes_fwd(const ConvProblem& p) {
  return takes_few_pixels(p) ? 0 : packed_weights_bytes(p.isa, p.dtype, gather_of(p));
}

int64_t workspace_fwd(const ConvProblem& p) {
  return takes_few_pixels(p) ? 0 : pixels_workspace(p.isa, p.dtype, gather_of(p));
}
double tile_macs_fwd(const ConvProblem& p) {
  return takes_few_pixels(p) ? p.macs() : pixels_tile_macs(p.isa, p.dtype, gather_of(p));
}

}  // namespace torchconv::im2col
