// What the pooling kernels add to the vector layer: indices beside values.
#include "common/simd-inl.h"
#include "common/cut-inl.h"

namespace torchconv::ISA_NS {

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
// Indices as torch has them, in int64; count <= kLanes of them, and -1 in the other lanes of what is loaded.
#if TORCHCONV_ISA == 2
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

template <class T>
constexpr T kLeast = -__builtin_inff();

// (best, at) takes (v, i) where v is greater or NaN.
#if TORCHCONV_ISA == 2
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
#endif

}  // namespace torchconv::ISA_NS
