// Included once per instruction set by cpu_grad_weight.cpp.
#include "common/simd-inl.h"
#include "common/finish-inl.h"
#include "fft/lanes-inl.h"
#include "fft/multiply-inl.h"
#include "fft/columns-inl.h"
#include "fft/rows-inl.h"
#include "fft/spectrum-inl.h"
#include "fft/blocks-inl.h"
#include "fft/store_weights-inl.h"
#include "fft/dense_weights-inl.h"
#include "fft/depthwise_weights-inl.h"

namespace torchconv::ISA_NS {

template <class S>
static void run_grad_weight(const WeightGradient& g, const S* x, const S* grad_y, S* grad_w, void* workspace) {
  const auto run = g.depthwise ? grad_weight_depthwise<S> : grad_weight_dense<S>;
  run(g, x, grad_y, grad_w, workspace);
}

template <class S, class T = Compute<S>>
static int64_t grad_weight_workspace(const WeightGradient& g) {
  const int64_t numbers = g.depthwise
                              ? DepthwiseSums<T>(g, Transforms<T>(g.isa, g.h.size, g.w.size), nullptr, 0).numbers(g)
                              : DenseSums<T>(g).numbers(g.threads);
  return numbers * int64_t(sizeof(T));
}

}  // namespace torchconv::ISA_NS
