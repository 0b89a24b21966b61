// Storage types for float16 and bfloat16: arithmetic happens in float, these only convert.
#pragma once
#include <cstdint>
#include <cstring>

#include "common/problem.h"

namespace torchconv {

inline float bits_to_float(uint32_t u) {
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}
inline uint32_t float_to_bits(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  return u;
}

struct bf16 {
  uint16_t bits;
  bf16() = default;
  // Round to nearest even; NaN stays NaN.
  explicit bf16(float f) {
    const uint32_t u = float_to_bits(f);
    bits = f != f ? uint16_t(0x7fc0) : uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16);
  }
  explicit operator float() const { return bits_to_float(uint32_t(bits) << 16); }
};

struct f16 {
  uint16_t bits;
  f16() = default;
  // Round to nearest even, with subnormals, infinities and NaN.
  explicit f16(float f) {
    const uint32_t u = float_to_bits(f), sign = (u >> 16) & 0x8000, magnitude = u & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      bits = uint16_t(sign | 0x7e00);
    } else if (magnitude >= 0x477ff000) {  // rounds to 65536 or more
      bits = uint16_t(sign | 0x7c00);
    } else if (magnitude < 0x38800000) {  // subnormal in float16: let float addition do the rounding
      const float shifted = bits_to_float(magnitude) + 0.5f;
      bits = uint16_t(sign | (float_to_bits(shifted) - 0x3f000000));
    } else {
      bits = uint16_t(sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13));
    }
  }
  explicit operator float() const {
    const uint32_t sign = uint32_t(bits & 0x8000) << 16, exponent = (bits >> 10) & 0x1f, mantissa = bits & 0x3ff;
    if (exponent == 0) {  // zero and subnormals: mantissa * 2^-24
      const float f = float(mantissa) * 5.9604644775390625e-8f;
      return sign ? -f : f;
    }
    return bits_to_float(sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | (mantissa << 13));
  }
};

// The type in which values that are stored as S are computed.
template <class S>
struct ComputeOf {
  using type = S;
};
template <>
struct ComputeOf<f16> {
  using type = float;
};
template <>
struct ComputeOf<bf16> {
  using type = float;
};
template <class S>
using Compute = typename ComputeOf<S>::type;
template <class S>
constexpr bool kComputedAsStored = sizeof(S) == sizeof(Compute<S>);
template <class S>
constexpr bool kIsBf16 = false;
template <>
constexpr bool kIsBf16<bf16> = true;

// f of a value of the storage type of `dtype`.
template <class F>
auto dispatch_dtype(DType dtype, const F& f) {
  return dtype == DType::f32   ? f(float())
         : dtype == DType::f64 ? f(double())
         : dtype == DType::f16 ? f(f16())
                               : f(bf16());
}

// The same of those that are summed as they are stored: float or double.
template <class F>
auto dispatch_wide(DType dtype, const F& f) {
  return dtype == DType::f64 ? f(double()) : f(float());
}

}  // namespace torchconv
