// Convolution by Fourier transforms: tiles of the image and the kernel are transformed, multiplied and transformed
// back.
#pragma once
#include "common/problem.h"

namespace torchconv::fft {

void run_fwd(const ConvProblem&, const ConvOperands&);
void run_grad_input(const ConvProblem&, const ConvOperands&);
void run_grad_weight(const ConvProblem&, const ConvOperands&);

int64_t workspace_fwd(const ConvProblem&);
int64_t workspace_grad_input(const ConvProblem&);
int64_t workspace_grad_weight(const ConvProblem&);

}  // namespace torchconv::fft
