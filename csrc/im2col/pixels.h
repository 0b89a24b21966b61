// The driver shared by forward and grad_input: a matrix product over the pixels of a Gather.
#pragma once
#include "common/gemm/gather.h"

namespace torchconv::im2col {

struct PixelOperands {
  const void *src, *w, *bias;
  void *dst, *workspace;
  Epilogue epilogue;
  const void* residual = nullptr;  // as dst
};

// Images of no more pixels (14x14, or five of 7x7) are one block of them, in channels_last.
constexpr int64_t kFewPixels = 256;

// The strip of an image that `rows` rows of the result read (strips-inl.h).
inline int64_t strip_width(const Gather& g) { return (g.w.count - 1) * g.w.step + g.w.taps; }
inline int64_t strip_height(const Gather& g, int64_t rows) {
  return (rows - 1) * g.h.step + (g.h.taps - 1) * g.h.delta + 1;
}
inline int64_t strip_elements(const Gather& g, int64_t rows) {
  return strip_height(g, rows) * strip_width(g) * g.channels;
}

// Rows of the result in the least strip. Each strip reads all weights: 512 channels at 14x14, stride 2, in strips of 14
// pixels ran at 0.8 of the speed of blocks.
inline int64_t least_strip_rows(const Gather& g) {
  constexpr int64_t pixels = 28;
  return std::max<int64_t>(1, std::min(g.h.count, (pixels + g.w.count - 1) / std::max<int64_t>(g.w.count, 1)));
}

// Whether images are read in place, by strips, if float32 or float64 is multiplied: groups of whole cache lines of
// channels (14x14, 32 groups of 16: 1.5x of packing each patch, Zen 5), the taps of a row in order, tiles
// of several pixels (rows of 1 to 3 took 1.3 to 2 times as long), pixels near enough that those of a tile lie in
// different sets of L1, room in L2 for the least strip, of whose rows at least a quarter is read, and strips for all
// threads.
constexpr int64_t kMostPixelBytes = 2048, kStripElements = 48 << 10, kLeastWidth = 4;
inline bool fits_strips(const Gather& g, int64_t itemsize) {
  const int64_t rows = least_strip_rows(g), strips = g.groups * g.N * ((g.h.count + rows - 1) / rows);
  const bool lines = g.src_w == g.channels || g.channels * itemsize % 64 == 0;
  return g.layout == Layout::nhwc && lines && (g.groups > 1 || g.pixels() > kFewPixels) && g.d.count == 1 &&
         g.d.taps == 1 && g.d.offset == 0 && g.d.dst_first == 0 && g.h.taps * g.w.taps > 1 && g.w.delta == 1 &&
         g.h.delta > 0 && g.w.count >= kLeastWidth && g.w.step * g.channels * itemsize <= kMostPixelBytes &&
         strip_elements(g, rows) <= kStripElements && strip_height(g, rows) <= 4 * rows * g.h.taps &&
         (g.threads == 1 || strips >= 2 * g.threads);
}

void run_pixels(Isa isa, DType dtype, const Gather& g, const PixelOperands&);
// What g.packed expects in the place of w; the same for any pixels and threads.
void pack_pixels_weights(Isa isa, DType dtype, const Gather& g, const void* w, void* to);
int64_t packed_weights_bytes(Isa isa, DType dtype, const Gather& g);
int64_t pixels_workspace(Isa isa, DType dtype, const Gather& g);  // bytes
double pixels_tile_macs(Isa isa, DType dtype, const Gather& g);   // multiply-adds with the tiles' tails

}  // namespace torchconv::im2col
