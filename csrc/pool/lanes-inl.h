// What the pooling kernels add to the vector layer: indices and taps beside values.
#include "common/simd-inl.h"
#include "common/cut-inl.h"

namespace torchconv::ISA_NS {

// Results larger than this are written past the caches, channel_shuffle's too: both are 1.25 times as fast at 26 MB;
// at 6 MB, where they fit, channel_shuffle would take 1.7 times as long. Only where whole rows can be written so:
// with every seventh of their lines written as usual the gradient took twice as long.
constexpr int64_t kPoolStreamBytes = int64_t(16) << 20;

// An index for each lane, as wide as the values.
template <class T>
struct IndexOf;
template <>
struct IndexOf<float> {
  using type = int32_t;
};
template <>
struct IndexOf<double> {
  using type = int64_t;
};
template <class T>
using Index = typename IndexOf<T>::type;
template <class I>
struct IndexVectorOf {
  typedef I type __attribute__((vector_size(kVectorBytes)));
  typedef I unaligned __attribute__((vector_size(kVectorBytes), aligned(sizeof(I)), may_alias));
};
template <class T>
using IndexVector = typename IndexVectorOf<Index<T>>::type;

template <class T>
TORCHCONV_INLINE IndexVector<T> load_index(const Index<T>* p) {
  return *(const typename IndexVectorOf<Index<T>>::unaligned*)p;
}
template <class T>
TORCHCONV_INLINE void store_index(Index<T>* p, IndexVector<T> v) {
  *(typename IndexVectorOf<Index<T>>::unaligned*)p = v;
}
template <class T>
TORCHCONV_INLINE IndexVector<T> lane_numbers() {
  IndexVector<T> v;
  for (int i = 0; i < kLanes<T>; ++i) v[i] = i;
  return v;
}
// The same bits unsigned. Lanes past the last window count on beyond the plane, and may wrap around: as signed numbers
// that would be undefined.
template <class T>
struct CounterVectorOf {
  typedef uint32_t type __attribute__((vector_size(kVectorBytes)));
};
template <>
struct CounterVectorOf<double> {
  typedef uint64_t type __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using CounterVector = typename CounterVectorOf<T>::type;
template <class T>
using Counter = decltype(CounterVector<T>{}[0] + 0);  // uint32_t or uint64_t
// first, first + step, ...
template <class T>
TORCHCONV_INLINE CounterVector<T> count_from(int64_t first, int64_t step) {
  return (CounterVector<T>)lane_numbers<T>() * Counter<T>(step) + Counter<T>(first);
}
// Indices as torch has them, in int64; count <= kLanes of them, and -1 in the other lanes of what is loaded.
#if TORCHCONV_ISA >= 2
typedef int32_t Ints8 __attribute__((vector_size(32)));
typedef int64_t Longs8 __attribute__((vector_size(64)));
template <class T>
TORCHCONV_INLINE void store_int64(int64_t* p, IndexVector<T> v, int count) {
  const uint32_t mask = (uint32_t(1) << count) - 1;
  if constexpr (kLanes<T> == 8) {
    _mm512_mask_storeu_epi64(p, (__mmask8)mask, (__m512i)v);
  } else {
    const Ints8 low = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
    const Ints8 high = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
    _mm512_mask_storeu_epi64(p, (__mmask8)mask, (__m512i) __builtin_convertvector(low, Longs8));
    _mm512_mask_storeu_epi64(p + 8, (__mmask8)(mask >> 8), (__m512i) __builtin_convertvector(high, Longs8));
  }
}
template <class T>
TORCHCONV_INLINE IndexVector<T> load_int64(const int64_t* p, int count) {
  const uint32_t mask = (uint32_t(1) << count) - 1;
  const __m512i none = _mm512_set1_epi64(-1), low = _mm512_mask_loadu_epi64(none, (__mmask8)mask, p);
  if constexpr (kLanes<T> == 8) {
    return (IndexVector<T>)low;
  } else {
    const __m512i high = _mm512_mask_loadu_epi64(none, (__mmask8)(mask >> 8), p + 8);
    return __builtin_shufflevector(__builtin_convertvector((Longs8)low, Ints8),
                                   __builtin_convertvector((Longs8)high, Ints8), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
                                   12, 13, 14, 15);
  }
}
#else
template <class T>
TORCHCONV_INLINE void store_int64(int64_t* p, IndexVector<T> v, int count) {
  if (count == kLanes<T>) {
    typedef int64_t Long __attribute__((vector_size(kLanes<T> * 8)));
    typedef int64_t LongInMemory __attribute__((vector_size(kLanes<T> * 8), aligned(8), may_alias));
    *(LongInMemory*)p = __builtin_convertvector(v, Long);
  } else {
    for (int i = 0; i < count; ++i) p[i] = v[i];
  }
}
template <class T>
TORCHCONV_INLINE IndexVector<T> load_int64(const int64_t* p, int count) {
  if (count == kLanes<T>) {
    typedef int64_t LongInMemory __attribute__((vector_size(kLanes<T> * 8), aligned(8), may_alias));
    return __builtin_convertvector(*(const LongInMemory*)p, IndexVector<T>);
  }
  IndexVector<T> v = IndexVector<T>{} - 1;
  for (int i = 0; i < count; ++i) v[i] = Index<T>(p[i]);
  return v;
}
#endif

// Taps, a byte for each lane.
using pool::kNoTap;
using pool::Tap;
template <int Lanes>
struct TapVectorOf {
  typedef Tap type __attribute__((vector_size(Lanes)));
  typedef Tap unaligned __attribute__((vector_size(Lanes), aligned(1), may_alias));
};
template <class T>
using TapVector = typename TapVectorOf<kLanes<T>>::type;
#if TORCHCONV_ISA >= 2
TORCHCONV_INLINE __m128i in_register(TapVectorOf<16>::type taps) { return (__m128i)taps; }
TORCHCONV_INLINE __m128i in_register(TapVectorOf<8>::type taps) { return _mm_cvtsi64_si128((int64_t)taps); }
TORCHCONV_INLINE void from_register(__m128i v, TapVectorOf<16>::type& taps) { taps = (TapVectorOf<16>::type)v; }
TORCHCONV_INLINE void from_register(__m128i v, TapVectorOf<8>::type& taps) {
  taps = (TapVectorOf<8>::type)_mm_cvtsi128_si64(v);
}
#endif

template <class T>
TORCHCONV_INLINE TapVector<T> load_taps(const Tap* p) {
  return *(const typename TapVectorOf<kLanes<T>>::unaligned*)p;
}
template <class T>
TORCHCONV_INLINE void store_taps(Tap* p, TapVector<T> v) {
  *(typename TapVectorOf<kLanes<T>>::unaligned*)p = v;
}
// The first count <= kLanes taps; the other lanes hold kNoTap.
template <class T>
TORCHCONV_INLINE TapVector<T> load_taps(const Tap* p, int count) {
  if (count == kLanes<T>) return load_taps<T>(p);
  TapVector<T> v = TapVector<T>{} + kNoTap;
#if TORCHCONV_ISA == 2
  from_register(_mm_mask_loadu_epi8(_mm_set1_epi8(-1), __mmask16((1 << count) - 1), p), v);
#else
  for (int i = 0; i < count; ++i) v[i] = p[i];
#endif
  return v;
}

// Lanes First, First, First + 1, First + 1, ...
template <class T, int First, int... I>
TORCHCONV_INLINE TapVector<T> twice(TapVector<T> v, integer_list<I...>) {
  return __builtin_shufflevector(v, v, First + I / 2 ...);
}

// Origins of either kind from index lanes, count <= kLanes of them; -1 becomes kNoTap.
template <class T>
TORCHCONV_INLINE void store_origins(int64_t* p, IndexVector<T> v, int count) {
  store_int64<T>(p, v, count);
}
template <class T>
TORCHCONV_INLINE void store_origins(Tap* p, IndexVector<T> v, int count) {
  const TapVector<T> taps = __builtin_convertvector(v, TapVector<T>);
  if (count == kLanes<T>) return store_taps<T>(p, taps);
#if TORCHCONV_ISA == 2
  __m128i bytes{};
  __builtin_memcpy(&bytes, &taps, sizeof taps);
  _mm_mask_storeu_epi8(p, __mmask16((1 << count) - 1), bytes);
#else
  for (int i = 0; i < count; ++i) p[i] = taps[i];
#endif
}

template <class T>
constexpr T kLeast = -__builtin_inff();

// (best, at) takes (v, i) where v is greater or NaN.
#if TORCHCONV_ISA >= 2
TORCHCONV_INLINE void take_greater(Vector<float>& best, IndexVector<float>& at, Vector<float> v, IndexVector<float> i) {
  const __mmask16 m =
      _mm512_cmp_ps_mask((__m512)v, (__m512)best, _CMP_GT_OQ) | _mm512_cmp_ps_mask((__m512)v, (__m512)v, _CMP_UNORD_Q);
  best = (Vector<float>)_mm512_mask_mov_ps((__m512)best, m, (__m512)v);
  at = (IndexVector<float>)_mm512_mask_mov_epi32((__m512i)at, m, (__m512i)i);
}
TORCHCONV_INLINE void take_greater(Vector<double>& best, IndexVector<double>& at, Vector<double> v,
                                   IndexVector<double> i) {
  const __mmask8 m = _mm512_cmp_pd_mask((__m512d)v, (__m512d)best, _CMP_GT_OQ) |
                     _mm512_cmp_pd_mask((__m512d)v, (__m512d)v, _CMP_UNORD_Q);
  best = (Vector<double>)_mm512_mask_mov_pd((__m512d)best, m, (__m512d)v);
  at = (IndexVector<double>)_mm512_mask_mov_epi64((__m512i)at, m, (__m512i)i);
}
// sum + (a == b ? v : 0)
TORCHCONV_INLINE Vector<float> add_where_equal(Vector<float> sum, IndexVector<float> a, IndexVector<float> b,
                                               Vector<float> v) {
  const __mmask16 m = _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b);
  return (Vector<float>)_mm512_mask_add_ps((__m512)sum, m, (__m512)sum, (__m512)v);
}
TORCHCONV_INLINE Vector<double> add_where_equal(Vector<double> sum, IndexVector<double> a, IndexVector<double> b,
                                                Vector<double> v) {
  const __mmask8 m = _mm512_cmpeq_epi64_mask((__m512i)a, (__m512i)b);
  return (Vector<double>)_mm512_mask_add_pd((__m512d)sum, m, (__m512d)sum, (__m512d)v);
}
TORCHCONV_INLINE Vector<float> add_masked(Vector<float> sum, uint32_t mask, Vector<float> v) {
  return (Vector<float>)_mm512_mask_add_ps((__m512)sum, (__mmask16)mask, (__m512)sum, (__m512)v);
}
TORCHCONV_INLINE Vector<double> add_masked(Vector<double> sum, uint32_t mask, Vector<double> v) {
  return (Vector<double>)_mm512_mask_add_pd((__m512d)sum, (__mmask8)mask, (__m512d)sum, (__m512d)v);
}
// sum + (taps == tap ? v : 0)
template <class T>
TORCHCONV_INLINE Vector<T> add_where_tap(Vector<T> sum, TapVector<T> taps, Tap tap, Vector<T> v) {
  return add_masked(sum, _mm_cmpeq_epi8_mask(in_register(taps), _mm_set1_epi8(char(tap))), v);
}
// Where taps lie in [first, first + count): adds v to sum, and keeps in `at` which of these it is.
template <class T>
TORCHCONV_INLINE void add_within(Vector<T>& sum, TapVector<T>& at, TapVector<T> taps, Tap first, Tap count,
                                 Vector<T> v) {
  const __m128i offset = _mm_sub_epi8(in_register(taps), _mm_set1_epi8(char(first)));
  const __mmask16 within = _mm_cmplt_epu8_mask(offset, _mm_set1_epi8(char(count)));
  from_register(_mm_mask_mov_epi8(in_register(at), within, offset), at);
  sum = add_masked(sum, within, v);
}
// taps == tap ? v : 0
TORCHCONV_INLINE Vector<float> masked(uint32_t mask, Vector<float> v) {
  return (Vector<float>)_mm512_maskz_mov_ps((__mmask16)mask, (__m512)v);
}
TORCHCONV_INLINE Vector<double> masked(uint32_t mask, Vector<double> v) {
  return (Vector<double>)_mm512_maskz_mov_pd((__mmask8)mask, (__m512d)v);
}
template <class T>
TORCHCONV_INLINE Vector<T> where_tap(TapVector<T> taps, Tap tap, Vector<T> v) {
  return masked(_mm_cmpeq_epi8_mask(in_register(taps), _mm_set1_epi8(char(tap))), v);
}
// taps == here, lane by lane ? v : 0
template <class T>
TORCHCONV_INLINE Vector<T> where_taps(TapVector<T> taps, TapVector<T> here, Vector<T> v) {
  return masked(_mm_cmpeq_epi8_mask(in_register(taps), in_register(here)), v);
}
// Lanes After, After + 1, ... of a and b behind each other.
template <int After>
TORCHCONV_INLINE Vector<float> lanes_after(Vector<float> a, Vector<float> b) {
  return (Vector<float>)_mm512_alignr_epi32((__m512i)b, (__m512i)a, After);
}
template <int After>
TORCHCONV_INLINE Vector<double> lanes_after(Vector<double> a, Vector<double> b) {
  return (Vector<double>)_mm512_alignr_epi64((__m512i)b, (__m512i)a, After);
}
template <int After>
TORCHCONV_INLINE TapVectorOf<16>::type lanes_after(TapVectorOf<16>::type a, TapVectorOf<16>::type b) {
  return (TapVectorOf<16>::type)_mm_alignr_epi8((__m128i)b, (__m128i)a, After);
}
template <int After>
TORCHCONV_INLINE TapVectorOf<8>::type lanes_after(TapVectorOf<8>::type a, TapVectorOf<8>::type b) {
  return (TapVectorOf<8>::type)((uint64_t)a >> 8 * After | (uint64_t)b << (64 - 8 * After));
}
#else
template <class V, class I>
TORCHCONV_INLINE void take_greater(V& best, I& at, V v, I i) {
  const I m = (I)(v > best) | (I)(v != v);
  best = m ? v : best;
  at = m ? i : at;
}
template <class V, class I>
TORCHCONV_INLINE V add_where_equal(V sum, I a, I b, V v) {
  return a == b ? sum + v : sum;
}
// Lanes of which all bits are set where a byte's are.
template <class T, class M>
TORCHCONV_INLINE IndexVector<T> widen_mask(M bytes) {
  return __builtin_convertvector(bytes, IndexVector<T>);
}
template <class T>
TORCHCONV_INLINE Vector<T> add_where_tap(Vector<T> sum, TapVector<T> taps, Tap tap, Vector<T> v) {
  return widen_mask<T>(taps == tap) ? sum + v : sum;
}
template <class T>
TORCHCONV_INLINE Vector<T> where_tap(TapVector<T> taps, Tap tap, Vector<T> v) {
  return widen_mask<T>(taps == tap) ? v : Vector<T>{};
}
template <class T>
TORCHCONV_INLINE Vector<T> where_taps(TapVector<T> taps, TapVector<T> here, Vector<T> v) {
  return widen_mask<T>(taps == here) ? v : Vector<T>{};
}
template <int After, class V, int... I>
TORCHCONV_INLINE V lanes_after(V a, V b, integer_list<I...>) {
  return __builtin_shufflevector(a, b, After + I...);
}
template <int After, class V>
TORCHCONV_INLINE V lanes_after(V a, V b) {
  return lanes_after<After>(a, b, typename first_integers<sizeof(V) / sizeof(a[0])>::type());
}
template <class T>
TORCHCONV_INLINE void add_within(Vector<T>& sum, TapVector<T>& at, TapVector<T> taps, Tap first, Tap count,
                                 Vector<T> v) {
  const TapVector<T> offset = taps - first;
  const auto within = offset < count;
  sum = widen_mask<T>(within) ? sum + v : sum;
  at = within ? offset : at;
}
#endif

}  // namespace torchconv::ISA_NS
