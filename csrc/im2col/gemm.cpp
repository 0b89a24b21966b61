#include "im2col/gemm.h"

#include "im2col/pixels.h"

namespace torchconv::im2col {

static Gather as_gather(const GemmProblem& p) {
  Gather g{};
  g.d = g.h = forward_axis(1, 1, 1, 1, 0, 1);
  g.w = forward_axis(p.M, p.M, 1, 1, 0, 1);
  g.N = 1, g.channels = p.K, g.outputs = p.N, g.groups = 1;
  g.src_n = g.src_h = p.M * p.K, g.src_w = p.K, g.src_c = 1;
  g.dst_n = g.dst_h = p.M * p.N, g.dst_w = p.N, g.dst_c = 1;
  g.w_in = p.b_stride_k, g.w_out = p.b_stride_n;
  g.layout = Layout::nhwc, g.threads = p.threads;
  return g;
}

void run_gemm(const GemmProblem& p, const void* a, const void* b, void* c, void* workspace) {
  run_pixels(p.isa, p.dtype, as_gather(p), {a, b, nullptr, c, workspace});
}
int64_t gemm_workspace(const GemmProblem& p) { return pixels_workspace(p.isa, p.dtype, as_gather(p)); }

}  // namespace torchconv::im2col
