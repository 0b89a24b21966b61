// What both image passes do at heart: a block of places along W, one vector of results for each, takes in the sources
// of its groups under each tap.
#include "grouped/spread-inl.h"
#include "common/finish-inl.h"

namespace torchconv::ISA_NS {

// Places of a block, as many as divide the maps of most networks; and the sources whose weights stay in registers at
// once, with those of 3 taps: 7 sums and 12 weights fit the 32 registers of AVX-512, 7 and 3 the 16 of AVX2.
constexpr int kPlaces = 7;
constexpr int kSourcesAtOnce = TORCHCONV_ISA >= 2 ? 4 : 1;
// A row of the source under a tap along H: where position 0 is, and the weights of the first tap along W.
template <class T>
struct SourceRow {
  const T *src, *w;
};

// Position j of a row lies j * step further on, and exists where begin <= j < end. Place u takes in its tap i < taps
// from position u * stride + i * dil, with the weights that are i * w_step further on. Each tap has `sources` vectors
// of weights, and a position has those of `in_plane` sources in each of its vectors (or all, where they do not share
// vectors).
template <class T>
struct SourceTaps {
  int64_t step, begin, end;
  int64_t stride, dil, taps, w_step;
  int64_t sources, in_plane;
  const Index<T>* index;
};

// Sources [i, i + I) of the plane under J taps. Position j is the at + j * at_step-th of those that exist.
template <int J, int Stride, int I, bool spread, class T>
TORCHCONV_INLINE void add_sources(const T* src, int64_t step, int64_t at, int64_t at_step, uint64_t exist, const T* w,
                                  int64_t w_step, const Index<T>* index, Vector<T> (&sum)[kPlaces]) {
  Vector<T> weight[J][I];
  Index<T> lanes[I];
#pragma GCC unroll 4
  for (int i = 0; i < I; ++i) {
    if (spread) lanes[i] = index[i];
#pragma GCC unroll 4
    for (int t = 0; t < J; ++t) weight[t][i] = load(w + t * w_step + i * kLanes<T>);
  }
#pragma GCC unroll 32
  for (int j = 0; j < (kPlaces - 1) * Stride + J; ++j, src += step, at += at_step) {
    if (uint64_t(at) >= exist) continue;
    Vector<T> x[I];
    load_sources<I, spread>(src, lanes, x);
#pragma GCC unroll 4
    for (int i = 0; i < I; ++i)
#pragma GCC unroll 16
      for (int u = 0; u < kPlaces; ++u)
        if (const int t = j - u * Stride; t >= 0 && t < J) sum[u] += x[i] * weight[t][i];
  }
}

// All sources of a tap's planes, under J taps.
template <int J, int Stride, bool spread, class T>
TORCHCONV_INLINE void add_planes(const SourceTaps<T>& k, const T* src, int64_t step, int64_t at, int64_t at_step,
                                 const T* w, Vector<T> (&sum)[kPlaces]) {
  const uint64_t exist = larger(0, k.end - k.begin);
  for (int64_t left = k.sources; left > 0; left -= k.in_plane, src += kLanes<T>) {
    const int64_t count = smaller(left, k.in_plane);
    int64_t i = 0;
    const auto add = [&](auto n) __attribute__((always_inline)) {
      constexpr int I = decltype(n)::value;
      add_sources<J, Stride, I, spread>(spread ? src : src + i, step, at, at_step, exist, w, k.w_step, k.index + i, sum);
      i += I, w += I * kLanes<T>;
    };
    while (i + kSourcesAtOnce <= count) add(integer<kSourcesAtOnce>());
    if (kSourcesAtOnce > 2 && i + 2 <= count) add(integer<2>());
    if (kSourcesAtOnce > 1 && i < count) add(integer<1>());
  }
}

// All taps of a block. Stride: 1 or 2, without dilation; or 0 for any stride and dilation.
template <int Stride, bool spread, class T>
TORCHCONV_INLINE void sum_block(const SourceRow<T>* rows, int64_t row_taps, int64_t src_at, int64_t w_at,
                                const SourceTaps<T>& k, Vector<T> (&sum)[kPlaces]) {
#pragma GCC unroll 16
  for (int u = 0; u < kPlaces; ++u) sum[u] = Vector<T>{};
  for (int64_t r = 0; r < row_taps; ++r) {
    const T *src = rows[r].src + src_at, *w = rows[r].w + w_at;
    int64_t i = 0;
    if constexpr (Stride > 0)
      for (; i + 3 <= k.taps; i += 3)
        add_planes<3, Stride, spread>(k, src + i * k.step, k.step, i - k.begin, 1, w + i * k.w_step, sum);
    for (; i < k.taps; ++i)
      add_planes<1, 1, spread>(k, src + i * k.dil * k.step, k.stride * k.step, i * k.dil - k.begin, k.stride,
                               w + i * k.w_step, sum);
  }
}

// A block of places of one row, and all that it is summed from.
template <class D, class T = Compute<D>>
struct PlaceBlock {
  const SourceRow<T>* rows;
  int64_t row_taps, src_at, w_at;
  SourceTaps<T> taps;
  const T* bias;
  D* to;
  int64_t places, to_step;
  int lanes;
  bool stream;
  const Finish<D>* after;
};

template <int Stride, bool spread, class D, class T = Compute<D>>
static void sum_places(const PlaceBlock<D>& b) {
  Vector<T> sum[kPlaces];
  sum_block<Stride, spread>(b.rows, b.row_taps, b.src_at, b.w_at, b.taps, sum);
  const Finish<D> after = *b.after;  // a copy, since what is stored could change the original
  const Vector<T> bias = load(b.bias);
  D* to = b.to;
#pragma GCC unroll 16
  for (int u = 0; u < kPlaces; ++u, to += b.to_step) {
    if (u >= b.places) break;
    finish(after, to, sum[u], bias, b.lanes, b.stream);
  }
}

template <class D>
static auto pick_sum(const Phase& across, bool spread) -> void (*)(const PlaceBlock<D>&) {
  const int stride = across.dil != 1 || across.taps < 3 || across.stride > 2 ? 0 : int(across.stride);
  const auto of = [&](auto s) {
    constexpr int Stride = decltype(s)::value;
    return spread ? sum_places<Stride, kCanSpread, D> : sum_places<Stride, false, D>;
  };
  return stride == 0 ? of(integer<0>()) : stride == 1 ? of(integer<1>()) : of(integer<2>());
}

}  // namespace torchconv::ISA_NS
