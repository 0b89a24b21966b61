// Included once per instruction set by cpu_grad_weight.cpp.
// grad_w[c][r][s] = sum over the places of grad_y times x under tap (r, s).
#include "depthwise/products-inl.h"
#include "depthwise/grad_weight_nhwc-inl.h"
#include "depthwise/grad_weight_nchw-inl.h"
#include "depthwise/grad_weight_turned-inl.h"

namespace torchconv::ISA_NS {

using depthwise::Way;

template <class S>
static void run_grad_weight(Way way, const Weights& g, const S* x, const S* grad_y, S* grad_w, void* workspace) {
  const auto run = way == Way::nhwc     ? grad_weight_nhwc<S>
                   : way == Way::turned ? grad_weight_turned<S>
                                        : grad_weight_nchw<S>;
  run(g, x, grad_y, grad_w, workspace);
}

template <class S, class T = Compute<S>>
static int64_t grad_weight_workspace(Way way, const Weights& g) {
  if (way == Way::nhwc) return ChannelSums<S>(g).bytes();
  if (way == Way::turned) return TurnedSums<S>(g).bytes;
  return g.threads * PlaneSums<S>(g, Planes(g.h, g.w, 1, sizeof(T)), nullptr, 0).bytes;
}

}  // namespace torchconv::ISA_NS
