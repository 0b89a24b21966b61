// Grouped convolution with few channels per group, summed directly: matrices of 4 x 4 fill no register tile of a
// product.
#pragma once
#include "common/problem.h"

namespace torchconv::grouped {

// Channels of a group, in and out.
constexpr int64_t kMostChannels = 32;

void run_fwd(const ConvProblem&, const ConvOperands&);
void run_grad_input(const ConvProblem&, const ConvOperands&);
void run_grad_weight(const ConvProblem&, const ConvOperands&);

// The weights in the order in which forward reads them.
void pack_fwd(const ConvProblem&, const void* w, void* to);
int64_t pack_bytes_fwd(const ConvProblem&);

int64_t workspace_fwd(const ConvProblem&);
int64_t workspace_grad_input(const ConvProblem&);
int64_t workspace_grad_weight(const ConvProblem&);

}  // namespace torchconv::grouped
