// grad_input as products over pixels, one for each phase of the stride (gather.h).
#pragma once
#include "common/gemm/gather.h"

namespace torchconv {

// Calls f with each phase that has pixels.
template <class F>
void for_each_phase(const ConvProblem& p, const F& f) {
  for (int64_t t = 0; t < phases(p.T, p.stride_d, p.dil_d); ++t)
    for (int64_t r = 0; r < phases(p.R, p.stride_h, p.dil_h); ++r)
      for (int64_t s = 0; s < phases(p.S, p.stride_w, p.dil_w); ++s)
        if (const Gather g = phase_gather(p, t, r, s); g.pixels()) f(g);
}

// grad_x = bias everywhere, if there are pixels that no tap reaches.
void fill_unreached(const ConvProblem& p, const void* bias, void* grad_x);

}  // namespace torchconv
