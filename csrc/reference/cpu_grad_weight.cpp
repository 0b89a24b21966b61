// grad_w[k,c,r,s] = sum over n,i,j of grad_y[n,k,i,j] * x[n, c, i*stride + r*dil - pad, ...]
#include "reference/reference.h"

namespace torchconv::reference {

template <class T>
static void grad_weight(const ConvProblem& p, const T* x, const T* grad_y, T* grad_w) {
  parallel_tasks(p.K * p.Cg(), int(useful_threads(p.macs(), p.threads)), [&](int64_t task, int) {
    const int64_t k = task / p.Cg(), c = task % p.Cg(), c_in_x = k / p.Kg() * p.Cg() + c;
    for (int64_t r = 0; r < p.R; ++r)
      for (int64_t s = 0; s < p.S; ++s) {
        double sum = 0;
        for (int64_t n = 0; n < p.N; ++n)
          for (int64_t i = 0; i < p.P; ++i) {
            const int64_t h = i * p.stride_h + r * p.dil_h - p.pad_top;
            const T* xp = x + n * p.x_stride_n() + c_in_x * p.x_stride_c() + h * p.x_stride_h();
            const T* yp = grad_y + n * p.y_stride_n() + k * p.y_stride_c() + i * p.y_stride_h();
            for (int64_t j = 0; j < p.Q; ++j) {
              const int64_t v = j * p.stride_w + s * p.dil_w - p.pad_left;
              const bool inside = h >= 0 && h < p.H && v >= 0 && v < p.W;  // else x is 0, and 0 * inf is NaN
              sum += (inside ? to_double(xp[v * p.x_stride_w()]) : 0) * to_double(yp[j * p.y_stride_w()]);
            }
          }
        grad_w[k * p.w_stride[0] + c * p.w_stride[1] + r * p.w_stride[2] + s * p.w_stride[3]] = from_double<T>(sum);
      }
  });
}

void run_grad_weight(const ConvProblem& p, const ConvOperands& o) {
  dispatch_dtype(p.dtype, [&](auto t) {
    using T = decltype(t);
    grad_weight(p, (const T*)o.a, (const T*)o.b, (T*)o.out);
  });
}

}  // namespace torchconv::reference
