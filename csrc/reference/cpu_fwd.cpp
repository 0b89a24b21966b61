// y[n,k,p,q] = bias[k] + sum over c,r,s of x[n, c, p*stride + r*dil - pad, ...] * w[k,c,r,s]
#include "reference/reference.h"

namespace torchconv::reference {

template <class T>
static void fwd(const ConvProblem& p, const T* x, const T* w, const T* bias, T* y) {
  parallel_tasks(p.N * p.K, int(useful_threads(p.macs(), p.threads)), [&](int64_t task, int) {
    const int64_t n = task / p.K, k = task % p.K, c0 = k / p.Kg() * p.Cg();
    for (int64_t i = 0; i < p.P; ++i)
      for (int64_t j = 0; j < p.Q; ++j) {
        double sum = bias ? to_double(bias[k]) : 0;
        for (int64_t r = 0; r < p.R; ++r)
          for (int64_t s = 0; s < p.S; ++s) {
            const int64_t h = i * p.stride_h + r * p.dil_h - p.pad_top, v = j * p.stride_w + s * p.dil_w - p.pad_left;
            const bool inside = h >= 0 && h < p.H && v >= 0 && v < p.W;  // else x is 0, and 0 * inf is NaN
            const T* xp = x + n * p.x_stride_n() + c0 * p.x_stride_c() + h * p.x_stride_h() + v * p.x_stride_w();
            const T* wp = w + k * p.w_stride[0] + r * p.w_stride[2] + s * p.w_stride[3];
            for (int64_t c = 0; c < p.Cg(); ++c)
              sum += (inside ? to_double(xp[c * p.x_stride_c()]) : 0) * to_double(wp[c * p.w_stride[1]]);
          }
        y[n * p.y_stride_n() + k * p.y_stride_c() + i * p.y_stride_h() + j * p.y_stride_w()] = from_double<T>(sum);
      }
  });
}

void run_fwd(const ConvProblem& p, const ConvOperands& o) {
  dispatch_dtype(p.dtype, [&](auto t) {
    using T = decltype(t);
    fwd(p, (const T*)o.a, (const T*)o.b, (const T*)o.bias, (T*)o.out);
  });
}

}  // namespace torchconv::reference
