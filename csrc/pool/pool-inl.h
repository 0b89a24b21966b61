// Included once per instruction set by pool.cpp.
#include "pool/lanes-inl.h"
#include "pool/pieces-inl.h"
#include "pool/forward_nchw-inl.h"
#include "pool/backward_nchw-inl.h"
#include "pool/nhwc-inl.h"

namespace torchconv::ISA_NS {

template <class S>
static void max_pool(const PoolProblem& p, const S* x, S* y, int64_t* indices, void* workspace) {
  if (p.layout == Layout::nhwc)
    indices ? pool_nhwc<Take::maximum_and_index>(p, x, y, indices) : pool_nhwc<Take::maximum>(p, x, y, indices);
  else
    indices ? pool_nchw<Take::maximum_and_index>(p, x, y, indices, workspace)
            : pool_nchw<Take::maximum>(p, x, y, indices, workspace);
}

template <class S>
static void max_pool_grad(const PoolProblem& p, const S* grad_y, const int64_t* indices, S* grad_x, void* workspace) {
  if (p.layout == Layout::nhwc)
    pool_grad_nhwc<false>(p, grad_y, indices, grad_x);
  else
    max_grad_nchw(p, grad_y, indices, grad_x, workspace);
}

template <class S>
static void avg_pool(const PoolProblem& p, const S* x, S* y, void* workspace) {
  if (p.layout == Layout::nhwc)
    pool_nhwc<Take::sum>(p, x, y, nullptr);
  else
    pool_nchw<Take::sum>(p, x, y, nullptr, workspace);
}

template <class S>
static void avg_pool_grad(const PoolProblem& p, const S* grad_y, S* grad_x, void* workspace) {
  if (p.layout == Layout::nhwc)
    pool_grad_nhwc<true>(p, grad_y, nullptr, grad_x);
  else
    avg_grad_nchw(p, grad_y, grad_x, workspace);
}

}  // namespace torchconv::ISA_NS
