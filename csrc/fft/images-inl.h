// Included once per instruction set by images.cpp.
#include "common/simd-inl.h"
#include "common/finish-inl.h"
#include "fft/lanes-inl.h"
#include "fft/multiply-inl.h"
#include "fft/columns-inl.h"
#include "fft/rows-inl.h"
#include "fft/weights-inl.h"
#include "fft/spectrum-inl.h"
#include "fft/blocks-inl.h"
#include "fft/dense-inl.h"
#include "fft/depthwise-inl.h"

namespace torchconv::ISA_NS {

template <class S>
static void run_images(const Images& g, const ConvOperands& o) {
  const Finish<S> after(g.epilogue, (const S*)o.residual, (const S*)o.out);
  const auto run = g.depthwise ? run_depthwise<S> : run_dense<S>;
  run(g, (const S*)o.a, (const S*)o.b, (const S*)o.bias, after, (S*)o.out, o.workspace);
}

template <class S, class T = Compute<S>>
static int64_t images_workspace(const Images& g) {
  const int64_t numbers =
      g.depthwise ? g.threads * DepthwisePieces<T>(g, Transforms<T>(g.isa, g.h.size, g.w.size), nullptr, 0).size
                  : DensePlan<T>(g).numbers(g);
  return numbers * int64_t(sizeof(T));
}

}  // namespace torchconv::ISA_NS
