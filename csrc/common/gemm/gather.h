// One description of what each pixel of a result reads. Forward reads x around each pixel of y;
// grad_input reads grad_y around each pixel of grad_x. With stride s the taps that meet a pixel of
// grad_x depend on its position modulo s, so grad_input is s*s such problems ("phases", s*s*s with depth), each of
// stride 1 and without a single multiplication by a zero in between. Without depth, axis d has one pixel and one tap.
#pragma once
#include <algorithm>
#include <numeric>

#include "common/problem.h"

namespace torchconv {

// One spatial axis: destination pixel  dst_first + p * dst_every,  p in [0, count), sums over the
// taps  i in [0, taps)  kernel index first + i * every  times  source index p * step + offset + i * delta.
struct Axis {
  int64_t count, dst_first, dst_every;
  int64_t taps, first, every;
  int64_t step, offset, delta;
  int64_t source;  // source size; outside it the source is zero
};

struct Gather {
  Axis d, h, w;
  int64_t N, channels;  // of the source, per group
  int64_t outputs;      // destination channels, per group
  int64_t groups;
  int64_t src_n, src_c, src_d, src_h, src_w;  // strides, in elements
  int64_t dst_n, dst_c, dst_d, dst_h, dst_w;
  int64_t w_out, w_in, w_t, w_r, w_s;  // strides of the weights: destination channel, source channel, kernel
  int64_t w_group;                     // from one group's weights to the next
  Layout layout;
  int threads;
  bool packed;  // the weights come as pack_pixels_weights() made them

  int64_t taps() const { return d.taps * h.taps * w.taps; }
  int64_t depth() const { return taps() * channels; }  // length of the sum
  int64_t image() const { return d.count * h.count * w.count; }
  int64_t pixels() const { return N * image(); }
};

inline Axis forward_axis(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  return {out, 0, 1, kernel, 0, 1, stride, -pad, dilation, in};
}

// The pixels a, a + s, a + 2s, ... of grad_x that kernel index `first` reaches, first < s / gcd(s, dilation): with it
// every (s / gcd)-th index reaches them, so each `first` has pixels of its own. count is 0 if they are outside.
inline Axis phase_axis(int64_t first, int64_t in, int64_t out, int64_t kernel, int64_t s, int64_t pad,
                       int64_t dilation) {
  const int64_t gcd = std::gcd(s, dilation), every = s / gcd, reach = first * dilation - pad;
  const int64_t a = (reach % s + s) % s;
  return {a < in ? (in - a + s - 1) / s : 0,
          a,
          s,
          (kernel - first + every - 1) / every,
          first,
          every,
          1,
          (a - reach) / s,
          -(dilation / gcd),
          out};
}
inline int64_t phases(int64_t kernel, int64_t s, int64_t dilation) {
  return std::min(kernel, s / std::gcd(s, dilation));
}

inline Gather forward_gather(const ConvProblem& p) {
  Gather g{};
  g.d = forward_axis(p.D, p.O, p.T, p.stride_d, p.pad_front, p.dil_d);
  g.h = forward_axis(p.H, p.P, p.R, p.stride_h, p.pad_top, p.dil_h);
  g.w = forward_axis(p.W, p.Q, p.S, p.stride_w, p.pad_left, p.dil_w);
  g.N = p.N, g.channels = p.Cg(), g.outputs = p.Kg(), g.groups = p.G;
  g.src_n = p.x_stride_n(), g.src_c = p.x_stride_c();
  g.src_d = p.x_stride_d(), g.src_h = p.x_stride_h(), g.src_w = p.x_stride_w();
  g.dst_n = p.y_stride_n(), g.dst_c = p.y_stride_c();
  g.dst_d = p.y_stride_d(), g.dst_h = p.y_stride_h(), g.dst_w = p.y_stride_w();
  g.w_out = p.w_stride[0], g.w_in = p.w_stride[1];
  g.w_t = p.w_stride[2], g.w_r = p.w_stride[3], g.w_s = p.w_stride[4];
  g.w_group = p.Kg() * p.w_stride[0];
  g.layout = p.layout, g.threads = p.threads, g.packed = p.packed;
  return g;
}

inline Gather phase_gather(const ConvProblem& p, int64_t first_t, int64_t first_r, int64_t first_s) {
  Gather g{};
  g.d = phase_axis(first_t, p.D, p.O, p.T, p.stride_d, p.pad_front, p.dil_d);
  g.h = phase_axis(first_r, p.H, p.P, p.R, p.stride_h, p.pad_top, p.dil_h);
  g.w = phase_axis(first_s, p.W, p.Q, p.S, p.stride_w, p.pad_left, p.dil_w);
  g.N = p.N, g.channels = p.Kg(), g.outputs = p.Cg(), g.groups = p.G;
  g.src_n = p.y_stride_n(), g.src_c = p.y_stride_c();
  g.src_d = p.y_stride_d(), g.src_h = p.y_stride_h(), g.src_w = p.y_stride_w();
  g.dst_n = p.x_stride_n(), g.dst_c = p.x_stride_c();
  g.dst_d = p.x_stride_d(), g.dst_h = p.x_stride_h(), g.dst_w = p.x_stride_w();
  g.w_out = p.w_stride[1], g.w_in = p.w_stride[0];
  g.w_t = p.w_stride[2], g.w_r = p.w_stride[3], g.w_s = p.w_stride[4];
  g.w_group = p.Kg() * p.w_stride[0];
  g.layout = p.layout, g.threads = p.threads;
  return g;
}

// Whether the pixels read each pixel of the source once, in its order: 1x1, stride 1 (or a phase of one), no padding.
inline bool reads_in_order(const Gather& g) {
  const auto same = [](const Axis& a) { return a.taps == 1 && a.step == 1 && a.offset == 0 && a.count == a.source; };
  return same(g.d) && same(g.h) && same(g.w);
}
// Whether they are written in that order, too.
inline bool is_pointwise(const Gather& g) {
  return reads_in_order(g) && g.d.dst_every == 1 && g.h.dst_every == 1 && g.w.dst_every == 1;
}

// A pointwise problem with each image as one long row.
inline Gather flatten(const Gather& g) {
  Gather flat = g;
  if (is_pointwise(g)) {
    flat.w.count = flat.w.source = g.image();
    flat.d.count = flat.d.source = flat.h.count = flat.h.source = 1;
  }
  return flat;
}

// The same sums with the taps met in the order of their sources.
inline Gather ascending(const Gather& g) {
  Gather same = g;
  for (Axis* a : {&same.d, &same.h, &same.w}) {
    if (a->delta >= 0) continue;
    a->offset += (a->taps - 1) * a->delta, a->delta = -a->delta;
    a->first += (a->taps - 1) * a->every, a->every = -a->every;
  }
  return same;
}

}  // namespace torchconv
