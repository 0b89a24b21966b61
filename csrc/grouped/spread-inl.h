// From the sources at a place to vectors with one of them in every lane of its group's results.
#include "common/simd-inl.h"

namespace torchconv::ISA_NS {

using grouped::Units;

// Places of a block: as many as divide the maps of most networks.
constexpr int kPlaces = 7;
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

// The vector of sources at src, permuted, or the one source there.
template <bool spread, class T>
TORCHCONV_INLINE Vector<T> spread_source(const T* src, const Index<T>& index) {
  if constexpr (spread) {
    Vector<T> x = __builtin_shuffle(load(src), index);
    keep_in_register(x);
    return x;
  } else {
    return broadcast(src);
  }
}

}  // namespace torchconv::ISA_NS
