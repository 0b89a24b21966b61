// What the weight gradient does at heart: products of x and grad_y summed for several taps at once, in registers, over
// the places of a line. In channels_last the lanes are channels and a line is a row; in NCHW the lanes are neighbours
// along W and a line is a column of such vectors.
#include "depthwise/blocks-inl.h"

namespace torchconv::ISA_NS {

// Position j of x lies j * x_step further on, and exists where begin <= j < end. Place u < count of grad_y lies
// u * y_step further on and meets tap i < taps at position u * stride + i * dil. The sums of tap i are i * sum_step
// further on. Lines follow each other x_line and y_line further on. The first `lanes` of a vector exist.
template <class S>
struct Lines {
  const S *x, *y;
  int64_t count_of_lines, x_line, y_line;
  int64_t x_step, begin, end;
  int64_t y_step, count;
  int64_t stride, dil, taps;
  Compute<S>* sums;
  int64_t sum_step;
  int lanes;
};

template <bool whole, class S>
TORCHCONV_INLINE Vector<Compute<S>> load_lanes(const S* p, int lanes) {
  return whole ? load(p) : load_part(p, lanes);
}

// U places of J taps, without dilation. x is at position 0 of the first tap, of which [begin, begin + exist) exist.
template <int J, int Stride, int U, int V, bool whole, class S, class T = Compute<S>>
TORCHCONV_INLINE void add_places(const Lines<S>& l, const S* x, const S* y, int64_t begin, uint64_t exist,
                                 Vector<T> (&sum)[J][V]) {
  constexpr int L = kLanes<T>;
  Vector<T> grad[U][V];
#pragma GCC unroll 16
  for (int k = 0; k < U; ++k)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) grad[k][v] = load_lanes<whole>(y + k * l.y_step + v * L, l.lanes);
#pragma GCC unroll 32
  for (int j = 0; j < (U - 1) * Stride + J; ++j, x += l.x_step) {
    if (uint64_t(j - begin) >= exist) continue;
    Vector<T> at[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) at[v] = load_lanes<whole>(x + v * L, l.lanes), keep_in_register(at[v]);
#pragma GCC unroll 16
    for (int k = 0; k < U; ++k) {
      const int tap = j - k * Stride;
      if (tap < 0 || tap >= J) continue;
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[tap][v] += at[v] * grad[k][v];
    }
  }
}

// All places of all lines, for taps [i, i + J).
template <int J, int Stride, int V, bool whole, class S, class T = Compute<S>>
TORCHCONV_INLINE void add_lines(const Lines<S>& l, int64_t i) {
  constexpr int L = kLanes<T>, U = kBlock;
  T* to = l.sums + i * l.sum_step;
  Vector<T> sum[J][V] = {};  // onto those before at the end, so that chains of rounded sums stay short
  const uint64_t exist = l.end > l.begin ? l.end - l.begin : 0;
  for (int64_t line = 0; line < l.count_of_lines; ++line) {
    const S *x = l.x + line * l.x_line + i * l.x_step, *y = l.y + line * l.y_line;
    int64_t u = 0, begin = l.begin - i;
    for (; u + U <= l.count; u += U, x += U * Stride * l.x_step, y += U * l.y_step, begin -= U * Stride)
      add_places<J, Stride, U, V, whole>(l, x, y, begin, exist, sum);
    for (; u < l.count; ++u, x += Stride * l.x_step, y += l.y_step, begin -= Stride)
      add_places<J, Stride, 1, V, whole>(l, x, y, begin, exist, sum);
  }
#pragma GCC unroll 16
  for (int k = 0; k < J; ++k)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      T* const at = to + k * l.sum_step + v * L;
      store(at, load(at) + sum[k][v]);
    }
}

// All places of all lines, for one tap, of any stride and dilation: four sums, since one would wait for itself.
template <int V, bool whole, class S, class T = Compute<S>>
TORCHCONV_INLINE void add_lines_of_tap(const Lines<S>& l, int64_t i) {
  constexpr int L = kLanes<T>;
  const int64_t first = i * l.dil, before = l.begin - first, after = l.end - first;
  const int64_t begin = before > 0 ? ceil_div(before, l.stride) : 0;
  const int64_t end = after > 0 ? smaller(l.count, ceil_div(after, l.stride)) : 0;
  const int64_t x_step = l.stride * l.x_step;
  T* to = l.sums + i * l.sum_step;
  Vector<T> sum[4][V] = {};
  const auto add = [&](int k, const S* x, const S* y) __attribute__((always_inline)) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v)
      sum[k][v] += load_lanes<whole>(x + v * L, l.lanes) * load_lanes<whole>(y + v * L, l.lanes);
  };
  for (int64_t line = 0; line < l.count_of_lines; ++line) {
    const S *x = l.x + line * l.x_line + begin * x_step + first * l.x_step,
            *y = l.y + line * l.y_line + begin * l.y_step;
    int64_t u = begin;
    for (; u + 4 <= end; u += 4, x += 4 * x_step, y += 4 * l.y_step)
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) add(k, x + k * x_step, y + k * l.y_step);
    for (; u < end; ++u, x += x_step, y += l.y_step) add(0, x, y);
  }
#pragma GCC unroll 2
  for (int v = 0; v < V; ++v) store(to + v * L, load(to + v * L) + ((sum[0][v] + sum[1][v]) + (sum[2][v] + sum[3][v])));
}

// All taps. J: how many there are, or 0 for any number. Stride: 1 or 2, without dilation; or 0 for any stride
// and dilation.
template <int J, int Stride, int V, bool whole, class S>
static void add_products(const Lines<S>& l) {
  int64_t i = 0;
  if constexpr (Stride > 0 && J > 0) {
    add_lines<J, Stride, V, whole>(l, 0);
    i = J;
  } else if constexpr (Stride > 0) {
    for (; i + kTapsAtOnce <= l.taps; i += kTapsAtOnce) add_lines<kTapsAtOnce, Stride, V, whole>(l, i);
    if (i + 5 <= l.taps) add_lines<5, Stride, V, whole>(l, i), i += 5;
    if (i + 3 <= l.taps) add_lines<3, Stride, V, whole>(l, i), i += 3;
  }
  for (; i < l.taps; ++i) add_lines_of_tap<V, whole>(l, i);
}

}  // namespace torchconv::ISA_NS
