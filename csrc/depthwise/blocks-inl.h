// The sizes of what stays in registers, for all kernels of this folder.
#include "common/simd-inl.h"
#include "common/cut-inl.h"

namespace torchconv::ISA_NS {

// Places of a block. 7 divides the maps of most networks; with two vectors of channels it makes 14 sums, which with 14
// weights (7 taps) fit the 32 registers of AVX-512, and with one vector 7 + 7 fit the 16 of AVX2.
constexpr int kBlock = 7;
constexpr int kTapsAtOnce = 7;
constexpr int kVectorsOfChannels = TORCHCONV_ISA == 2 ? 2 : 1;

template <class T>
TORCHCONV_INLINE void zero(T* p, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) store(p + i, Vector<T>{});
  for (; i < count; ++i) p[i] = T(0);
}

}  // namespace torchconv::ISA_NS
