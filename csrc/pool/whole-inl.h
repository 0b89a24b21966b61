// Averages in NCHW whose one window is the whole plane: a plane is one run of elements.
#include "common/sum_lanes-inl.h"

namespace torchconv::ISA_NS {

template <class S, class T = Compute<S>>
TORCHCONV_INLINE T sum_run(const S* x, int64_t count) {
  constexpr int L = kLanes<T>;
  Vector<T> sum[4] = {};
  int64_t i = 0;
  for (; i + 4 * L <= count; i += 4 * L)
#pragma GCC unroll 4
    for (int u = 0; u < 4; ++u) sum[u] += load(x + i + u * L);
  for (; i + L <= count; i += L) sum[0] += load(x + i);
  if (i < count) sum[1] += load_part(x + i, int(count - i));
  return sum_lanes<T>((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

template <class T>
static T whole_divisor(const PoolProblem& p) {
  if (p.divisor) return T(p.divisor);
  T count = 1;
  for (const Axis& a : p.axis) count *= T(a.count(0, p.count_pad));
  return count;
}

template <class F>
TORCHCONV_INLINE void for_each_plane(const PoolProblem& p, const F& f) {
  const int64_t planes = p.N * p.C, tasks = 4 * int64_t(p.threads);
  parallel_tasks(tasks, p.threads, [&](int64_t task, int) {
    for (int64_t i = task * planes / tasks; i < (task + 1) * planes / tasks; ++i) f(i);
  });
}

template <class S>
static void avg_whole(const PoolProblem& p, const S* x, S* y) {
  using T = Compute<S>;
  const T divisor = whole_divisor<T>(p);
  const int64_t size = p.x_plane();
  for_each_plane(p, [&](int64_t i) { y[i] = S(sum_run(x + i * size, size) / divisor); });
}

template <class S>
static void avg_whole_grad(const PoolProblem& p, const S* grad_y, S* grad_x) {
  using T = Compute<S>;
  constexpr int L = kLanes<T>;
  const T divisor = whole_divisor<T>(p);
  const int64_t size = p.x_plane();
  for_each_plane(p, [&](int64_t i) {
    const Vector<T> share = Vector<T>{} + T(grad_y[i]) / divisor;
    S* to = grad_x + i * size;
    int64_t j = 0;
    for (; j + L <= size; j += L) store(to + j, share);
    if (j < size) store_part(to + j, share, int(size - j));
  });
}

}  // namespace torchconv::ISA_NS
