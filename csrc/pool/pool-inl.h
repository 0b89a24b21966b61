// Included once per instruction set by pool.cpp.
#include "pool/lanes-inl.h"
#include "pool/pieces-inl.h"
#include "pool/whole-inl.h"
#include "pool/forward_nchw-inl.h"
#include "pool/backward_nchw-inl.h"
#include "pool/tap_grad_apart-inl.h"
#include "pool/tap_grad_nchw-inl.h"
#include "pool/nhwc-inl.h"
#include "pool/shuffle-inl.h"

namespace torchconv::ISA_NS {

template <Take take, class S>
static void take_windows(const PoolProblem& p, const S* x, S* y, void* origins, void* workspace) {
  const auto to = (Origins<take>)origins;
  p.layout == Layout::nhwc ? pool_nhwc<take>(p, x, y, to) : pool_nchw<take>(p, x, y, to, workspace);
}

template <class S>
static void max_pool(const PoolProblem& p, const S* x, S* y, void* origins, void* workspace) {
  switch (p.origin) {
    case Origin::none: return take_windows<Take::maximum>(p, x, y, nullptr, workspace);
    case Origin::index: return take_windows<Take::maximum_and_index>(p, x, y, origins, workspace);
    case Origin::tap: return take_windows<Take::maximum_and_tap>(p, x, y, origins, workspace);
  }
}

template <class S>
static void max_pool_grad(const PoolProblem& p, const S* grad_y, const void* origins, S* grad_x, void* workspace) {
  if (p.origin == Origin::tap)
    p.layout == Layout::nhwc ? pool_grad_nhwc<Take::maximum_and_tap>(p, grad_y, (const Tap*)origins, grad_x)
                             : tap_grad_nchw(p, grad_y, (const Tap*)origins, grad_x, workspace);
  else
    p.layout == Layout::nhwc ? pool_grad_nhwc<Take::maximum_and_index>(p, grad_y, (const int64_t*)origins, grad_x)
                             : max_grad_nchw(p, grad_y, (const int64_t*)origins, grad_x, workspace);
}

template <class S>
static void avg_pool(const PoolProblem& p, const S* x, S* y, void* workspace) {
  if (p.layout == Layout::nchw && p.whole())
    avg_whole(p, x, y);
  else
    take_windows<Take::sum>(p, x, y, nullptr, workspace);
}

template <class S>
static void avg_pool_grad(const PoolProblem& p, const S* grad_y, S* grad_x, void* workspace) {
  if (p.layout == Layout::nhwc)
    pool_grad_nhwc<Take::sum>(p, grad_y, nullptr, grad_x);
  else if (p.whole())
    avg_whole_grad(p, grad_y, grad_x);
  else
    avg_grad_nchw(p, grad_y, grad_x, workspace);
}

}  // namespace torchconv::ISA_NS
