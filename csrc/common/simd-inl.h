// The vector layer, once per instruction set: compiler vector types, so that the same source is
// SSE2, AVX2 or AVX-512; intrinsics only for masks. Included inside a target region: no std, no guard.
namespace torchconv::ISA_NS {

#define TORCHCONV_INLINE static inline __attribute__((always_inline))

constexpr int kVectorBytes = TORCHCONV_ISA >= 2 ? 64 : TORCHCONV_ISA == 1 ? 32 : 16;

template <class T>
struct VectorOf;
template <>
struct VectorOf<float> {
  typedef float type __attribute__((vector_size(kVectorBytes)));
  typedef float unaligned __attribute__((vector_size(kVectorBytes), aligned(4), may_alias));
};
template <>
struct VectorOf<double> {
  typedef double type __attribute__((vector_size(kVectorBytes)));
  typedef double unaligned __attribute__((vector_size(kVectorBytes), aligned(8), may_alias));
};
template <class T>
using Vector = typename VectorOf<T>::type;

template <class T>
constexpr int kLanes = kVectorBytes / sizeof(Compute<T>);  // per vector
// A chunk is one cache line, or half of one in bfloat16: the unit in which packed matrices are stored.
template <class T>
constexpr int kChunk = 64 / sizeof(Compute<T>);
template <class T>
constexpr int kVectorsPerChunk = kChunk<T> / kLanes<T>;

TORCHCONV_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
TORCHCONV_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
TORCHCONV_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
TORCHCONV_INLINE int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

}  // namespace torchconv::ISA_NS

#include "common/half-inl.h"

