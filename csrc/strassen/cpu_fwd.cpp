#include "strassen/pixels.h"
#include "strassen/strassen.h"

namespace torchconv::strassen {

void run_fwd(const ConvProblem& p, const ConvOperands& o) {
  run_pixels(p.isa, p.dtype, forward_gather(p), o.a, o.b, o.bias, o.out, o.workspace, false);
}

int64_t workspace_fwd(const ConvProblem& p) { return pixels_workspace(p.isa, p.dtype, forward_gather(p)); }

}  // namespace torchconv::strassen
