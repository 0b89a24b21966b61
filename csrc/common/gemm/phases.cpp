#include "common/gemm/phases.h"

#include "common/half.h"
#include "common/parallel.h"

namespace torchconv {

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

void fill_unreached(const ConvProblem& p, const void* bias, void* grad_x) {
  int64_t reached = 0;
  for_each_phase(p, [&](const Gather& g) { reached += g.pixels(); });
  if (reached == p.N * p.D * p.H * p.W) return;
  dispatch_dtype(p.dtype,
                 [&](auto s) { fill(p, static_cast<const decltype(s)*>(bias), static_cast<decltype(s)*>(grad_x)); });
}

}  // namespace torchconv
