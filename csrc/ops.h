// The way from tensors to a ConvProblem that the operators of convolutions share.
#pragma once
#include <optional>
#include <string>

#include "geometry.h"
#include "registry.h"
#include "tensors.h"

namespace torchconv {

struct Forward {
  Sizes y_size;
  MemoryFormat format;
  ConvProblem p;
};
// For an x of this size and format, with the dtype and the device of `like`.
Forward check_forward(const Tensor& like, const Sizes& x_size, MemoryFormat format, const Tensor& w, const Geometry&);
// Takes bias, activation and residual into a problem, and says which row runs it; null if the result is empty.
const Row* check_fused(ConvProblem&, const Tensor& like, const std::optional<Tensor>& bias, bool residual,
                       const std::optional<Tensor>& pack, const std::string& activation, const std::string& algo);
void check_residual(const Sizes& size, const Sizes& y_size);

const void* data_or_null(const std::optional<Tensor>&);
std::optional<Tensor> dense_bias(const std::optional<Tensor>&);

// csrc/chain_op.cpp
std::vector<Tensor> conv_chain(std::vector<Tensor> tensors, Sizes steps, Sizes results, std::vector<std::string> names);

}  // namespace torchconv
