// Winograd's form of Strassen's product of 2 x 2 blocks: 7 products and 15 sums.
//   S1 = A21 + A22   S2 = S1 - A11   S3 = A11 - A21   S4 = A12 - S2
//   T1 = B12 - B11   T2 = B22 - T1   T3 = B22 - B12   T4 = T2 - B21
//   P1 = A11 B11   P2 = A12 B21   P3 = S4 B22   P4 = A22 T4   P5 = S1 T1   P6 = S2 T2   P7 = S3 T3
//   C11 = P1 + P2   C12 = P1 + P6 + P5 + P3   C21 = P1 + P6 + P7 - P4   C22 = P1 + P6 + P7 + P5
// The products are over pixels, channels and outputs, each cut in two.
#pragma once
#include "common/gemm/gather.h"

namespace torchconv::strassen {

// Which operand each product has, A's and B's, in the order of the products above; a sum S or T is named by its number.
enum Operand { kBlock11, kBlock12, kBlock21, kBlock22, kSum1, kSum2, kSum3, kSum4 };
constexpr Operand kLeft[7] = {kBlock11, kBlock12, kSum4, kBlock22, kSum1, kSum2, kSum3};
constexpr Operand kRight[7] = {kBlock11, kBlock21, kBlock22, kSum4, kSum1, kSum2, kSum3};

// The halves of a size n are [0, half) and [n - half, n): of an odd one, both have the element in the middle.
inline int64_t half_of(int64_t n) { return (n + 1) / 2; }
inline int64_t shared_by_halves(int64_t n) { return n % 2; }

// Pixels that can be halved as they come, without regard to images: x is the matrix itself, and all of it one row.
inline bool is_one_row(const Gather& g) { return is_pointwise(g) && (g.layout == Layout::nhwc || g.N == 1); }
// What halving cuts through: rows of that matrix, or images.
inline int64_t divisible(const Gather& g) { return is_one_row(g) ? g.pixels() : g.N; }

// The first `count` of them, out of divisible().
inline Gather take(const Gather& whole, int64_t count) {
  Gather g = flatten(whole);
  if (is_one_row(whole))
    g.N = 1, g.w.count = g.w.source = count;
  else
    g.N = count;
  return g;
}

struct Halves {
  Gather g;  // sizes of a half, and the strides of the whole
  int64_t whole_channels, whole_outputs;
  // From the first half to the second.
  int64_t src_pixels, src_channels, dst_pixels, dst_outputs, w_channels, w_outputs;
  // Of the second half, what the first has too: it is computed twice, and taken once.
  int64_t shared_pixels, shared_channels, shared_outputs;

  int64_t src(int pixels, int channels) const { return pixels * src_pixels + channels * src_channels; }
  int64_t dst(int pixels, int outputs) const { return pixels * dst_pixels + outputs * dst_outputs * g.dst_c; }
  int64_t w(int channels, int outputs) const { return channels * w_channels + outputs * w_outputs; }
};

inline Halves halve(const Gather& whole) {
  const int64_t count = divisible(whole), half = half_of(count), start = count - half;
  const bool row = is_one_row(whole);
  Halves h{};
  h.g = take(whole, half), h.whole_channels = whole.channels, h.whole_outputs = whole.outputs;
  Gather& g = h.g;
  g.channels = half_of(whole.channels), g.outputs = half_of(whole.outputs);
  h.src_pixels = start * (row ? g.src_w : g.src_n), h.src_channels = (whole.channels - g.channels) * g.src_c;
  h.dst_pixels = start * (row ? g.dst_w : g.dst_n), h.dst_outputs = whole.outputs - g.outputs;
  h.w_channels = (whole.channels - g.channels) * g.w_in, h.w_outputs = h.dst_outputs * g.w_out;
  h.shared_pixels = shared_by_halves(count) * (row ? 1 : g.image());
  h.shared_channels = shared_by_halves(whole.channels), h.shared_outputs = shared_by_halves(whole.outputs);
  return h;
}

// One of the two images of a product (source or destination) in blocks: which pixels, which channels.
struct ImageBlocks {
  Layout layout;
  int64_t N, plane, groups, channels;  // of a block; channels per group
  int64_t stride_n, stride_pixel, stride_c, stride_group;
  int64_t second_pixels, second_channels;  // from the first half to the second

  int64_t block(int pixels, int channels) const { return pixels * second_pixels + channels * second_channels; }
  int64_t elements() const { return N * plane * groups * channels; }  // of a sum of blocks
};

inline ImageBlocks source_blocks(const Halves& h) {
  const Gather& g = h.g;
  return {g.layout, g.N,     g.d.source * g.h.source * g.w.source, g.groups,     g.channels,    g.src_n,
          g.src_w,  g.src_c, g.src_c * h.whole_channels,           h.src_pixels, h.src_channels};
}
inline ImageBlocks destination_blocks(const Halves& h) {
  const Gather& g = h.g;
  return {g.layout,
          g.N,
          g.image(),
          g.groups,
          g.outputs,
          g.dst_n,
          g.dst_w,
          g.dst_c,
          g.dst_c * h.whole_outputs,
          h.dst_pixels,
          h.dst_outputs * g.dst_c};
}

// The gather whose source is a sum of source blocks, or whose destination is one of destination blocks: dense tensors.
inline Gather with_source_sums(Gather g) {
  const bool nhwc = g.layout == Layout::nhwc;
  const int64_t channels = g.groups * g.channels, plane = g.d.source * g.h.source * g.w.source;
  g.src_c = nhwc ? 1 : plane, g.src_w = nhwc ? channels : 1;
  g.src_h = g.w.source * g.src_w, g.src_d = g.h.source * g.src_h, g.src_n = channels * plane;
  return g;
}
inline Gather with_destination_sums(Gather g) {
  const bool nhwc = g.layout == Layout::nhwc;
  const int64_t channels = g.groups * g.outputs;
  g.dst_c = nhwc ? 1 : g.image(), g.dst_w = nhwc ? channels : 1;
  g.dst_h = g.w.count * g.dst_w, g.dst_d = g.h.count * g.dst_h, g.dst_n = channels * g.image();
  return g;
}

}  // namespace torchconv::strassen
