// Included once per instruction set by images.cpp.
#include "depthwise/taps-inl.h"
#include "depthwise/images_nhwc-inl.h"
#include "depthwise/images_nchw-inl.h"
#include "depthwise/turned-inl.h"
#include "depthwise/images_turned-inl.h"

namespace torchconv::ISA_NS {

using depthwise::Way;

template <class S>
static void run_images(Way way, const Images& g, const S* src, const S* w, const S* bias, S* to, void* workspace) {
  const auto run = way == Way::nhwc     ? run_images_nhwc<S>
                   : way == Way::turned ? run_images_turned<S>
                                        : run_images_nchw<S>;
  run(g, src, w, bias, to, workspace);
}

template <class S, class T = Compute<S>>
static int64_t images_workspace(Way way, const Images& g) {
  if (way == Way::nhwc) return ChannelPieces<S>(g, nullptr, 0).bytes;
  if (way == Way::turned) return g.threads * TurnedPieces<S>(g, nullptr, 0).bytes;
  return g.threads * PixelPieces<S>(g, Planes(g.h, g.w, g.joined, sizeof(T)), nullptr, 0).bytes;
}

}  // namespace torchconv::ISA_NS
