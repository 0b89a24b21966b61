// Included once per instruction set by cpu_grad_weight.cpp.
// grad_w[c][r][s] = sum over the places of grad_y times x under tap (r, s).
#include "depthwise/products-inl.h"
#include "depthwise/cut_plane-inl.h"

namespace torchconv::ISA_NS {

using depthwise::Axis;
using depthwise::Phase;
using depthwise::Weights;

// f(J, Stride, V, whole) as compile-time numbers, for add_products.
template <int V, bool whole, class S>
static void (*pick_products(const Phase& f))(const Line<S>&) {
  if ((f.dil != 1 && f.taps != 1) || f.stride > 2) return add_products<0, 0, V, whole, S>;
  if (f.stride == 2)
    return f.taps == 3   ? add_products<3, 2, V, whole, S>
           : f.taps == 5 ? add_products<5, 2, V, whole, S>
           : f.taps == 7 ? add_products<7, 2, V, whole, S>
                         : add_products<0, 2, V, whole, S>;
  return f.taps == 3   ? add_products<3, 1, V, whole, S>
         : f.taps == 5 ? add_products<5, 1, V, whole, S>
         : f.taps == 7 ? add_products<7, 1, V, whole, S>
                       : add_products<0, 1, V, whole, S>;
}

// How the sums of channels_last are cut: each task sums rows of its own, over all channels, and the tasks' sums are
// added in their order. A block of channels has a slot of its own, since the last one overlaps the one before.
template <class S, class T = Compute<S>>
struct ChannelSums {
  int64_t rows, tasks;
  int64_t width, slots;  // of a block of channels; of all
  int64_t each;          // elements of one task's sums
  bool few;              // fewer channels than a block has

  explicit ChannelSums(const Weights& g) {
    rows = g.N * g.h.out;
    tasks = smaller(rows, g.threads == 1 ? 1 : 4 * g.threads);  // so that a slow core can take fewer
    few = g.K < kSumVectors * kLanes<T>;
    width = few ? kLanes<T> : kSumVectors * kLanes<T>;
    slots = round_up(g.K, width), each = g.taps() * slots;
  }
  int64_t bytes() const { return tasks * each * int64_t(sizeof(T)); }
  int64_t channel(const Weights& g, int64_t slot) const { return few ? slot : smaller(slot, g.K - width); }
};

// Rows [begin, end) of grad_y, of all images.
template <class S, class T = Compute<S>>
static void sum_rows_of_channels(const Weights& g, const ChannelSums<S>& plan, const S* x, const S* grad_y,
                                 int64_t begin, int64_t end, T* sums) {
  const Phase down = g.h.phase(0), across = g.w.phase(0);
  const auto run = plan.few ? add_products<0, 0, 1, false, S> : pick_products<kSumVectors, true, S>(across);
  const int64_t C = g.K, x_row = g.w.in * C, y_row = g.w.out * C;
  zero_strip(sums, plan.each);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t n = row / g.h.out, p = row % g.h.out;
    const Range inside = depthwise::taps_inside(down, p, g.h.in);
    for (int64_t slot = 0; slot < plan.slots; slot += plan.width) {
      const int64_t c = plan.channel(g, slot);
      for (int64_t r = inside.begin; r < inside.end; ++r)
        run({x + (n * g.h.in + down.source(p, r)) * x_row + across.first * C + c, grad_y + row * y_row + c, C,
             -across.first, g.w.in - across.first, C, g.w.out, across.stride, across.dil, across.taps,
             sums + r * g.w.kernel * plan.slots + slot, plan.slots, int(smaller(plan.width, C - c))});
    }
  }
}

template <class S, class T = Compute<S>>
static void grad_weight_nhwc(const Weights& g, const S* x, const S* grad_y, S* grad_w, void* workspace) {
  const ChannelSums<S> plan(g);
  T* sums = (T*)workspace;
  parallel_tasks(plan.tasks, g.threads, [&](int64_t task, int) {
    sum_rows_of_channels(g, plan, x, grad_y, task * plan.rows / plan.tasks, (task + 1) * plan.rows / plan.tasks,
                         sums + task * plan.each);
  });
  const int64_t blocks = plan.slots / plan.width;
  const int threads = plan.tasks * plan.each < 65536 ? 1 : g.threads;  // less is added before another thread wakes
  parallel_tasks(blocks, threads, [&](int64_t block, int) {
    const int64_t slot = block * plan.width, c = plan.channel(g, slot), width = smaller(plan.width, g.K - c);
    for (int64_t tap = 0; tap < g.taps(); ++tap) {
      T sum[kSumVectors * kLanes<T>];
      for (int64_t i = 0; i < plan.width; i += kLanes<T>) {
        const T* from = sums + tap * plan.slots + slot + i;
        Vector<T> v = load(from);
        for (int64_t task = 1; task < plan.tasks; ++task) v += load(from + task * plan.each);
        store(sum + i, v);
      }
      S* to = grad_w + c * g.w_k + tap / g.w.kernel * g.w_r + tap % g.w.kernel * g.w_s;
      for (int64_t i = 0; i < width; ++i) to[i * g.w_k] = S(sum[i]);
    }
  });
}

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
    for (int64_t q = 0; q < g.w.out; q += L) {
      const int lanes = int(smaller(L, g.w.out - q));
      (lanes == L ? whole : part)({s.x + (at - source.begin) * planes.pitch + line + q, y + q, planes.pitch,
                                   source.begin - at, source.end - at, g.w.out, end - begin, down.stride, down.dil,
                                   down.taps, s.sums + t * g.h.kernel * L, L, lanes});
    }
  }
}

template <class S, class T = Compute<S>>
static void grad_weight_nchw(const Weights& g, const S* x, const S* grad_y, S* grad_w, void* workspace) {
  constexpr int L = kLanes<T>;
  const Planes planes(g.h, g.w, 1, sizeof(T));
  const int64_t tasks = smaller(g.K, 4 * g.threads), x_plane = g.h.in * g.w.in, y_plane = g.h.out * g.w.out;
  parallel_tasks(tasks, g.threads, [&](int64_t task, int thread) {
    const PlaneSums<S> s(g, planes, workspace, thread);
    zero_strip(s.x, s.y - s.x);
    for (int64_t k = task * g.K / tasks; k < (task + 1) * g.K / tasks; ++k) {
      zero_strip(s.sums, g.taps() * L);
      for (int64_t n = 0; n < g.N; ++n)
        for (int64_t begin = 0; begin < g.h.out; begin += planes.strip) {
          const int64_t end = smaller(begin + planes.strip, g.h.out);
          const Range source = depthwise::rows_between(g.h, begin, end);
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

template <class S>
static void run_grad_weight(Layout layout, const Weights& g, const S* x, const S* grad_y, S* grad_w, void* workspace) {
  (layout == Layout::nhwc ? grad_weight_nhwc<S> : grad_weight_nchw<S>)(g, x, grad_y, grad_w, workspace);
}

template <class S, class T = Compute<S>>
static int64_t grad_weight_workspace(Layout layout, const Weights& g) {
  if (layout == Layout::nhwc) return ChannelSums<S>(g).bytes();
  return g.threads * PlaneSums<S>(g, Planes(g.h, g.w, 1, sizeof(T)), nullptr, 0).bytes;
}

}  // namespace torchconv::ISA_NS
