#include "pool/pool.h"

#include <atomic>

#include "common/parallel.h"
#include "common/simd.h"
#include "pool/scratch.h"

#define TORCHCONV_INL "pool/pool-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::pool {

int64_t pool_workspace(const PoolProblem& p) {
  if (p.layout == Layout::nhwc) return 0;
  return (p.gradient && p.origin == Origin::tap ? TapScratch(p).bytes : Scratch(p).bytes) * p.threads;
}

void max_pool(const PoolProblem& p, const void* x, void* y, void* origins, void* workspace) {
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(p.isa, max_pool, p, (const S*)x, (S*)y, origins, workspace);
  });
}

void max_pool_grad(const PoolProblem& p, const void* grad_y, const void* origins, void* grad_x, void* workspace) {
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    TORCHCONV_DISPATCH_ISA(p.isa, max_pool_grad, p, (const S*)grad_y, origins, (S*)grad_x, workspace);
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

// Where in its plane the element stands that tap `tap` of window `window` takes; -1 for kNoTap.
static int64_t index_of(const PoolProblem& p, int64_t window, Tap tap) {
  if (tap == kNoTap) return -1;
  int64_t index = 0, step = 1, t = tap;
  for (int i = 2; i >= 0; --i) {
    const Axis& a = p.axis[i];
    index += step * (window % a.out * a.stride - a.pad + t % a.kernel * a.dil);
    step *= a.in, window /= a.out, t /= a.kernel;
  }
  return index;
}

bool max_pool_gather(const PoolProblem& p, const void* x, const void* origins, void* y) {
  // In NCHW a plane's elements lie side by side; in channels_last they are C apart, and the channels side by side.
  const int64_t step = p.layout == Layout::nchw ? 1 : p.C, X = p.x_plane(), Y = p.y_plane();
  std::atomic<bool> inside{true};
  dispatch_dtype(p.dtype, [&](auto s) {
    using S = decltype(s);
    parallel_tasks(p.N * p.C / step, p.threads, [&](int64_t task, int) {
      const S* from = static_cast<const S*>(x) + task * X * step;
      for (int64_t window = 0, i = task * Y * step; window < Y; ++window)
        for (int64_t c = 0; c < step; ++c, ++i) {
          const int64_t index = p.origin == Origin::tap ? index_of(p, window, static_cast<const Tap*>(origins)[i])
                                                        : static_cast<const int64_t*>(origins)[i];
          if (index >= X) inside = false;
          static_cast<S*>(y)[i] = uint64_t(index) < uint64_t(X) ? from[index * step + c] : S{};
        }
    });
  });
  return inside;
}

template <class U>
static void shuffle_bits(const PoolProblem& p, int64_t groups, const void* x, void* y) {
  TORCHCONV_DISPATCH_ISA(p.isa, channel_shuffle, p, groups, (const U*)x, (U*)y);
}

void channel_shuffle(const PoolProblem& p, int64_t groups, const void* x, void* y) {
  switch (itemsize(p.dtype)) {
    case 2: return shuffle_bits<uint16_t>(p, groups, x, y);
    case 4: return shuffle_bits<uint32_t>(p, groups, x, y);
    default: return shuffle_bits<uint64_t>(p, groups, x, y);
  }
}

}  // namespace torchconv::pool
