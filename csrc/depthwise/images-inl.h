// Included once per instruction set by images.cpp.
#include "depthwise/taps-inl.h"
#include "depthwise/images_nhwc-inl.h"
#include "depthwise/images_nchw-inl.h"

namespace torchconv::ISA_NS {

template <class S>
static void run_images(Layout layout, const Images& g, const S* src, const S* w, const S* bias, S* to,
                       void* workspace) {
  (layout == Layout::nhwc ? run_images_nhwc<S> : run_images_nchw<S>)(g, src, w, bias, to, workspace);
}

template <class S, class T = Compute<S>>
static int64_t images_workspace(Layout layout, const Images& g) {
  if (layout == Layout::nhwc) return ChannelPieces<S>(g, nullptr, 0).bytes;
  return g.threads * PixelPieces<S>(g, Planes(g.h, g.w, g.joined, sizeof(T)), nullptr, 0).bytes;
}

}  // namespace torchconv::ISA_NS
