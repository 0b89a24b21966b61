// The weight gradient in channels_last: lanes are channels, and each task sums rows of its own.
#include "depthwise/ahead-inl.h"

namespace torchconv::ISA_NS {

using depthwise::Weights;

// f(J, Stride, V, whole) as compile-time numbers, for add_products.
template <int V, bool whole, class S>
static void (*pick_products(const Phase& f))(const Lines<S>&) {
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
  int64_t width, slots;  // of a block of channels, whose sums are [tap][channel]; of all
  int64_t each;          // elements of one task's sums

  explicit ChannelSums(const Weights& g) {
    rows = g.N * g.h.out;
    tasks = smaller(rows, g.threads == 1 ? 1 : 4 * g.threads);  // so that a slow core can take fewer
    width = kLanes<T> * (g.K < kVectorsOfChannels * kLanes<T> ? 1 : kVectorsOfChannels);
    slots = round_up(g.K, width), each = g.taps() * slots;
  }
  int64_t bytes() const { return tasks * each * int64_t(sizeof(T)); }
  int64_t channel(const Weights& g, int64_t slot) const { return g.K < width ? slot : smaller(slot, g.K - width); }
};

// Short rows are worked on together, so that sums stay in registers for longer: up to 3x on maps of 7 and 14.
TORCHCONV_INLINE int64_t rows_at_once(const Weights& g) { return larger(1, 56 / g.w.out); }

// Rows of grad_y of one image, `slots` of channels.
template <class S, class T = Compute<S>>
static void sum_rows_of_channels(const Weights& g, const ChannelSums<S>& plan, const S* x, const S* grad_y,
                                 const Range& rows, const Range& slots, Ahead& next_x, Ahead& next_y, T* sums) {
  const Phase down = g.h.phase(0), across = g.w.phase(0);
  const auto run = g.K < plan.width          ? add_products<0, 0, 1, false, S>
                   : plan.width == kLanes<T> ? pick_products<1, true, S>(across)
                                             : pick_products<kVectorsOfChannels, true, S>(across);
  const int64_t C = g.K, x_row = g.w.in * C, y_row = g.w.out * C, at_once = rows_at_once(g);
  for (int64_t p = rows.begin; p < rows.end; p += at_once) {
    const int64_t end = smaller(p + at_once, rows.end);
    next_x.fetch(), next_y.fetch();
    for (int64_t slot = slots.begin; slot < slots.end; slot += plan.width) {
      const int64_t c = plan.channel(g, slot);
      for (int64_t r = 0; r < g.h.kernel; ++r) {
        const Range inside = places_inside(down, r, g.h.in);
        const int64_t first = larger(p, inside.begin), last = smaller(end, inside.end);
        if (first >= last) continue;
        run({x + down.source(first, r) * x_row + across.first * C + c, grad_y + first * y_row + c, last - first,
             down.stride * x_row, y_row, C, -across.first, g.w.in - across.first, C, g.w.out, across.stride, across.dil,
             across.taps, sums + slot * g.taps() + r * g.w.kernel * plan.width, plan.width,
             int(smaller(plan.width, C - c))});
      }
    }
  }
}

// grad_w of `channels` channels from sums [tap][width] that are in `parts` parts.
template <class S, class T = Compute<S>>
static void write_sums(const Weights& g, const T* sums, int64_t parts, int64_t part, int64_t width, int64_t channels,
                       S* grad_w) {
  for (int64_t r = 0; r < g.h.kernel; ++r)
    for (int64_t t = 0; t < g.w.kernel; ++t, sums += width) {
      T sum[kVectorsOfChannels * kLanes<T>];
      for (int64_t i = 0; i < width; i += kLanes<T>) {
        Vector<T> v = load(sums + i);
        for (int64_t k = 1; k < parts; ++k) v += load(sums + k * part + i);
        store(sum + i, v);
      }
      S* to = grad_w + r * g.w_r + t * g.w_s;
      for (int64_t c = 0; c < channels; ++c) to[c * g.w_k] = S(sum[c]);
    }
}

template <class S, class T = Compute<S>>
static void grad_weight_nhwc(const Weights& g, const S* x, const S* grad_y, S* grad_w, void* workspace) {
  const ChannelSums<S> plan(g);
  T* sums = (T*)workspace;
  // Strips in the L2 cache, and rows under a kernel in the L1 cache: as in images_nhwc-inl.h.
  const int64_t row_bytes = g.w.in * int64_t(sizeof(S)), strip = strip_rows(g.h, row_bytes * g.K);
  const int64_t chunk = plan.width * larger(1, kRowsInL1 / (row_bytes * g.h.kernel * plan.width));
  const int64_t at_once = rows_at_once(g), y_row_bytes = g.w.out * int64_t(sizeof(S));
  const bool far_x = g.N * g.h.in * row_bytes * g.K >= kAheadBytes,
             far_y = g.N * g.h.out * y_row_bytes * g.K >= kAheadBytes;
  parallel_tasks(plan.tasks, g.threads, [&](int64_t task, int) {
    T* own = sums + task * plan.each;
    zero(own, plan.each);
    const int64_t end = (task + 1) * plan.rows / plan.tasks;
    for (int64_t row = task * plan.rows / plan.tasks, next; row < end; row = next) {
      const int64_t n = row / g.h.out, p = row % g.h.out;
      next = smaller(smaller(row + strip, end), (n + 1) * g.h.out);
      const int64_t after = smaller(next + strip, end),
                    pieces = ceil_div(next - row, at_once) * ceil_div(plan.slots, chunk);
      Ahead next_x(far_x, x, g.h.in, g.h.out, g.N, row_bytes * g.K, next, after, pieces);
      Ahead next_y(far_y, grad_y, 1, 1, g.N * g.h.out, y_row_bytes * g.K, next, after, pieces);
      for (int64_t slot = 0; slot < plan.slots; slot += chunk)
        sum_rows_of_channels(g, plan, x + n * g.h.in * g.w.in * g.K, grad_y + n * g.h.out * g.w.out * g.K,
                             Range{p, p + next - row}, Range{slot, smaller(slot + chunk, plan.slots)}, next_x, next_y,
                             own);
    }
  });
  const int64_t blocks = plan.slots / plan.width;
  const int threads = plan.tasks * plan.each < 65536 ? 1 : g.threads;  // less is added before another thread wakes
  parallel_tasks(blocks, threads, [&](int64_t block, int) {
    const int64_t slot = block * plan.width, c = plan.channel(g, slot);
    write_sums(g, sums + slot * g.taps(), plan.tasks, plan.each, plan.width, smaller(plan.width, g.K - c),
               grad_w + c * g.w_k);
  });
}

}  // namespace torchconv::ISA_NS
