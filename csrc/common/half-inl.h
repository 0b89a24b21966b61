// float16 and bfloat16 in memory as vectors of float, the type that they are computed in. Part of simd-inl.h.
namespace torchconv::ISA_NS {

typedef uint32_t Wide __attribute__((vector_size(kVectorBytes)));
typedef uint16_t Narrow __attribute__((vector_size(kVectorBytes / 2)));
typedef uint16_t NarrowInMemory __attribute__((vector_size(kVectorBytes / 2), aligned(2), may_alias));
template <>
struct VectorOf<bf16> {
  using type = Narrow;
  using unaligned = NarrowInMemory;
};

// The type that packed panels hold: that of the computation, but the BF16 instructions multiply what is stored.
template <class S>
struct PackedOf {
  using type = Compute<S>;
};
#if TORCHCONV_ISA == 3
template <>
struct PackedOf<bf16> {
  using type = bf16;
};
#endif
template <class S>
using Packed = typename PackedOf<S>::type;
template <class S>
constexpr bool kPackedAsStored = sizeof(S) == sizeof(Packed<S>);

// The bits of S to floats and back, rounded to nearest even; NaN stays NaN.
template <class S>
struct Bits;
template <>
struct Bits<bf16> {
  TORCHCONV_INLINE Vector<float> widen(Narrow bits) {
    return (Vector<float>)(__builtin_convertvector(bits, Wide) << 16);
  }
  TORCHCONV_INLINE Narrow narrow(Vector<float> v) {
    const Wide u = (Wide)v, rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    return __builtin_convertvector(v == v ? rounded : Wide{} + 0x7fc0, Narrow);
  }
};
template <>
struct Bits<f16> {
#if TORCHCONV_ISA >= 2
  TORCHCONV_INLINE Vector<float> widen(Narrow bits) {
    return (Vector<float>)_mm512_maskz_cvtph_ps(__mmask16(-1), (__m256i)bits);  // the masks keep g++ 12 from warning
  }
  TORCHCONV_INLINE Narrow narrow(Vector<float> v) {
    return (Narrow)_mm512_maskz_cvtps_ph(__mmask16(-1), (__m512)v, _MM_FROUND_TO_NEAREST_INT);
  }
#elif TORCHCONV_ISA == 1
  TORCHCONV_INLINE Vector<float> widen(Narrow bits) { return (Vector<float>)_mm256_cvtph_ps((__m128i)bits); }
  TORCHCONV_INLINE Narrow narrow(Vector<float> v) {
    return (Narrow)_mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT);
  }
#else
  TORCHCONV_INLINE Vector<float> widen(Narrow bits) {
    Vector<float> v;
    for (int i = 0; i < kLanes<float>; ++i) {
      f16 half;
      half.bits = bits[i];
      v[i] = float(half);
    }
    return v;
  }
  TORCHCONV_INLINE Narrow narrow(Vector<float> v) {
    Narrow bits;
    for (int i = 0; i < kLanes<float>; ++i) bits[i] = f16(v[i]).bits;
    return bits;
  }
#endif
};

}  // namespace torchconv::ISA_NS
