// The weight gradient in NCHW: lanes are neighbours along W, and each task has channels of its own.
#include "depthwise/cut_plane-inl.h"

namespace torchconv::ISA_NS {

// One thread's part of the workspace in NCHW: a strip of x, one of grad_y where that must be converted, and the sums of
// one channel, [s][r][lane].
template <class S, class T = Compute<S>>
struct PlaneSums {
  T *x, *y, *sums;
  int64_t bytes;

  PlaneSums(const Weights& g, const Planes& planes, void* workspace, int thread) {
    const int64_t x_size = planes.rows * planes.pitch + kLanes<T>, sums_size = g.taps() * kLanes<T>,
                  y_size = kComputedAsStored<S> ? 0 : round_up(planes.strip * g.w.out, 16);
    bytes = round_up((x_size + y_size + sums_size) * int64_t(sizeof(T)), 64);
    x = (T*)((char*)workspace + thread * bytes), y = x + x_size, sums = y + y_size;
  }
};

// Places [begin, end) along H; rows `source` of x stand in s, and y is the first of the rows of grad_y.
template <class S, class T = Compute<S>>
static void sum_strip_of_plane(const Weights& g, const Planes& planes, const PlaneSums<S>& s, const Range& source,
                               int64_t begin, int64_t end, const T* y) {
  constexpr int L = kLanes<T>;
  const Phase down = g.h.phase(0), across = g.w.phase(0);
  const auto whole = pick_products<1, true, T>(down), part = pick_products<1, false, T>(down);
  const int64_t at = down.source(begin, 0);
  for (int64_t t = 0; t < across.taps; ++t) {
    const int64_t column = t * across.dil, line = column % planes.cut * planes.length + column / planes.cut;
    const int64_t vectors = g.w.out / L;
    Lines<T> l{s.x + (at - source.begin) * planes.pitch + line,
               y,
               vectors,
               L,
               L,
               planes.pitch,
               source.begin - at,
               source.end - at,
               g.w.out,
               end - begin,
               down.stride,
               down.dil,
               down.taps,
               s.sums + t * g.h.kernel * L,
               L,
               L};
    if (vectors) whole(l);
    l.x += vectors * L, l.y += vectors * L, l.count_of_lines = 1, l.lanes = int(g.w.out % L);
    if (l.lanes) part(l);
  }
}

template <class S, class T = Compute<S>>
static void grad_weight_nchw(const Weights& g, const S* x, const S* grad_y, S* grad_w, void* workspace) {
  constexpr int L = kLanes<T>;
  const Planes planes(g.h, g.w, 1, sizeof(T));
  const int64_t tasks = smaller(g.K, 4 * g.threads), x_plane = g.h.in * g.w.in, y_plane = g.h.out * g.w.out;
  parallel_tasks(tasks, g.threads, [&](int64_t task, int thread) {
    const PlaneSums<S> s(g, planes, workspace, thread);
    zero(s.x, s.y - s.x);
    for (int64_t k = task * g.K / tasks; k < (task + 1) * g.K / tasks; ++k) {
      zero(s.sums, g.taps() * L);
      for (int64_t n = 0; n < g.N; ++n)
        for (int64_t begin = 0; begin < g.h.out; begin += planes.strip) {
          const int64_t end = smaller(begin + planes.strip, g.h.out);
          const Range source = rows_between(g.h, begin, end);
          const S* y = grad_y + (n * g.K + k) * y_plane + begin * g.w.out;
          cut_rows(planes, g.w.in, x + (n * g.C + k / (g.K / g.C)) * x_plane, source, s.x);
          if constexpr (kComputedAsStored<S>) {
            sum_strip_of_plane(g, planes, s, source, begin, end, y);
          } else {
            cut_row(y, (end - begin) * g.w.out, 0, 1, s.y, 0);
            sum_strip_of_plane(g, planes, s, source, begin, end, s.y);
          }
        }
      for (int64_t t = 0; t < g.w.kernel; ++t)
        for (int64_t r = 0; r < g.h.kernel; ++r) {
          const T* lanes = s.sums + (t * g.h.kernel + r) * L;
          T sum = lanes[0];
          for (int i = 1; i < L; ++i) sum += lanes[i];
          grad_w[k * g.w_k + r * g.w_r + t * g.w_s] = S(sum);
        }
    }
  });
}

}  // namespace torchconv::ISA_NS
