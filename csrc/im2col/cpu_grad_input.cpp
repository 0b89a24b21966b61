// grad_x, one phase of the stride at a time (gather.h), or scattered where x has few channels (col2im.h).
#include <algorithm>
#include <cstring>

#include "common/gemm/phases.h"
#include "im2col/col2im.h"
#include "im2col/few_pixels.h"
#include "im2col/im2col.h"
#include "im2col/join_taps.h"
#include "im2col/pixels.h"

namespace torchconv::im2col {

// Bytes of a bias that is repeated for each of the taps that were joined.
static int64_t repeated_bias(const ConvProblem& p) {
  return p.has_bias && joins_taps(p) ? (p.C * p.S * itemsize(p.dtype) + 63) / 64 * 64 : 0;
}

void run_grad_input(const ConvProblem& p, const ConvOperands& o) {
  if (scatters(p)) return run_col2im(p, o.a, o.b, o.bias, o.out, o.workspace);
  if (takes_few_pixels(p)) return run_few_pixels(p, o);
  const int64_t repeated = repeated_bias(p), bytes = p.C * itemsize(p.dtype);
  char* const workspace = (char*)o.workspace + repeated;
  for (int64_t s = 0; repeated && s < p.S; ++s) std::memcpy((char*)o.workspace + s * bytes, o.bias, bytes);
  const void* const bias = repeated ? o.workspace : o.bias;
  const ConvProblem joined = join_taps(p);
  fill_unreached(joined, bias, o.out);
  for_each_phase(joined, [&](const Gather& g) { run_pixels(p.isa, p.dtype, g, {o.a, o.b, bias, o.out, workspace}); });
}

int64_t workspace_grad_input(const ConvProblem& p) {
  if (scatters(p)) return col2im_workspace(p);
  if (takes_few_pixels(p)) return 0;
  int64_t most = 0;
  for_each_phase(join_taps(p), [&](const Gather& g) { most = std::max(most, pixels_workspace(p.isa, p.dtype, g)); });
  return repeated_bias(p) + most;
}

double tile_macs_grad_input(const ConvProblem& p) {
  if (scatters(p)) return col2im_tile_macs(p);
  if (takes_few_pixels(p)) return p.macs();
  double sum = 0;
  for_each_phase(join_taps(p), [&](const Gather& g) { sum += pixels_tile_macs(p.isa, p.dtype, g); });
  return sum;
}

int64_t products_grad_input(const ConvProblem& p) {
  int64_t products = 0;
  if (!scatters(p)) for_each_phase(join_taps(p), [&](const Gather&) { ++products; });
  return std::max<int64_t>(products, 1);
}

}  // namespace torchconv::im2col
