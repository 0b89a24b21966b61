// Activations of vectors, for the stores of fused convolutions. Float by the vector formulas below, within 2e-7 of the
// largest result; double, which is for checks, lane by lane. Part of a target region: include after simd-inl.h.
namespace torchconv::ISA_NS {

TORCHCONV_INLINE Vector<float> spread(float value) { return value - Vector<float>{}; }

// Cephes' expf: e^v = 2^n e^r with |r| <= ln 2 / 2, to 2 units in the last place.
TORCHCONV_INLINE Vector<float> exponential(Vector<float> v) {
  const float nearest = 12582912;  // 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits
  const Vector<float> shifted = v * 1.44269504f + nearest, n = shifted - nearest;
  const Vector<float> r = v - n * 0.693359375f + n * 2.12194440e-4f;
  Vector<float> p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1;
  const Vector<float> power = (Vector<float>)((Wide)p + ((Wide)shifted << 23));
  // Beyond what the exponent holds, and where v is NaN, the bits above mean nothing.
  const Vector<float> bounded = v < -87.0f ? Vector<float>{} : v > 88.0f ? spread(__builtin_inff()) : power;
  return v == v ? bounded : v;
}

TORCHCONV_INLINE Vector<float> logistic(Vector<float> v) { return 1 / (1 + exponential(-v)); }

// Phi(v) = erfc(-v / sqrt 2) / 2, the normal distribution: Abramowitz and Stegun 7.1.26, within 1.5e-7 / 2.
TORCHCONV_INLINE Vector<float> normal(Vector<float> v) {
  const Vector<float> z = (v < 0 ? -v : v) * 0.70710678f, t = 1 / (1 + 0.3275911f * z);
  Vector<float> p = t * 1.061405429f - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const Vector<float> tail = 0.5f * p * t * exponential(-z * z);
  return v < 0 ? tail : 1 - tail;
}

TORCHCONV_INLINE Vector<float> hyperbolic_tangent(Vector<float> v) {
  const Vector<float> e = exponential(v < 0 ? 2 * v : -2 * v), t = (1 - e) / (1 + e);
  return v < 0 ? -t : t;
}

// What takes an exponential, once per instruction set rather than in every store.
static __attribute__((noinline)) Vector<float> activate_slowly(const Epilogue& e, Vector<float> v) {
  switch (e.activation) {
    case Activation::silu: return v / (1 + exponential(-v));
    case Activation::gelu: return v * normal(v);
    case Activation::gelu_tanh: return v * logistic(1.59576912f * (v + 0.044715f * v * v * v));
    case Activation::sigmoid: return logistic(v);
    default: return hyperbolic_tangent(v);
  }
}
[[maybe_unused]] static __attribute__((noinline)) Vector<double> activate_slowly(const Epilogue& e, Vector<double> v) {
  for (int i = 0; i < kLanes<double>; ++i) v[i] = ::torchconv::activate(e, v[i]);
  return v;
}

// Comparisons are such that NaN stays NaN.
template <class T>
TORCHCONV_INLINE Vector<T> activate(const Epilogue& e, Vector<T> v) {
  const Vector<T> zero{}, six = 6 - zero;
  const auto clamped = [&](Vector<T> u) { return u < zero ? zero : u > six ? six : u; };
  switch (e.activation) {
    case Activation::none: return v;
    case Activation::relu: return v < zero ? zero : v;
    case Activation::relu6: return clamped(v);
    case Activation::leaky_relu: return v < zero ? v * T(e.slope) : v;
    case Activation::hardswish: return v * clamped(v + 3) * T(1 / 6.0);
    case Activation::hardsigmoid: return clamped(v + 3) * T(1 / 6.0);
    default: return activate_slowly(e, v);
  }
}

}  // namespace torchconv::ISA_NS
