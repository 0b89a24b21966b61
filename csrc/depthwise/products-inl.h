// What the weight gradient does at heart: products of x and grad_y summed for several taps at once, in registers, over
// the places of a line. In channels_last the lanes are channels and a line is a row; in NCHW the lanes are neighbours
// along W and a line is a column of such vectors.
#include "common/simd-inl.h"
#include "common/cut-inl.h"

namespace torchconv::ISA_NS {

using depthwise::Range;

constexpr int kPlacesAtOnce = 7;  // whose grad_y is in registers: see kBlock in taps-inl.h
constexpr int kTapsAtOnce = 7;
constexpr int kSumVectors = TORCHCONV_ISA == 2 ? 2 : 1;  // of channels

// Position j of x lies j * x_step further on, and exists where begin <= j < end. Place u < count of grad_y lies
// u * y_step further on and meets tap i < taps at position u * stride + i * dil. The sums of tap i are i * sum_step
// further on. The first `lanes` of a vector exist.
template <class S>
struct Line {
  const S *x, *y;
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

// Places [u, u + U) of taps [i, i + J), without dilation.
template <int J, int Stride, int U, int V, bool whole, class S, class T = Compute<S>>
TORCHCONV_INLINE void add_places(const Line<S>& l, int64_t u, int64_t i, Vector<T> (&sum)[J][V]) {
  constexpr int L = kLanes<T>;
  const S* y = l.y + u * l.y_step;
  Vector<T> grad[U][V];
#pragma GCC unroll 16
  for (int k = 0; k < U; ++k)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) grad[k][v] = load_lanes<whole>(y + k * l.y_step + v * L, l.lanes);
  const int64_t first = u * Stride + i, begin = l.begin - first;
  const uint64_t exist = l.end > l.begin ? l.end - l.begin : 0;
  const S* x = l.x + first * l.x_step;
#pragma GCC unroll 32
  for (int j = 0; j < (U - 1) * Stride + J; ++j, x += l.x_step) {
    if (uint64_t(j - begin) >= exist) continue;
    Vector<T> at[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) at[v] = load_lanes<whole>(x + v * L, l.lanes);
#pragma GCC unroll 16
    for (int k = 0; k < U; ++k) {
      const int tap = j - k * Stride;
      if (tap < 0 || tap >= J) continue;
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[tap][v] += at[v] * grad[k][v];
    }
  }
}

// All places of a line, for taps [i, i + J).
template <int J, int Stride, int V, bool whole, class S, class T = Compute<S>>
TORCHCONV_INLINE void add_line(const Line<S>& l, int64_t i) {
  constexpr int L = kLanes<T>;
  T* to = l.sums + i * l.sum_step;
  Vector<T> sum[J][V];
#pragma GCC unroll 16
  for (int k = 0; k < J; ++k)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[k][v] = load(to + k * l.sum_step + v * L);
  int64_t u = 0;
  for (; u + kPlacesAtOnce <= l.count; u += kPlacesAtOnce) add_places<J, Stride, kPlacesAtOnce, V, whole>(l, u, i, sum);
  for (; u < l.count; ++u) add_places<J, Stride, 1, V, whole>(l, u, i, sum);
#pragma GCC unroll 16
  for (int k = 0; k < J; ++k)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) store(to + k * l.sum_step + v * L, sum[k][v]);
}

// All places of a line, for one tap, of any stride and dilation: four sums, since one would wait for itself.
template <int V, bool whole, class S, class T = Compute<S>>
TORCHCONV_INLINE void add_line_of_tap(const Line<S>& l, int64_t i) {
  constexpr int L = kLanes<T>;
  const int64_t first = i * l.dil, before = l.begin - first, after = l.end - first;
  int64_t u = before > 0 ? ceil_div(before, l.stride) : 0;
  const int64_t end = after > 0 ? smaller(l.count, ceil_div(after, l.stride)) : 0;
  const S *x = l.x + (u * l.stride + first) * l.x_step, *y = l.y + u * l.y_step;
  const int64_t x_step = l.stride * l.x_step;
  T* to = l.sums + i * l.sum_step;
  Vector<T> sum[4][V] = {};
  for (; u + 4 <= end; u += 4, x += 4 * x_step, y += 4 * l.y_step)
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v)
        sum[k][v] +=
            load_lanes<whole>(x + k * x_step + v * L, l.lanes) * load_lanes<whole>(y + k * l.y_step + v * L, l.lanes);
  for (; u < end; ++u, x += x_step, y += l.y_step)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v)
      sum[0][v] += load_lanes<whole>(x + v * L, l.lanes) * load_lanes<whole>(y + v * L, l.lanes);
#pragma GCC unroll 2
  for (int v = 0; v < V; ++v) store(to + v * L, load(to + v * L) + ((sum[0][v] + sum[1][v]) + (sum[2][v] + sum[3][v])));
}

// All taps of a line. J: how many there are, or 0 for any number. Stride: 1 or 2, without dilation; or 0 for any stride
// and dilation.
template <int J, int Stride, int V, bool whole, class S>
static void add_products(const Line<S>& l) {
  int64_t i = 0;
  if constexpr (Stride > 0 && J > 0) {
    add_line<J, Stride, V, whole>(l, 0);
    i = J;
  } else if constexpr (Stride > 0) {
    for (; i + kTapsAtOnce <= l.taps; i += kTapsAtOnce) add_line<kTapsAtOnce, Stride, V, whole>(l, i);
  }
  for (; i < l.taps; ++i) add_line_of_tap<V, whole>(l, i);
}

}  // namespace torchconv::ISA_NS
