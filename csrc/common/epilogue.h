// What a fused convolution does to each sum before it is stored: y = activation(sum + bias + residual).
#pragma once
#include <string>

namespace torchconv {

enum class Activation : int {
  none,
  relu,
  relu6,
  leaky_relu,
  silu,
  gelu,
  gelu_tanh,
  hardswish,
  hardsigmoid,
  sigmoid,
  tanh
};

struct Epilogue {
  Activation activation = Activation::none;
  double slope = 0;  // of leaky_relu, below zero
  bool residual = false;

  bool trivial() const { return activation == Activation::none && !residual; }
};

// "none", "relu", ..., or "leaky_relu:0.2" (0.01 without a number); throws ConvError for anything else.
Epilogue parse_activation(const std::string& name);

// The activation of one number: what the kernels' vectors are tested against.
double activate(const Epilogue&, double v);

}  // namespace torchconv
