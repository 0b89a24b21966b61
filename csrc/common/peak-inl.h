// Included once per instruction set by peak.cpp.
#include "common/simd-inl.h"

namespace torchconv::ISA_NS {

// 12 independent chains: latency 4 times 2 units is 8 in flight, and 12 + 3 fit the 16 registers of SSE2 and AVX2.
constexpr int kChains = 12;

template <class T>
static T multiply_add_chains(int64_t steps) {
  Vector<T> sum[kChains];
  for (int i = 0; i < kChains; ++i)
    sum[i] = Vector<T>{} + T(2 + i);  // one that starts at 1 stays there, and would be folded
  const Vector<T> x = Vector<T>{} + T(0.999), y = Vector<T>{} + T(0.001);  // every chain tends to 1
  for (int64_t step = 0; step < steps; ++step)
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) sum[i] = sum[i] * x + y;
  for (int i = 1; i < kChains; ++i) sum[0] += sum[i];
  return sum[0][0];
}

template <class T>
static double flops_per_step() {
  return 2.0 * kChains * kLanes<T>;
}

}  // namespace torchconv::ISA_NS
