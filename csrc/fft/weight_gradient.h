// The pass whose result is weights.
#pragma once
#include "fft/tiles.h"

namespace torchconv::fft {

struct WeightGradient {
  Axis h, w;
  int64_t N, C, K, groups;  // channels of a group
  int64_t x_n, x_c, x_h, x_w, y_n, y_c, y_h, y_w;
  int64_t w_k, w_c, w_r, w_s, w_group;  // strides of grad_w
  Isa isa;
  int threads;
  bool depthwise;  // as one group, each of whose outputs has one input

  int64_t tiles() const { return N * h.tiles * w.tiles; }
};

inline WeightGradient weight_gradient_of(const ConvProblem& p) {
  const Tiling tiling = choose_tiles(p);
  WeightGradient g{};
  g.h = tiling.h, g.w = tiling.w;
  g.N = p.N, g.C = p.Cg(), g.K = p.Kg(), g.groups = p.G;
  g.x_n = p.x_stride_n(), g.x_c = p.x_stride_c(), g.x_h = p.x_stride_h(), g.x_w = p.x_stride_w();
  g.y_n = p.y_stride_n(), g.y_c = p.y_stride_c(), g.y_h = p.y_stride_h(), g.y_w = p.y_stride_w();
  g.w_k = p.w_stride[0], g.w_c = p.w_stride[1], g.w_r = p.w_stride[3], g.w_s = p.w_stride[4];
  g.w_group = p.Kg() * p.w_stride[0];
  g.isa = p.isa, g.threads = int(useful_threads(p.macs(), p.threads));
  g.depthwise = is_depthwise(p);
  if (g.depthwise) g.groups = 1, g.C = g.K = p.C;
  return g;
}

}  // namespace torchconv::fft
