#include "common/epilogue.h"

#include <charconv>
#include <cmath>
#include <iterator>

#include "common/error.h"

namespace torchconv {

// In the order of the enum.
static const char* const names[] = {"none",      "relu",      "relu6",       "leaky_relu", "silu", "gelu",
                                    "gelu_tanh", "hardswish", "hardsigmoid", "sigmoid",    "tanh"};

static std::string known_names() {
  std::string list;
  for (const char* name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

Epilogue parse_activation(const std::string& name) {
  const std::string prefix = "leaky_relu:";
  if (name.rfind(prefix, 0) == 0) {
    Epilogue e{Activation::leaky_relu};
    const char *text = name.c_str() + prefix.size(), *end = name.c_str() + name.size();
    const auto [rest, error] = std::from_chars(text, end, e.slope);
    TORCHCONV_CHECK(rest == end && error == std::errc{}, "activation: expected leaky_relu: and a number, got '", name,
                    "'");
    return e;
  }
  for (size_t i = 0; i < std::size(names); ++i)
    if (name == names[i]) return {Activation(int(i)), name == "leaky_relu" ? 0.01 : 0.0};
  fail("activation: expected one of ", known_names(), ", or leaky_relu:SLOPE, got '", name, "'");
}

// Comparisons are such that NaN stays NaN.
double activate(const Epilogue& e, double v) {
  const auto clamped = [](double u, double most) { return u < 0 ? 0 : u > most ? most : u; };
  switch (e.activation) {
    case Activation::none: return v;
    case Activation::relu: return v < 0 ? 0 : v;
    case Activation::relu6: return clamped(v, 6);
    case Activation::leaky_relu: return v < 0 ? v * e.slope : v;
    case Activation::silu: return v / (1 + std::exp(-v));
    case Activation::gelu: return v * 0.5 * std::erfc(-v * std::sqrt(0.5));
    case Activation::gelu_tanh: return v * 0.5 * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
    case Activation::hardswish: return v * clamped(v + 3, 6) / 6;
    case Activation::hardsigmoid: return clamped(v + 3, 6) / 6;
    case Activation::sigmoid: return 1 / (1 + std::exp(-v));
    case Activation::tanh: return std::tanh(v);
  }
  return v;
}

}  // namespace torchconv
