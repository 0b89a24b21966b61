// The strassen rows: one level of Strassen's product, over im2col's patches and with its micro-kernel.
#pragma once
#include "common/problem.h"

namespace torchconv::strassen {

void run_fwd(const ConvProblem&, const ConvOperands&);
void run_grad_input(const ConvProblem&, const ConvOperands&);
void run_grad_weight(const ConvProblem&, const ConvOperands&);

int64_t workspace_fwd(const ConvProblem&);
int64_t workspace_grad_input(const ConvProblem&);
int64_t workspace_grad_weight(const ConvProblem&);

}  // namespace torchconv::strassen
