// The winograd rows: F(m x m, r x r) of Winograd, a batch of matrix products over transformed tiles.
#pragma once
#include "common/problem.h"

namespace torchconv::winograd {

// m: outputs of a tile along each axis, 2, 4 or 6.
void run_fwd(const ConvProblem&, const ConvOperands&, int64_t m);
void run_grad_input(const ConvProblem&, const ConvOperands&, int64_t m);
void run_grad_weight(const ConvProblem&, const ConvOperands&, int64_t m);

// The weights of forward, transformed.
void pack_fwd(const ConvProblem&, const void* w, void* to, int64_t m);
int64_t pack_bytes_fwd(const ConvProblem&, int64_t m);

int64_t workspace_fwd(const ConvProblem&, int64_t m);
int64_t workspace_grad_input(const ConvProblem&, int64_t m);
int64_t workspace_grad_weight(const ConvProblem&, int64_t m);

}  // namespace torchconv::winograd