namespace torchconv::ISA_NS {

// Between memory and vectors; S is any storage type.
template <class S>
TORCHCONV_INLINE Vector<Compute<S>> load(const S* p) {
  if constexpr (kComputedAsStored<S>)
    return *(const typename VectorOf<S>::unaligned*)p;
  else
    return Bits<S>::widen(*(const NarrowInMemory*)p);
}
template <class S>
TORCHCONV_INLINE void store(S* p, Vector<Compute<S>> v) {
  if constexpr (kComputedAsStored<S>)
    *(typename VectorOf<S>::unaligned*)p = v;
  else
    *(NarrowInMemory*)p = Bits<S>::narrow(v);
}

// Between memory and packed panels: P is Packed<S>, or computed in.
template <class P, class S>
TORCHCONV_INLINE Vector<P> load_packed(const S* p) {
  if constexpr (sizeof(P) == sizeof(S))
    return *(const typename VectorOf<P>::unaligned*)p;
  else
    return load(p);
}
template <class P>
TORCHCONV_INLINE void store_packed(P* p, Vector<P> v) {
  *(typename VectorOf<P>::unaligned*)p = v;
}

// A store past the caches, for results too large to stay in them: the line is not read first. The
// address must be stream_aligned; call stream_fence() before another thread may look.
template <class S>
TORCHCONV_INLINE bool stream_aligned(const S* p) {
  return (uint64_t)p % (kLanes<Compute<S>> * sizeof(S)) == 0;
}
#if defined(__x86_64__)
template <class S>
TORCHCONV_INLINE void stream(S* p, Vector<Compute<S>> v) {
  if constexpr (kComputedAsStored<S>) {
#if TORCHCONV_ISA >= 2
    _mm512_stream_si512((__m512i*)p, (__m512i)v);
#elif TORCHCONV_ISA == 1
    _mm256_stream_si256((__m256i*)p, (__m256i)v);
#else
    _mm_stream_si128((__m128i*)p, (__m128i)v);
#endif
  } else {
    const Narrow bits = Bits<S>::narrow(v);
#if TORCHCONV_ISA >= 2
    _mm256_stream_si256((__m256i*)p, (__m256i)bits);
#elif TORCHCONV_ISA == 1
    _mm_stream_si128((__m128i*)p, (__m128i)bits);
#else
    _mm_stream_si64((long long*)p, (long long)bits);
#endif
  }
}
TORCHCONV_INLINE void stream_fence() { _mm_sfence(); }
#else
template <class S>
TORCHCONV_INLINE void stream(S* p, Vector<Compute<S>> v) {
  store(p, v);
}
TORCHCONV_INLINE void stream_fence() {}
#endif

// Keeps a value that was loaded in a register: folded into each FMA as a memory operand it would be loaded once per
// FMA.
template <class V>
TORCHCONV_INLINE void keep_in_register(V& v) {
#if TORCHCONV_ISA >= 2
  asm("" : "+v"(v));
#elif defined(__x86_64__)
  asm("" : "+x"(v));
#endif
}

// What p points to is not known to be what it was before.
template <class T>
TORCHCONV_INLINE void forget(const T*& p) {
  asm("" : "+r"(p));
}

// One element in every lane.
template <class T>
TORCHCONV_INLINE Vector<T> broadcast(const T* p) {
  Vector<T> v = *p - Vector<T>{};
  keep_in_register(v);
  return v;
}

// sum += *p * b, and sum -= *p * b, where the multiply-add reads *p itself: one instruction rather than two, but a load
// for each b.
template <class T>
TORCHCONV_INLINE void add_product(Vector<T>& sum, const T* p, Vector<T> b) {
#if TORCHCONV_ISA >= 2
  if constexpr (sizeof(T) == 4)
    asm("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(b), "m"(*p));
  else
    asm("vfmadd231pd %2%{1to8%}, %1, %0" : "+v"(sum) : "v"(b), "m"(*p));
#else
  sum += *p * b;
#endif
}
template <class T>
TORCHCONV_INLINE void subtract_product(Vector<T>& sum, const T* p, Vector<T> b) {
#if TORCHCONV_ISA >= 2
  if constexpr (sizeof(T) == 4)
    asm("vfnmadd231ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(b), "m"(*p));
  else
    asm("vfnmadd231pd %2%{1to8%}, %1, %0" : "+v"(sum) : "v"(b), "m"(*p));
#else
  sum -= *p * b;
#endif
}
// Whether row r of a tile of so many does so: every second one. Two threads that share a core issue three instructions
// a cycle each, and tiles of 14 rows then take 44 for 28 multiply-adds rather than 51: on an Emerald Rapids 1.08x,
// alone on a core 1.01x. Tiles of 8 rows and less are bound by loads: 0.87x.
TORCHCONV_INLINE constexpr bool reads_in_products(int rows, int r) { return TORCHCONV_ISA >= 2 && rows > 8 && r % 2; }

// Chunks: kChunk elements, aligned or not.
template <class T, class S>
TORCHCONV_INLINE void copy_chunk(T* to, const S* from) {
  for (int v = 0; v < kVectorsPerChunk<T>; ++v) store_packed(to + v * kLanes<T>, load_packed<T>(from + v * kLanes<T>));
}
template <class T>
TORCHCONV_INLINE void zero_chunk(T* to) {
  for (int v = 0; v < kVectorsPerChunk<T>; ++v) store_packed(to + v * kLanes<T>, Vector<T>{});
}

#if TORCHCONV_ISA >= 2
TORCHCONV_INLINE Vector<float> load_masked(const float* p, uint32_t mask) {
  return (Vector<float>)_mm512_maskz_loadu_ps((__mmask16)mask, p);
}
TORCHCONV_INLINE Vector<double> load_masked(const double* p, uint32_t mask) {
  return (Vector<double>)_mm512_maskz_loadu_pd((__mmask8)mask, p);
}
TORCHCONV_INLINE Vector<float> load_masked(Vector<float> rest, const float* p, uint32_t mask) {
  return (Vector<float>)_mm512_mask_loadu_ps((__m512)rest, (__mmask16)mask, p);
}
TORCHCONV_INLINE Vector<double> load_masked(Vector<double> rest, const double* p, uint32_t mask) {
  return (Vector<double>)_mm512_mask_loadu_pd((__m512d)rest, (__mmask8)mask, p);
}
template <class S>
TORCHCONV_INLINE Vector<float> load_masked(const S* p, uint32_t mask) {
  return Bits<S>::widen((Narrow)_mm256_maskz_loadu_epi16((__mmask16)mask, p));
}
template <class S>
TORCHCONV_INLINE Vector<float> load_masked(Vector<float> rest, const S* p, uint32_t mask) {
  return (Vector<float>)_mm512_mask_mov_ps((__m512)rest, (__mmask16)mask, (__m512)load_masked(p, mask));
}
template <class S>
TORCHCONV_INLINE void store_masked(S* p, Vector<float> v, uint32_t mask) {
  _mm256_mask_storeu_epi16(p, (__mmask16)mask, (__m256i)Bits<S>::narrow(v));
}
TORCHCONV_INLINE void store_masked(float* p, Vector<float> v, uint32_t mask) {
  _mm512_mask_storeu_ps(p, (__mmask16)mask, (__m512)v);
}
TORCHCONV_INLINE void store_masked(double* p, Vector<double> v, uint32_t mask) {
  _mm512_mask_storeu_pd(p, (__mmask8)mask, (__m512d)v);
}
template <class P, class S>
TORCHCONV_INLINE Vector<P> load_packed(const S* p, uint32_t mask) {
  if constexpr (kComputedAsStored<P>)
    return load_masked(p, mask);
  else
    return (Narrow)_mm256_maskz_loadu_epi16((__mmask16)mask, p);
}
template <class P, class S>
TORCHCONV_INLINE Vector<P> load_packed(Vector<P> rest, const S* p, uint32_t mask) {
  if constexpr (kComputedAsStored<P>)
    return load_masked(rest, p, mask);
  else
    return (Narrow)_mm256_mask_loadu_epi16((__m256i)rest, (__mmask16)mask, p);
}

// Bit i of `lanes` moves to bit 2i.
TORCHCONV_INLINE uint64_t every_second_bit(uint64_t lanes) {
  lanes = (lanes | lanes << 8) & 0x00ff00ff;
  lanes = (lanes | lanes << 4) & 0x0f0f0f0f;
  lanes = (lanes | lanes << 2) & 0x33333333;
  return (lanes | lanes << 1) & 0x55555555;
}
template <class T, int... I>
TORCHCONV_INLINE Vector<T> evens(Vector<T> low, Vector<T> high, integer_list<I...>) {
  return __builtin_shufflevector(low, high, 2 * I...);
}
// Where `mask` is set: the even elements of low and high; elsewhere `rest`.
TORCHCONV_INLINE Vector<float> blend_evens(Vector<float> rest, Vector<float> low, Vector<float> high, uint32_t mask) {
  return (Vector<float>)_mm512_mask_mov_ps((__m512)rest, (__mmask16)mask,
                                           (__m512)evens<float>(low, high, first_integers<16>::type()));
}
TORCHCONV_INLINE Vector<double> blend_evens(Vector<double> rest, Vector<double> low, Vector<double> high,
                                            uint32_t mask) {
  return (Vector<double>)_mm512_mask_mov_pd((__m512d)rest, (__mmask8)mask,
                                            (__m512d)evens<double>(low, high, first_integers<8>::type()));
}
TORCHCONV_INLINE Narrow blend_evens(Narrow rest, Narrow low, Narrow high, uint32_t mask) {
  return (Narrow)_mm256_mask_mov_epi16((__m256i)rest, (__mmask16)mask,
                                       (__m256i)evens<bf16>(low, high, first_integers<16>::type()));
}
#endif

// Copies count <= kChunk elements.
template <class To, class From>
TORCHCONV_INLINE void copy_part(To* to, const From* from, int count) {
#if TORCHCONV_ISA >= 2
  const uint32_t mask = (uint32_t(1) << count) - 1;
  if constexpr (sizeof(To) == 2 && sizeof(From) == 2)
    _mm256_mask_storeu_epi16(to, (__mmask16)mask, _mm256_maskz_loadu_epi16((__mmask16)mask, from));
  else
    store_masked(to, load_masked(from, mask), mask);
#else
  for (int i = 0; i < count; ++i) to[i] = To(from[i]);
#endif
}

#if TORCHCONV_ISA == 1
// The first `count` lanes, as AVX2's masked loads and stores take them.
template <class T>
TORCHCONV_INLINE __m256i first_lanes(int count) {
  if constexpr (sizeof(T) == 4)
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  else
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}
TORCHCONV_INLINE Vector<float> load_first(const float* p, int count) {
  return (Vector<float>)_mm256_maskload_ps(p, first_lanes<float>(count));
}
TORCHCONV_INLINE Vector<double> load_first(const double* p, int count) {
  return (Vector<double>)_mm256_maskload_pd(p, first_lanes<double>(count));
}
TORCHCONV_INLINE void store_first(float* p, Vector<float> v, int count) {
  _mm256_maskstore_ps(p, first_lanes<float>(count), (__m256)v);
}
TORCHCONV_INLINE void store_first(double* p, Vector<double> v, int count) {
  _mm256_maskstore_pd(p, first_lanes<double>(count), (__m256d)v);
}
#endif

// The first count <= kLanes elements; the other lanes hold 0.
template <class S>
TORCHCONV_INLINE Vector<Compute<S>> load_part(const S* p, int count) {
  using T = Compute<S>;
  if (count == kLanes<T>) return load(p);
#if TORCHCONV_ISA == 2
  return load_masked(p, (uint32_t(1) << count) - 1);
#else
#if TORCHCONV_ISA == 1
  if constexpr (kComputedAsStored<S>) return load_first(p, count);
#endif
  Vector<T> v{};
  for (int i = 0; i < count; ++i) v[i] = T(p[i]);
  return v;
#endif
}
template <class S>
TORCHCONV_INLINE void store_part(S* p, Vector<Compute<S>> v, int count) {
  if (count == kLanes<Compute<S>>) return store(p, v);
#if TORCHCONV_ISA == 2
  store_masked(p, v, (uint32_t(1) << count) - 1);
#else
#if TORCHCONV_ISA == 1
  if constexpr (kComputedAsStored<S>) return store_first(p, v, count);
#endif
  for (int i = 0; i < count; ++i) p[i] = S(v[i]);
#endif
}

// In-register transposition of kLanes x kLanes, by exchanging off-diagonal blocks of 1, 2, 4, ... lanes.
template <class T, int B, int... I>
TORCHCONV_INLINE void exchange(Vector<T>& a, Vector<T>& b, integer_list<I...>) {
  const Vector<T> lo = __builtin_shufflevector(a, b, (I & B ? kLanes<T> + I - B : I)...);
  const Vector<T> hi = __builtin_shufflevector(a, b, (I & B ? kLanes<T> + I : I + B)...);
  a = lo, b = hi;
}
template <class T, int B = 1>
TORCHCONV_INLINE void transpose_registers(Vector<T>* v) {
  if constexpr (B < kLanes<T>) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes<T>; ++i)
      if (!(i & B)) exchange<T, B>(v[i], v[i + B], typename first_integers<kLanes<T>>::type());
    transpose_registers<T, 2 * B>(v);
  }
}

// to[j][i] = from[i][j] for a chunk x chunk square; rows of `from` from_stride apart, of `to` to_stride apart.
template <class T, class S>
static void transpose_chunk(T* to, int64_t to_stride, const S* from, int64_t from_stride) {
  constexpr int n = kLanes<T>;
  for (int i0 = 0; i0 < kChunk<T>; i0 += n)
    for (int j0 = 0; j0 < kChunk<T>; j0 += n) {
      Vector<T> v[n];
#pragma GCC unroll 16
      for (int i = 0; i < n; ++i) v[i] = load_packed<T>(from + (i0 + i) * from_stride + j0);
      transpose_registers<T>(v);
#pragma GCC unroll 16
      for (int j = 0; j < n; ++j) store_packed(to + (j0 + j) * to_stride + i0, v[j]);
    }
}

}  // namespace torchconv::ISA_NS
