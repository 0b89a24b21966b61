// grad_x, one phase of the stride at a time (gather.h), or scattered where x has few channels (col2im.h).
#include <algorithm>

#include "common/half.h"
#include "common/parallel.h"
#include "im2col/col2im.h"
#include "im2col/im2col.h"
#include "im2col/pixels.h"

namespace torchconv::im2col {

// Calls f with each phase that has pixels.
template <class F>
static void for_each_phase(const ConvProblem& p, const F& f) {
  for (int64_t t = 0; t < phases(p.T, p.stride_d, p.dil_d); ++t)
    for (int64_t r = 0; r < phases(p.R, p.stride_h, p.dil_h); ++r)
      for (int64_t s = 0; s < phases(p.S, p.stride_w, p.dil_w); ++s)
        if (const Gather g = phase_gather(p, t, r, s); g.pixels()) f(g);
}

// grad_x = bias everywhere, for the pixels that no tap reaches.
template <class T>
static void fill(const ConvProblem& p, const T* bias, T* grad_x) {
  const int64_t channel = p.D * p.H * p.W;
  const int threads = p.N * p.C * channel < 100000 ? 1 : p.threads;
  parallel_tasks(p.N * (p.layout == Layout::nchw ? p.C : channel), threads, [&](int64_t task, int) {
    if (p.layout == Layout::nchw)
      std::fill_n(grad_x + task * channel, channel, bias ? bias[task % p.C] : T(0));
    else if (bias)
      std::copy_n(bias, p.C, grad_x + task * p.C);
    else
      std::fill_n(grad_x + task * p.C, p.C, T(0));
  });
}

template <class T>
static void run(const ConvProblem& p, const ConvOperands& o) {
  int64_t reached = 0;
  for_each_phase(p, [&](const Gather& g) { reached += g.pixels(); });
  if (reached < p.N * p.D * p.H * p.W) fill(p, (const T*)o.bias, (T*)o.out);
  for_each_phase(p, [&](const Gather& g) { run_pixels(p.isa, p.dtype, g, {o.a, o.b, o.bias, o.out, o.workspace}); });
}

void run_grad_input(const ConvProblem& p, const ConvOperands& o) {
  if (scatters(p)) return run_col2im(p, o.a, o.b, o.bias, o.out, o.workspace);
  dispatch_dtype(p.dtype, [&](auto s) { run<decltype(s)>(p, o); });
}

int64_t workspace_grad_input(const ConvProblem& p) {
  if (scatters(p)) return col2im_workspace(p);
  int64_t most = 0;
  for_each_phase(p, [&](const Gather& g) { most = std::max(most, pixels_workspace(p.isa, p.dtype, g)); });
  return most;
}

double tile_macs_grad_input(const ConvProblem& p) {
  if (scatters(p)) return col2im_tile_macs(p);
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
