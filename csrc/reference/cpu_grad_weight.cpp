// grad_w[k,c,t,r,s] = sum over n,o,i,j of grad_y[n,k,o,i,j] * x[n, c, o*stride + t*dil - pad, ...]
#include "reference/reference.h"

namespace torchconv::reference {

// The sum behind grad_w[k,c,t,r,s]; x and grad_y point at their channels of the first image.
template <class T>
static double sum_at(const ConvProblem& p, const T* x, const T* grad_y, int64_t t, int64_t r, int64_t s) {
  double sum = 0;
  for (int64_t n = 0; n < p.N; ++n)
    for (int64_t o = 0; o < p.O; ++o)
      for (int64_t i = 0; i < p.P; ++i) {
        const int64_t d = o * p.stride_d + t * p.dil_d - p.pad_front, h = i * p.stride_h + r * p.dil_h - p.pad_top;
        const T* xp = x + n * p.x_stride_n() + d * p.x_stride_d() + h * p.x_stride_h();
        const T* yp = grad_y + n * p.y_stride_n() + o * p.y_stride_d() + i * p.y_stride_h();
        for (int64_t j = 0; j < p.Q; ++j) {
          const int64_t v = j * p.stride_w + s * p.dil_w - p.pad_left;
          const bool inside = within(d, p.D) && within(h, p.H) && within(v, p.W);  // else x is 0, and 0 * inf is NaN
          sum += (inside ? to_double(xp[v * p.x_stride_w()]) : 0) * to_double(yp[j * p.y_stride_w()]);
        }
      }
  return sum;
}

template <class T>
static void grad_weight(const ConvProblem& p, const T* x, const T* grad_y, T* grad_w) {
  parallel_tasks(p.K * p.Cg(), int(useful_threads(p.macs(), p.threads)), [&](int64_t task, int) {
    const int64_t k = task / p.Cg(), c = task % p.Cg(), c_in_x = k / p.Kg() * p.Cg() + c;
    const T *xp = x + c_in_x * p.x_stride_c(), *yp = grad_y + k * p.y_stride_c();
    T* wp = grad_w + k * p.w_stride[0] + c * p.w_stride[1];
    for (int64_t t = 0; t < p.T; ++t)
      for (int64_t r = 0; r < p.R; ++r)
        for (int64_t s = 0; s < p.S; ++s)
          wp[t * p.w_stride[2] + r * p.w_stride[3] + s * p.w_stride[4]] = from_double<T>(sum_at(p, xp, yp, t, r, s));
  });
}

void run_grad_weight(const ConvProblem& p, const ConvOperands& o) {
  dispatch_dtype(p.dtype, [&](auto t) {
    using T = decltype(t);
    grad_weight(p, (const T*)o.a, (const T*)o.b, (T*)o.out);
  });
}

}  // namespace torchconv::reference
