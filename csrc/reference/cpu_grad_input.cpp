// grad_x[n,c,d,h,v] = bias[c] + sum over k,t,r,s of grad_y[n,k,o,i,j] * w[k,c,t,r,s]
// where o*stride + t*dil - pad = d, and h and v alike
#include "reference/reference.h"

namespace torchconv::reference {

// The sum behind grad_x[n,c,d,h,v] without bias; grad_y points at its image and group, w at its group and channel.
template <class T>
static double sum_at(const ConvProblem& p, const T* grad_y, const T* w, int64_t d, int64_t h, int64_t v) {
  double sum = 0;
  for (int64_t t = 0; t < p.T; ++t)
    for (int64_t r = 0; r < p.R; ++r)
      for (int64_t s = 0; s < p.S; ++s) {
        const int64_t os = d + p.pad_front - t * p.dil_d, is = h + p.pad_top - r * p.dil_h,
                      js = v + p.pad_left - s * p.dil_w;
        if (os % p.stride_d || is % p.stride_h || js % p.stride_w) continue;
        const int64_t o = os / p.stride_d, i = is / p.stride_h, j = js / p.stride_w;
        const bool inside = within(o, p.O) && within(i, p.P) && within(j, p.Q);  // else grad_y is 0, and 0 * inf is NaN
        const T* yp = grad_y + o * p.y_stride_d() + i * p.y_stride_h() + j * p.y_stride_w();
        const T* wp = w + t * p.w_stride[2] + r * p.w_stride[3] + s * p.w_stride[4];
        for (int64_t k = 0; k < p.Kg(); ++k)
          sum += (inside ? to_double(yp[k * p.y_stride_c()]) : 0) * to_double(wp[k * p.w_stride[0]]);
      }
  return sum;
}

template <class T>
static void grad_input(const ConvProblem& p, const T* grad_y, const T* w, const T* bias, T* grad_x) {
  parallel_tasks(p.N * p.C, int(useful_threads(p.macs(), p.threads)), [&](int64_t task, int) {
    const int64_t n = task / p.C, c = task % p.C, g = c / p.Cg(), k0 = g * p.Kg();
    const T *yp = grad_y + n * p.y_stride_n() + k0 * p.y_stride_c(),
            *wp = w + k0 * p.w_stride[0] + (c - g * p.Cg()) * p.w_stride[1];
    T* xp = grad_x + n * p.x_stride_n() + c * p.x_stride_c();
    const double add = bias ? to_double(bias[c]) : 0;
    for (int64_t d = 0; d < p.D; ++d)
      for (int64_t h = 0; h < p.H; ++h)
        for (int64_t v = 0; v < p.W; ++v)
          xp[d * p.x_stride_d() + h * p.x_stride_h() + v * p.x_stride_w()] =
              from_double<T>(sum_at(p, yp, wp, d, h, v) + add);
  });
}

void run_grad_input(const ConvProblem& p, const ConvOperands& o) {
  dispatch_dtype(p.dtype, [&](auto t) {
    using T = decltype(t);
    grad_input(p, (const T*)o.a, (const T*)o.b, (const T*)o.bias, (T*)o.out);
  });
}

}  // namespace torchconv::reference
