// Depthwise convolution summed directly: one input channel per group, so that there is nothing to multiply as a matrix.
#pragma once
#include "common/problem.h"

namespace torchconv::depthwise {

void run_fwd(const ConvProblem&, const ConvOperands&);
void run_grad_input(const ConvProblem&, const ConvOperands&);
void run_grad_weight(const ConvProblem&, const ConvOperands&);

int64_t workspace_fwd(const ConvProblem&);
int64_t workspace_grad_input(const ConvProblem&);
int64_t workspace_grad_weight(const ConvProblem&);

}  // namespace torchconv::depthwise
