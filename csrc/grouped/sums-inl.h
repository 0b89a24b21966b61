// What both image passes do at heart: a block of places along W, one vector of results for each, takes in the sources
// of its groups under each tap.
#include "grouped/spread-inl.h"
#include "common/finish-inl.h"

namespace torchconv::ISA_NS {

// A row of the source under a tap along H: where its place 0 is, and the weights of the first tap along W.
template <class T>
struct SourceRow {
  const T *src, *w;
};

// Places of a row lie `step` apart. The u-th of a block takes in its tap t < taps from place u * stride + t * dil, with
// the weights that are t * w_step further on: a vector for each source. `in_plane` sources share a vector, or all are
// neighbours where that is all.
template <class T>
struct SourceTaps {
  int64_t step, stride, dil, taps, w_step;
  int64_t sources, in_plane;
  const Index<T>* index;
};

// Places of a long block, where a row has as many: half as many starts, permutations and loads of weights.
constexpr int kManyPlaces = TORCHCONV_ISA >= 2 ? 2 * kPlaces : kPlaces;

// One source under J taps. Taking sources one by one, every sum is added to once in a while: 1.3x of adding all sources
// of a place to its three sums.
template <int J, int Stride, Spread spread, int U, class T>
TORCHCONV_INLINE void add_source(const T* src, int64_t step, const T* w, int64_t w_step, const Index<T>& index,
                                 Vector<T> (&sum)[U]) {
  Vector<T> weight[J];
#pragma GCC unroll 4
  for (int t = 0; t < J; ++t) weight[t] = load(w + t * w_step);
#pragma GCC unroll 32
  for (int j = 0; j < (U - 1) * Stride + J; ++j, src += step) {
    const Vector<T> x = spread_source<spread>(src, index);
#pragma GCC unroll 16
    for (int u = 0; u < U; ++u)
      if (const int t = j - u * Stride; t >= 0 && t < J) sum[u] += x * weight[t];
  }
}

// All sources under J taps.
template <int J, int Stride, Spread spread, int U, class T>
TORCHCONV_INLINE void add_sources(const SourceTaps<T>& k, const T* src, int64_t step, const T* w, Vector<T> (&sum)[U]) {
  for (int64_t left = k.sources; left > 0; left -= k.in_plane, src += kLanes<T>)
    for (int64_t i = 0; i < smaller(left, k.in_plane); ++i, w += kLanes<T>) {
      forget(src);  // or all vectors are loaded before the loop, into registers that the sums need
      add_source<J, Stride, spread>(spread != Spread::none ? src : src + i, step, w, k.w_step,
                                    k.index[spread != Spread::none ? i : 0], sum);
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

// Stride: 1 or 2, without dilation; or 0 for any stride and dilation.
template <int Stride, Spread spread, int U, class D, class T = Compute<D>>
static void sum_places(const PlaceBlock<D>& b) {
  const SourceTaps<T>& k = b.taps;
  Vector<T> sum[U] = {};
  for (int64_t r = 0; r < b.row_taps; ++r) {
    const T *src = b.rows[r].src + b.src_at, *w = b.rows[r].w + b.w_at;
    int64_t t = 0;
    if constexpr (Stride > 0)
      for (; t + 3 <= k.taps; t += 3)
        add_sources<3, Stride, spread>(k, src + t * k.step, k.step, w + t * k.w_step, sum);
    for (; t < k.taps; ++t)
      add_sources<1, 1, spread>(k, src + t * k.dil * k.step, k.stride * k.step, w + t * k.w_step, sum);
  }
  const Finish<D> after = *b.after;  // a copy, since what is stored could change the original
  const Vector<T> bias = load(b.bias);
  D* to = b.to;
  if (b.places == U && b.lanes == kLanes<T> && !b.stream && !after.slow && !after.residual) {
#pragma GCC unroll 16
    for (int u = 0; u < U; ++u, to += b.to_step) store(to, clamped(after, sum[u] + bias));
    return;
  }
#pragma GCC unroll 16
  for (int u = 0; u < U; ++u, to += b.to_step) {
    if (u >= b.places) break;
    finish(after, to, sum[u], bias, b.lanes, b.stream);
  }
}

// For blocks of U places.
template <int U, class D>
static auto pick_sum(const Phase& across, Spread spread) -> void (*)(const PlaceBlock<D>&) {
  const int stride = across.dil != 1 || across.taps < 3 || across.stride > 2 ? 0 : int(across.stride);
  const auto of = [&](auto s) {
    return with_spread(spread, [](auto how) -> void (*)(const PlaceBlock<D>&) {
      return sum_places<decltype(s)::value, Spread(decltype(how)::value), U, D>;
    });
  };
  return stride == 0 ? of(integer<0>()) : stride == 1 ? of(integer<1>()) : of(integer<2>());
}

}  // namespace torchconv::ISA_NS
