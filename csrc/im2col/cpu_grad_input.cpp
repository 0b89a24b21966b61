// grad_x, one phase of the stride at a time (gather.h), or scattered where x has few channels (col2im.h).
#include <algorithm>

#include "common/gemm/phases.h"
#include "im2col/col2im.h"
#include "im2col/few_pixels.h"
#include "im2col/im2col.h"
#include "im2col/pixels.h"

namespace torchconv::im2col {

void run_grad_input(const ConvProblem& p, const ConvOperands& o) {
  if (scatters(p)) return run_col2im(p, o.a, o.b, o.bias, o.out, o.workspace);
  if (takes_few_pixels(p)) return run_few_pixels(p, o);
  fill_unreached(p, o.bias, o.out);
  for_each_phase(p, [&](const Gather& g) { run_pixels(p.isa, p.dtype, g, {o.a, o.b, o.bias, o.out, o.workspace}); });
}

int64_t workspace_grad_input(const ConvProblem& p) {
  if (scatters(p)) return col2im_workspace(p);
  if (takes_few_pixels(p)) return 0;
  int64_t most = 0;
  for_each_phase(p, [&](const Gather& g) { most = std::max(most, pixels_workspace(p.isa, p.dtype, g)); });
  return most;
}

double tile_macs_grad_input(const ConvProblem& p) {
  if (scatters(p)) return col2im_tile_macs(p);
  if (takes_few_pixels(p)) return p.macs();
  double sum = 0;
  for_each_phase(p, [&](const Gather& g) { sum += pixels_tile_macs(p.isa, p.dtype, g); });
  return sum;
}

int64_t products_grad_input(const ConvProblem& p) {
  int64_t products = 0;
  if (!scatters(p)) for_each_phase(p, [&](const Gather&) { ++products; });
  return std::max<int64_t>(products, 1);
}

}  // namespace torchconv::im2col
