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

// How one of the sources at a place comes into all lanes of its group's results: broadcast, as the only group's; or by
// a permutation. AVX2 permutes all lanes at half of the speed that it permutes each four at (Zen 4).
enum class Spread { none, fours, all };

template <class T>
TORCHCONV_INLINE Spread spread_of(const Units& u) {
  if (!kCanSpread || !u.spread()) return Spread::none;
  return TORCHCONV_ISA == 1 && sizeof(T) == 4 && 4 % u.results == 0 ? Spread::fours : Spread::all;
}

// f(spread) as a compile-time number.
template <class F>
TORCHCONV_INLINE auto with_spread(Spread spread, const F& f) {
  if (kCanSpread && spread == Spread::all) return f(integer<kCanSpread ? int(Spread::all) : 0>());
  if (TORCHCONV_ISA == 1 && spread == Spread::fours) return f(integer<TORCHCONV_ISA == 1 ? int(Spread::fours) : 0>());
  return f(integer<int(Spread::none)>());
}

template <Spread spread, class T>
TORCHCONV_INLINE Vector<T> spread_source(const T* src, const Index<T>& index) {
  if constexpr (spread == Spread::none) {
    return broadcast(src);
  } else {
    Vector<T> x = load(src);
#if TORCHCONV_ISA == 1
    if constexpr (spread == Spread::fours)
      x = (Vector<T>)_mm256_permutevar_ps((__m256)x, (__m256i)index);
    else
#endif
      x = __builtin_shuffle(x, index);
    keep_in_register(x);
    return x;
  }
}

}  // namespace torchconv::ISA_NS
