// Weights that a row has prepared for many calls: a tensor of bytes that says which row made it, and for what.
#pragma once
#include "registry.h"
#include "tensors.h"

namespace torchconv {

// Empty if the row prepares nothing.
Tensor make_pack(const Row&, const ConvProblem&, const Tensor& w);
// The row that made a pack; throws ConvError unless it was made for such weights, or if the row refuses the problem.
const Row& row_of_pack(const Tensor& pack, const ConvProblem&);
const void* weights_in(const Tensor& pack);

}  // namespace torchconv
