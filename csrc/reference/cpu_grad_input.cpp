// grad_x[n,c,h,v] = bias[c] + sum over k,r,s of grad_y[n,k,i,j] * w[k,c,r,s] where i*stride + r*dil - pad = h, ...
#include "reference/reference.h"

namespace torchconv::reference {

template <class T>
static void grad_input(const ConvProblem& p, const T* grad_y, const T* w, const T* bias, T* grad_x) {
  parallel_tasks(p.N * p.C, int(useful_threads(p.macs(), p.threads)), [&](int64_t task, int) {
    const int64_t n = task / p.C, c = task % p.C, g = c / p.Cg(), k0 = g * p.Kg();
    for (int64_t h = 0; h < p.H; ++h)
      for (int64_t v = 0; v < p.W; ++v) {
        double sum = bias ? to_double(bias[c]) : 0;
        for (int64_t r = 0; r < p.R; ++r)
          for (int64_t s = 0; s < p.S; ++s) {
            const int64_t is = h + p.pad_top - r * p.dil_h, js = v + p.pad_left - s * p.dil_w;
            if (is % p.stride_h || js % p.stride_w) continue;
            const int64_t i = is / p.stride_h, j = js / p.stride_w;
            const bool inside = i >= 0 && i < p.P && j >= 0 && j < p.Q;  // else grad_y is 0, and 0 * inf is NaN
            const T* yp = grad_y + n * p.y_stride_n() + k0 * p.y_stride_c() + i * p.y_stride_h() + j * p.y_stride_w();
            const T* wp =
                w + k0 * p.w_stride[0] + (c - g * p.Cg()) * p.w_stride[1] + r * p.w_stride[2] + s * p.w_stride[3];
            for (int64_t k = 0; k < p.Kg(); ++k)
              sum += (inside ? to_double(yp[k * p.y_stride_c()]) : 0) * to_double(wp[k * p.w_stride[0]]);
          }
        grad_x[n * p.x_stride_n() + c * p.x_stride_c() + h * p.x_stride_h() + v * p.x_stride_w()] = from_double<T>(sum);
      }
  });
}

void run_grad_input(const ConvProblem& p, const ConvOperands& o) {
  dispatch_dtype(p.dtype, [&](auto t) {
    using T = decltype(t);
    grad_input(p, (const T*)o.a, (const T*)o.b, (const T*)o.bias, (T*)o.out);
  });
}

}  // namespace torchconv::reference
