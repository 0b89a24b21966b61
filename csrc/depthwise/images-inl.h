// Included once per instruction set by images.cpp.
#include "depthwise/taps-inl.h"
#include "common/finish-inl.h"
#include "depthwise/images_nhwc-inl.h"
#include "depthwise/images_nchw-inl.h"
#include "depthwise/turned-inl.h"
#include "depthwise/images_turned-inl.h"

namespace torchconv::ISA_NS {

using depthwise::Way;

template <class S>
static void run_images(Way way, const Images& g, const ConvOperands& o) {
  const auto run = way == Way::nhwc     ? run_images_nhwc<S>
                   : way == Way::turned ? run_images_turned<S>
                                        : run_images_nchw<S>;
  const Finish<S> after(g.epilogue, (const S*)o.residual, (const S*)o.out);
  run(g, (const S*)o.a, (const S*)o.b, (const S*)o.bias, after, (S*)o.out, o.workspace);
}

template <class S, class T = Compute<S>>
static int64_t images_workspace(Way way, const Images& g) {
  if (way == Way::nhwc) return ChannelPieces<S>(g, nullptr, 0).bytes;
  if (way == Way::turned) return g.threads * TurnedPieces<S>(g, nullptr, 0).bytes;
  return g.threads * PixelPieces<S>(g, Planes(g.h, g.w, g.joined, sizeof(T)), nullptr, 0).bytes;
}

}  // namespace torchconv::ISA_NS
