// grad_x is the convolution of grad_y with the weights turned by half a circle, outputs and channels exchanged.
#include "winograd/images.h"
#include "winograd/winograd.h"

namespace torchconv::winograd {

void run_grad_input(const ConvProblem& p, const ConvOperands& o, int64_t m) {
  run_images(p.isa, p.dtype, phase_gather(p, 0, 0, 0), {o.a, o.b, o.bias, o.out, o.workspace, {}}, m);
}

int64_t workspace_grad_input(const ConvProblem& p, int64_t m) {
  return images_workspace(p.isa, p.dtype, phase_gather(p, 0, 0, 0), m);
}

}  // namespace torchconv::winograd
