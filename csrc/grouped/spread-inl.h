// From the sources at a place to vectors with one of them in every lane of its group's results.
#include "common/simd-inl.h"

namespace torchconv::ISA_NS {

using grouped::Units;

// Baseline vectors are permuted lane by lane in memory: groups do not stand together there.
constexpr bool kCanSpread = TORCHCONV_ISA >= 1;

// Which lane each lane takes its source from, for __builtin_shuffle.
template <class T>
using Index = decltype(Vector<T>{} < Vector<T>{});

// For source i of each plane, i < results. Lanes without a result may take any.
template <class T>
TORCHCONV_INLINE void index_sources(const Units& u, Index<T> (&index)[kLanes<T>]) {
  for (int64_t i = 0; i < kLanes<T>; ++i)
    for (int64_t l = 0; l < kLanes<T>; ++l) index[i][l] = smaller(l / u.results * u.results + i, kLanes<T> - 1);
}

// I sources at a place, one in each vector; the first is at `src`, or in the vector there.
template <int I, bool spread, class T>
TORCHCONV_INLINE void load_sources(const T* src, const Index<T> (&index)[I], Vector<T> (&x)[I]) {
  Vector<T> all{};
  if (spread) all = load(src);
#pragma GCC unroll 4
  for (int i = 0; i < I; ++i) {
    x[i] = spread ? __builtin_shuffle(all, index[i]) : broadcast(src + i);
    keep_in_register(x[i]);
  }
}

}  // namespace torchconv::ISA_NS
