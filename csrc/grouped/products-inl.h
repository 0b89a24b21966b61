// What the weight gradient does at heart: products of the sources and grad_y summed over the places of some rows, for a
// few taps and sources at once, in registers.
#include "grouped/spread-inl.h"

namespace torchconv::ISA_NS {

// Sums that stay in registers: of 3 taps and so many sources, with grad_y of so many places.
constexpr int kGradSources = TORCHCONV_ISA >= 2 ? 4 : 2;
constexpr int kGradPlaces = TORCHCONV_ISA >= 2 ? 7 : 4;

// Position j of x lies j * x_step further on, and exists where begin <= j < end. Place u < count of grad_y lies
// u * y_step further on and meets tap t < taps at position u * stride + t * dil. A position has the vectors of so many
// `sources`, `in_plane` in each (or all, where they do not share vectors). Rows follow each other x_row and y_row
// further on. sums: [tap][source][lane].
template <class T>
struct GradRows {
  const T *x, *y;
  int64_t rows, x_row, y_row;
  int64_t x_step, begin, end;
  int64_t y_step, count;
  int64_t stride, dil, taps;
  int64_t sources, in_plane;
  const Index<T>* index;
  T* sums;
};

// U places under J taps. Position 0 is the at-th of those that exist. Stride: 1 or 2, without dilation; or 0 for any
// stride and dilation.
template <int J, int Stride, int I, int U, bool spread, class T>
TORCHCONV_INLINE void add_places(const GradRows<T>& g, const T* x, const T* y, int64_t at, uint64_t exist,
                                 const Index<T> (&index)[I], Vector<T> (&sum)[J][I]) {
  Vector<T> grad[U];
#pragma GCC unroll 16
  for (int u = 0; u < U; ++u) grad[u] = load(y + u * g.y_step);
  Vector<T> source[I];
  if constexpr (Stride > 0) {
#pragma GCC unroll 32
    for (int j = 0; j < (U - 1) * Stride + J; ++j, x += g.x_step) {
      if (uint64_t(at + j) >= exist) continue;
      load_sources<I, spread>(x, index, source);
#pragma GCC unroll 16
      for (int u = 0; u < U; ++u)
#pragma GCC unroll 4
        for (int i = 0; i < I; ++i)
          if (const int t = j - u * Stride; t >= 0 && t < J) sum[t][i] += source[i] * grad[u];
    }
  } else {
#pragma GCC unroll 16
    for (int u = 0; u < U; ++u)
#pragma GCC unroll 4
      for (int t = 0; t < J; ++t) {
        const int64_t j = u * g.stride + t * g.dil;
        if (uint64_t(at + j) >= exist) continue;
        load_sources<I, spread>(x + j * g.x_step, index, source);
#pragma GCC unroll 4
        for (int i = 0; i < I; ++i) sum[t][i] += source[i] * grad[u];
      }
  }
}

// All places of all rows, for taps [t, t + J) and I sources from the given one on, which stands in plane m there.
template <int J, int Stride, int I, bool spread, class T>
TORCHCONV_INLINE void add_rows(const GradRows<T>& g, int64_t t, int64_t m, int64_t source) {
  constexpr int L = kLanes<T>, U = kGradPlaces;
  const int64_t in_plane = source - m * g.in_plane, stride = Stride ? Stride : g.stride, dil = Stride ? 1 : g.dil;
  Index<T> index[I];
  Vector<T> sum[J][I];
  T* to = g.sums + (t * g.sources + source) * L;
#pragma GCC unroll 4
  for (int i = 0; i < I; ++i) {
    if (spread) index[i] = g.index[in_plane + i];
#pragma GCC unroll 4
    for (int k = 0; k < J; ++k) sum[k][i] = load(to + (k * g.sources + i) * L);
  }
  const uint64_t exist = larger(0, g.end - g.begin);
  for (int64_t row = 0; row < g.rows; ++row) {
    const T* x = g.x + row * g.x_row + t * dil * g.x_step + (spread ? m * L : in_plane);
    const T* y = g.y + row * g.y_row;
    int64_t u = 0, at = t * dil - g.begin;
    for (; u + U <= g.count; u += U, x += U * stride * g.x_step, y += U * g.y_step, at += U * stride)
      add_places<J, Stride, I, U, spread>(g, x, y, at, exist, index, sum);
    for (; u < g.count; ++u, x += stride * g.x_step, y += g.y_step, at += stride)
      add_places<J, Stride, I, 1, spread>(g, x, y, at, exist, index, sum);
  }
#pragma GCC unroll 4
  for (int k = 0; k < J; ++k)
#pragma GCC unroll 4
    for (int i = 0; i < I; ++i) store(to + (k * g.sources + i) * L, sum[k][i]);
}

template <int J, int Stride, bool spread, class T>
static void add_sources_of_taps(const GradRows<T>& g, int64_t t) {
  for (int64_t m = 0, first = 0; first < g.sources; ++m, first += g.in_plane) {
    const int64_t end = smaller(first + g.in_plane, g.sources);
    int64_t i = first;
    for (; i + kGradSources <= end; i += kGradSources) add_rows<J, Stride, kGradSources, spread>(g, t, m, i);
    if (kGradSources > 2 && i + 2 <= end) add_rows<J, Stride, 2, spread>(g, t, m, i), i += 2;
    if (i < end) add_rows<J, Stride, 1, spread>(g, t, m, i);
  }
}

template <int Stride, bool spread, class T>
static void add_products(const GradRows<T>& g) {
  int64_t t = 0;
  for (; t + 3 <= g.taps; t += 3) add_sources_of_taps<3, Stride, spread>(g, t);
  for (; t < g.taps; ++t) add_sources_of_taps<1, Stride, spread>(g, t);
}

template <class T>
static auto pick_products(const Phase& across, bool spread) -> void (*)(const GradRows<T>&) {
  const int stride = (across.dil != 1 && across.taps > 1) || across.stride > 2 ? 0 : int(across.stride);
  const auto of = [&](auto s) {
    constexpr int Stride = decltype(s)::value;
    return spread ? add_products<Stride, kCanSpread, T> : add_products<Stride, false, T>;
  };
  return stride == 0 ? of(integer<0>()) : stride == 1 ? of(integer<1>()) : of(integer<2>());
}

}  // namespace torchconv::ISA_NS
