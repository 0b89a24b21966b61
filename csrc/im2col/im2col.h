// The im2col rows: convolution as a matrix product over patches that only ever exist in packed panels.
#pragma once
#include "common/problem.h"

namespace torchconv::im2col {

void run_fwd(const ConvProblem&, const ConvOperands&);
void run_grad_input(const ConvProblem&, const ConvOperands&);
void run_grad_weight(const ConvProblem&, const ConvOperands&);

// The weights as forward's packed panels.
void pack_fwd(const ConvProblem&, const void* w, void* to);
int64_t pack_bytes_fwd(const ConvProblem&);

int64_t workspace_fwd(const ConvProblem&);
int64_t workspace_grad_input(const ConvProblem&);
int64_t workspace_grad_weight(const ConvProblem&);

int64_t products_grad_input(const ConvProblem&);  // matrix products that one gradient takes

// Multiply-adds as executed, with the tails of the register tiles.
double tile_macs_fwd(const ConvProblem&);
double tile_macs_grad_input(const ConvProblem&);
double tile_macs_grad_weight(const ConvProblem&);

}  // namespace torchconv::im2col
