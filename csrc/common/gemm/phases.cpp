#include "common/gemm/phases.h"

#include "common/half.h"
#include "common/parallel.h"

namespace torchconv {

template <class T>
static void fill(const ConvProblem& p, const T* bias, T* grad_x) {
  const bool nchw = p.layout == Layout::nchw;
  const int64_t plane = p.D * p.H * p.W, rows = p.N * (nchw ? p.C : plane), row = nchw ? plane : p.C;
  // A few pages a task: a pixel at a time took twice as long (256 channels).
  const int64_t each = std::max<int64_t>(1, (16 << 10) / row);
  const int threads = rows * row < 100000 ? 1 : p.threads;
  parallel_tasks((rows + each - 1) / each, threads, [&](int64_t task, int) {
    for (int64_t i = task * each; i < std::min(rows, (task + 1) * each); ++i)
      if (nchw || !bias)
        std::fill_n(grad_x + i * row, row, bias ? bias[i % p.C] : T(0));
      else
        std::copy_n(bias, row, grad_x + i * row);
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
