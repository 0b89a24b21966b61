// unfold (im2col) and its adjoint fold (col2im), as torch.nn.functional has them.
// The convolutions do not use these: their patches go straight into packed panels.
#pragma once
#include "common/problem.h"

namespace torchconv {

// columns[n, c, r, s, p, q] = x[n, c, p*stride + r*dil - pad, ...], zero outside x. x is dense in p.layout.
void run_unfold(const ConvProblem& p, const void* x, void* columns);

// x[n, c, h, v] = sum of the columns that unfold would take from there. x is dense NCHW.
// Sums in float for the 16-bit types, in the type itself else, in an order that does not depend on the threads.
void run_fold(const ConvProblem& p, const void* columns, void* x);

}  // namespace torchconv
