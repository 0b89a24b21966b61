// What the weight gradient does at heart: products of the sources and grad_y summed over the places of some rows, for a
// few taps and sources at once, in registers.
#include "grouped/spread-inl.h"

namespace torchconv::ISA_NS {

// Sums that stay in registers: of 3 taps and so many sources, with grad_y of so many places.
constexpr int kGradSources = TORCHCONV_ISA >= 2 ? 4 : 2;
constexpr int kGradPlaces = TORCHCONV_ISA >= 2 ? kPlaces : 4;

// Places of x lie x_step apart, and place u < count of grad_y, y_step apart, meets tap t < taps at place
// u * stride + t * dil. Each has `sources` sources, of which `in_plane` share a vector, or all are neighbours. Rows
// follow each other x_row and y_row further on. sums: [tap][source][lane].
template <class T>
struct GradRows {
  const T *x, *y;
  int64_t rows, x_row, y_row;
  int64_t x_step, y_step, count;
  int64_t stride, dil, taps;
  int64_t sources, in_plane;
  const Index<T>* index;
  T* sums;
};

// U places under J taps. Stride: 1 or 2, without dilation; or 0 for any stride and dilation.
template <int J, int Stride, int I, int U, Spread spread, class T>
TORCHCONV_INLINE void add_places(const GradRows<T>& g, const T* x, const T* y, const Index<T> (&index)[I],
                                 Vector<T> (&sum)[J][I]) {
  Vector<T> grad[U];
#pragma GCC unroll 16
  for (int u = 0; u < U; ++u) grad[u] = load(y + u * g.y_step);
  if constexpr (Stride > 0) {
#pragma GCC unroll 32
    for (int j = 0; j < (U - 1) * Stride + J; ++j, x += g.x_step)
#pragma GCC unroll 4
      for (int i = 0; i < I; ++i) {
        const Vector<T> source = spread_source<spread>(spread != Spread::none ? x : x + i, index[i]);
#pragma GCC unroll 16
        for (int u = 0; u < U; ++u)
          if (const int t = j - u * Stride; t >= 0 && t < J) sum[t][i] += source * grad[u];
      }
  } else {
#pragma GCC unroll 16
    for (int u = 0; u < U; ++u)
#pragma GCC unroll 4
      for (int t = 0; t < J; ++t) {
        const T* at = x + (u * g.stride + t * g.dil) * g.x_step;
#pragma GCC unroll 4
        for (int i = 0; i < I; ++i)
          sum[t][i] += spread_source<spread>(spread != Spread::none ? at : at + i, index[i]) * grad[u];
      }
  }
}

// All places of all rows, for taps [t, t + J) and I sources: the i-th of plane m and those after it.
template <int J, int Stride, int I, Spread spread, class T>
TORCHCONV_INLINE void add_rows(const GradRows<T>& g, int64_t t, int64_t m, int64_t i) {
  constexpr int L = kLanes<T>, U = kGradPlaces;
  const int64_t stride = Stride ? Stride : g.stride, dil = Stride ? 1 : g.dil;
  Index<T> index[I];
  Vector<T> sum[J][I] = {};  // onto those before at the end, so that chains of rounded sums stay short
  T* to = g.sums + (t * g.sources + m * g.in_plane + i) * L;
#pragma GCC unroll 4
  for (int k = 0; k < I; ++k) index[k] = g.index[spread != Spread::none ? i + k : 0];
  for (int64_t row = 0; row < g.rows; ++row) {
    const T* x = g.x + row * g.x_row + t * dil * g.x_step + (spread != Spread::none ? m * L : i);
    const T* y = g.y + row * g.y_row;
    int64_t u = 0;
    for (; u + U <= g.count; u += U, x += U * stride * g.x_step, y += U * g.y_step)
      add_places<J, Stride, I, U, spread>(g, x, y, index, sum);
    for (; u < g.count; ++u, x += stride * g.x_step, y += g.y_step)
      add_places<J, Stride, I, 1, spread>(g, x, y, index, sum);
  }
#pragma GCC unroll 4
  for (int j = 0; j < J; ++j)
#pragma GCC unroll 4
    for (int k = 0; k < I; ++k) {
      T* const at = to + (j * g.sources + k) * L;
      store(at, load(at) + sum[j][k]);
    }
}

// All sources, for taps [t, t + J).
template <int J, int Stride, Spread spread, class T>
static void add_taps(const GradRows<T>& g, int64_t t) {
  for (int64_t m = 0; m * g.in_plane < g.sources; ++m) {
    const int64_t count = smaller(g.in_plane, g.sources - m * g.in_plane);
    int64_t i = 0;
    for (; i + kGradSources <= count; i += kGradSources) add_rows<J, Stride, kGradSources, spread>(g, t, m, i);
    if (kGradSources > 2 && i + 2 <= count) add_rows<J, Stride, 2, spread>(g, t, m, i), i += 2;
    if (i < count) add_rows<J, Stride, 1, spread>(g, t, m, i);
  }
}

template <int Stride, Spread spread, class T>
static void add_products(const GradRows<T>& g) {
  int64_t t = 0;
  for (; t + 3 <= g.taps; t += 3) add_taps<3, Stride, spread>(g, t);
  for (; t < g.taps; ++t) add_taps<1, Stride, spread>(g, t);
}

template <class T>
static auto pick_products(const Phase& across, Spread spread) -> void (*)(const GradRows<T>&) {
  const int stride = (across.dil != 1 && across.taps > 1) || across.stride > 2 ? 0 : int(across.stride);
  const auto of = [&](auto s) {
    return with_spread(spread, [](auto how) -> void (*)(const GradRows<T>&) {
      return add_products<decltype(s)::value, Spread(decltype(how)::value), T>;
    });
  };
  return stride == 0 ? of(integer<0>()) : stride == 1 ? of(integer<1>()) : of(integer<2>());
}

}  // namespace torchconv::ISA_NS
