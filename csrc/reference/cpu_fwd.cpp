// y[n,k,o,p,q] = bias[k] + residual[n,k,o,p,q] + sum over c,t,r,s of x[n, c, o*stride + t*dil - pad, ...] *
// w[k,c,t,r,s]
#include "reference/reference.h"

namespace torchconv::reference {

// The sum behind y[n,k,o,i,j] without bias; x points at its image and group, w at its output channel.
template <class T>
static double sum_at(const ConvProblem& p, const T* x, const T* w, int64_t o, int64_t i, int64_t j) {
  double sum = 0;
  for (int64_t t = 0; t < p.T; ++t)
    for (int64_t r = 0; r < p.R; ++r)
      for (int64_t s = 0; s < p.S; ++s) {
        const int64_t d = o * p.stride_d + t * p.dil_d - p.pad_front, h = i * p.stride_h + r * p.dil_h - p.pad_top,
                      v = j * p.stride_w + s * p.dil_w - p.pad_left;
        const bool inside = within(d, p.D) && within(h, p.H) && within(v, p.W);  // else x is 0, and 0 * inf is NaN
        const T* xp = x + d * p.x_stride_d() + h * p.x_stride_h() + v * p.x_stride_w();
        const T* wp = w + t * p.w_stride[2] + r * p.w_stride[3] + s * p.w_stride[4];
        for (int64_t c = 0; c < p.Cg(); ++c)
          sum += (inside ? to_double(xp[c * p.x_stride_c()]) : 0) * to_double(wp[c * p.w_stride[1]]);
      }
  return sum;
}

template <class T>
static void fwd(const ConvProblem& p, const T* x, const T* w, const T* bias, const T* residual, T* y) {
  parallel_tasks(p.N * p.K, int(useful_threads(p.macs(), p.threads)), [&](int64_t task, int) {
    const int64_t n = task / p.K, k = task % p.K, c0 = k / p.Kg() * p.Cg();
    const T *xp = x + n * p.x_stride_n() + c0 * p.x_stride_c(), *wp = w + k * p.w_stride[0];
    const int64_t plane = n * p.y_stride_n() + k * p.y_stride_c();
    const double add = bias ? to_double(bias[k]) : 0;
    for (int64_t o = 0; o < p.O; ++o)
      for (int64_t i = 0; i < p.P; ++i)
        for (int64_t j = 0; j < p.Q; ++j) {
          const int64_t at = plane + o * p.y_stride_d() + i * p.y_stride_h() + j * p.y_stride_w();
          const double sum = sum_at(p, xp, wp, o, i, j) + add + (residual ? to_double(residual[at]) : 0);
          y[at] = from_double<T>(activate(p.epilogue, sum));
        }
  });
}

void run_fwd(const ConvProblem& p, const ConvOperands& o) {
  dispatch_dtype(p.dtype, [&](auto t) {
    using T = decltype(t);
    fwd(p, (const T*)o.a, (const T*)o.b, (const T*)o.bias, (const T*)o.residual, (T*)o.out);
  });
}

}  // namespace torchconv::reference
