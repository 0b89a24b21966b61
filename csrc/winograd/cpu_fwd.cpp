#include "winograd/images.h"
#include "winograd/winograd.h"

namespace torchconv::winograd {

void run_fwd(const ConvProblem& p, const ConvOperands& o, int64_t m) {
  run_images(p.isa, p.dtype, forward_gather(p), {o.a, o.b, o.bias, o.out, o.workspace, p.epilogue, o.residual}, m);
}

void pack_fwd(const ConvProblem& p, const void* w, void* to, int64_t m) {
  pack_images(p.isa, p.dtype, forward_gather(p), w, to, m);
}
int64_t pack_bytes_fwd(const ConvProblem& p, int64_t m) {
  return packed_images_bytes(p.isa, p.dtype, forward_gather(p), m);
}

int64_t workspace_fwd(const ConvProblem& p, int64_t m) {
  return images_workspace(p.isa, p.dtype, forward_gather(p), m);
}

}  // namespace torchconv::winograd
