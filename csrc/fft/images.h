// The two passes whose result is an image: y from x, and grad_x from grad_y.
#pragma once
#include "fft/tiles.h"

namespace torchconv::fft {

struct Images {
  Axis h, w;
  int64_t N, sources, results, groups;  // channels of a group
  int64_t src_n, src_c, src_h, src_w, dst_n, dst_c, dst_h, dst_w;
  int64_t w_out, w_in, w_r, w_s, w_group;  // strides of the weights
  Isa isa;
  int threads;
  Epilogue epilogue;
  bool depthwise;  // as one group, each of whose results has one source

  int64_t tiles() const { return N * h.tiles * w.tiles; }
};

inline Images images_of(const ConvProblem& p) {
  const bool adjoint = p.pass == Pass::grad_input;
  const Tiling tiling = choose_tiles(p);
  Images g{};
  g.h = tiling.h, g.w = tiling.w;
  g.N = p.N, g.groups = p.G;
  g.sources = adjoint ? p.Kg() : p.Cg(), g.results = adjoint ? p.Cg() : p.Kg();
  const int64_t x[] = {p.x_stride_n(), p.x_stride_c(), p.x_stride_h(), p.x_stride_w()};
  const int64_t y[] = {p.y_stride_n(), p.y_stride_c(), p.y_stride_h(), p.y_stride_w()};
  const int64_t *src = adjoint ? y : x, *dst = adjoint ? x : y;
  g.src_n = src[0], g.src_c = src[1], g.src_h = src[2], g.src_w = src[3];
  g.dst_n = dst[0], g.dst_c = dst[1], g.dst_h = dst[2], g.dst_w = dst[3];
  g.w_out = p.w_stride[adjoint ? 1 : 0], g.w_in = p.w_stride[adjoint ? 0 : 1];
  g.w_r = p.w_stride[3], g.w_s = p.w_stride[4], g.w_group = p.Kg() * p.w_stride[0];
  g.isa = p.isa, g.threads = int(useful_threads(p.macs(), p.threads)), g.epilogue = p.epilogue;
  g.depthwise = is_depthwise(p);
  if (g.depthwise) g.groups = 1, g.sources = g.results = p.C, g.w_out = p.w_stride[0];
  return g;
}

void run_images(const ConvProblem&, const ConvOperands&);
int64_t images_workspace(const ConvProblem&);

}  // namespace torchconv::fft
