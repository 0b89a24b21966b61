// What simd-inl.h needs from outside the target regions: include this first.
#pragma once
#include <cstdint>

#include "common/half.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace torchconv {
template <int I>
struct integer {
  static constexpr int value = I;
};
template <int... I>
struct integer_list {};
template <int N, int... I>
struct first_integers : first_integers<N - 1, N - 1, I...> {};
template <int... I>
struct first_integers<0, I...> {
  using type = integer_list<I...>;
};
}  // namespace torchconv
