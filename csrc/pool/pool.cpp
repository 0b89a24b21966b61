#include "pool/pool.h"

#include <atomic>
#include <cstring>

#include "common/parallel.h"
#include "common/simd.h"
#include "pool/scratch.h"

#define TORCHCONV_INL "pool/pool-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::pool {

int64_t pool_workspace(const PoolProblem& p) { return p.layout == Layout::nchw ? Scratch(p).bytes * p.threads : 0; }

void max_pool(const PoolProblem& p, const void* x, void* y, int64_t* indices, void* workspace) {
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(p.isa, max_pool, p, (const S*)x, (S*)y, indices, workspace);
  });
}

void max_pool_grad(const PoolProblem& p, const void* grad_y, const int64_t* indices, void* grad_x, void* workspace) {
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(p.isa, max_pool_grad, p, (const S*)grad_y, indices, (S*)grad_x, workspace);
  });
}

void avg_pool(const PoolProblem& p, const void* x, void* y, void* workspace) {
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(p.isa, avg_pool, p, (const S*)x, (S*)y, workspace);
  });
}

void avg_pool_grad(const PoolProblem& p, const void* grad_y, void* grad_x, void* workspace) {
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(p.isa, avg_pool_grad, p, (const S*)grad_y, (S*)grad_x, workspace);
  });
}

bool max_pool_gather(const PoolProblem& p, const void* x, const int64_t* indices, void* y) {
  // In NCHW a plane's elements lie side by side; in channels_last they are C apart, and the channels side by side.
  const int64_t step = p.layout == Layout::nchw ? 1 : p.C, X = p.x_plane(), Y = p.y_plane();
  std::atomic<bool> inside{true};
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    parallel_tasks(p.N * p.C / step, p.threads, [&](int64_t task, int) {
      const S* from = static_cast<const S*>(x) + task * X * step;
      for (int64_t i = task * Y * step, end = i + Y * step, c = 0; i < end; ++i) {
        if (indices[i] >= X) inside = false;
        static_cast<S*>(y)[i] = uint64_t(indices[i]) < uint64_t(X) ? from[indices[i] * step + c] : S{};
        if (++c == step) c = 0;
      }
    });
  });
  return inside;
}

// Channels g * each + j to j * groups + g, for rows of C elements. With the groups known (G), the compiler interleaves
// vectors.
template <int G, class S>
static void shuffle_row(const S* __restrict x, int64_t groups, int64_t each, S* __restrict y) {
  const int64_t count = G ? G : groups;
  for (int64_t j = 0; j < each; ++j)
    for (int64_t g = 0; g < count; ++g) y[j * count + g] = x[g * each + j];
}

void channel_shuffle(const PoolProblem& p, int64_t groups, const void* x, void* y) {
  const int64_t each = p.C / groups, plane = p.x_plane(), bytes = plane * itemsize(p.dtype);
  if (p.layout == Layout::nchw) {
    const int64_t planes = p.N * p.C, tasks = 4 * int64_t(p.threads);  // a plane is too small a task
    parallel_tasks(tasks, p.threads, [&](int64_t task, int) {
      for (int64_t i = task * planes / tasks; i < (task + 1) * planes / tasks; ++i) {
        const int64_t n = i / p.C, c = i % p.C, from = c % groups * each + c / groups;
        std::memcpy((char*)y + i * bytes, (const char*)x + (n * p.C + from) * bytes, bytes);
      }
    });
    return;
  }
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    constexpr int64_t kPixels = 64;
    const int64_t pixels = p.N * plane;
    const auto row = groups == 2   ? shuffle_row<2, S>
                     : groups == 4 ? shuffle_row<4, S>
                     : groups == 8 ? shuffle_row<8, S>
                                   : shuffle_row<0, S>;
    parallel_tasks((pixels + kPixels - 1) / kPixels, p.threads, [&](int64_t task, int) {
      for (int64_t i = task * kPixels; i < (task + 1) * kPixels && i < pixels; ++i)
        row(static_cast<const S*>(x) + i * p.C, groups, each, static_cast<S*>(y) + i * p.C);
    });
  });
}

}  // namespace torchconv::pool
