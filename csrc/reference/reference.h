// The reference rows: each pass as its defining sum, in double, with no cleverness.
// Every other row is tested against them, and they run whatever is too odd for the others.
#pragma once
#include <algorithm>

#include "common/half.h"
#include "common/parallel.h"
#include "registry.h"

namespace torchconv::reference {

void run_fwd(const ConvProblem&, const ConvOperands&);
void run_grad_input(const ConvProblem&, const ConvOperands&);
void run_grad_weight(const ConvProblem&, const ConvOperands&);

inline bool within(int64_t i, int64_t size) { return i >= 0 && i < size; }

template <class T>
double to_double(T value) {
  if constexpr (sizeof(T) == 2)
    return double(float(value));
  else
    return double(value);
}
template <class T>
T from_double(double value) {
  if constexpr (sizeof(T) == 2)
    return T(float(value));
  else
    return T(value);
}

}  // namespace torchconv::reference
