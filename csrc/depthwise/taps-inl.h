// What every kernel here does at heart: a block of places, in registers, takes in the taps that reach it. In
// channels_last the lanes are channels and the places of a block follow each other along W; in NCHW the lanes are
// neighbours along W and the places follow each other along H. Taps along the axis of the block are "inner".
#include "depthwise/blocks-inl.h"

namespace torchconv::ISA_NS {

// A tap along the outer axis: where the block's position 0 is, and the weight of its first inner tap.
template <class S, class T>
struct OuterTap {
  const S* src;
  const T* w;
};

// Position j of a block lies j * step further on, and exists where begin <= j < end. Place u takes in its tap i < taps
// from position u * stride + i * dil, with the weight that is i * w_step further on.
struct InnerTaps {
  int64_t step, begin, end;
  int64_t stride, dil, taps, w_step;
};

// J inner taps without dilation. Every position is loaded once and goes into all sums that it is part of.
template <int J, int Stride, int V, bool channels, class S, class T = Compute<S>>
TORCHCONV_INLINE void add_taps(const S* src, const T* w, const InnerTaps& k, int64_t skipped,
                               Vector<T> (&sum)[kBlock][V]) {
  constexpr int L = kLanes<T>;
  Vector<T> weight[J][V];
  w += skipped * k.w_step, src += skipped * k.step;
#pragma GCC unroll 16
  for (int i = 0; i < J; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) weight[i][v] = channels ? load(w + i * k.w_step + v * L) : broadcast(w + i * k.w_step);
  const int64_t begin = k.begin - skipped;
  const uint64_t exist = k.end > k.begin ? k.end - k.begin : 0;
#pragma GCC unroll 32
  for (int j = 0; j < (kBlock - 1) * Stride + J; ++j, src += k.step) {
    if (uint64_t(j - begin) >= exist) continue;
    Vector<T> x[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) x[v] = load(src + v * L), keep_in_register(x[v]);
#pragma GCC unroll 16
    for (int u = 0; u < kBlock; ++u) {
      const int i = j - u * Stride;
      if (i < 0 || i >= J) continue;
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[u][v] += x[v] * weight[i][v];
    }
  }
}

// One inner tap, of any stride and dilation; the first `lanes` of a vector exist.
template <int V, bool channels, class S, class T = Compute<S>>
TORCHCONV_INLINE void add_tap(const S* src, const T* w, const InnerTaps& k, int64_t i, int lanes,
                              Vector<T> (&sum)[kBlock][V]) {
  constexpr int L = kLanes<T>;
  Vector<T> weight[V];
  for (int v = 0; v < V; ++v)
    weight[v] = channels ? load_part(w + i * k.w_step + v * L, lanes) : broadcast(w + i * k.w_step);
#pragma GCC unroll 16
  for (int u = 0; u < kBlock; ++u) {
    const int64_t j = u * k.stride + i * k.dil;
    if (j < k.begin || j >= k.end) continue;
    for (int v = 0; v < V; ++v) sum[u][v] += load_part(src + j * k.step + v * L, lanes) * weight[v];
  }
}

// All taps of a block. J: how many inner taps there are, or 0 for any number. Stride: 1 or 2, without dilation; or 0
// for any stride and dilation. src_at and w_at are added to every outer tap's pointers.
template <int J, int Stride, int V, bool channels, class S, class T = Compute<S>>
TORCHCONV_INLINE void sum_taps(const OuterTap<S, T>* outer, int64_t outer_taps, int64_t src_at, int64_t w_at,
                               const InnerTaps& k, int lanes, Vector<T> (&sum)[kBlock][V]) {
#pragma GCC unroll 16
  for (int u = 0; u < kBlock; ++u)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[u][v] = Vector<T>{};
  for (int64_t o = 0; o < outer_taps; ++o) {
    const S* src = outer[o].src + src_at;
    const T* w = outer[o].w + w_at;
    if constexpr (Stride == 0) {
      for (int64_t i = 0; i < k.taps; ++i) add_tap<V, channels>(src, w, k, i, lanes, sum);
    } else if constexpr (J > 0) {
      add_taps<J, Stride, V, channels>(src, w, k, 0, sum);
    } else {
      int64_t i = 0;
      for (; i + kTapsAtOnce <= k.taps; i += kTapsAtOnce) add_taps<kTapsAtOnce, Stride, V, channels>(src, w, k, i, sum);
      if (i + 5 <= k.taps) add_taps<5, Stride, V, channels>(src, w, k, i, sum), i += 5;
      if (i + 3 <= k.taps) add_taps<3, Stride, V, channels>(src, w, k, i, sum), i += 3;
      for (; i < k.taps; ++i) add_taps<1, Stride, V, channels>(src, w, k, i, sum);
    }
  }
}

// f(J, Stride) as compile-time numbers, for sum_taps.
template <class F>
TORCHCONV_INLINE auto with_taps(int64_t taps, int64_t stride, int64_t dil, const F& f) {
  using any = integer<0>;
  if ((dil != 1 && taps != 1) || stride > 2) return f(any(), any());
  if (stride == 2)
    return taps == 3   ? f(integer<3>(), integer<2>())
           : taps == 5 ? f(integer<5>(), integer<2>())
           : taps == 7 ? f(integer<7>(), integer<2>())
                       : f(any(), integer<2>());
  return taps == 3   ? f(integer<3>(), integer<1>())
         : taps == 5 ? f(integer<5>(), integer<1>())
         : taps == 7 ? f(integer<7>(), integer<1>())
                     : f(any(), integer<1>());
}

}  // namespace torchconv::ISA_NS
