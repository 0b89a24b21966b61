// grad_x, one phase of the stride at a time: all of them read the same sums of grad_y.
#include <algorithm>

#include "common/gemm/phases.h"
#include "strassen/pixels.h"
#include "strassen/strassen.h"

namespace torchconv::strassen {

void run_grad_input(const ConvProblem& p, const ConvOperands& o) {
  fill_unreached(p, o.bias, o.out);
  bool summed = false;
  for_each_phase(p, [&](const Gather& g) {
    run_pixels(p.isa, p.dtype, g, o.a, o.b, o.bias, o.out, o.workspace, summed);
    summed = true;
  });
}

int64_t workspace_grad_input(const ConvProblem& p) {
  int64_t most = 0;
  for_each_phase(p, [&](const Gather& g) { most = std::max(most, pixels_workspace(p.isa, p.dtype, g)); });
  return most;
}

}  // namespace torchconv::strassen
