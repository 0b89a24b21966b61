// The machine's multiply-add peak, measured: what kernels' GFLOP/s are a percentage of.
#pragma once
#include "common/problem.h"

namespace torchconv {
// GFLOP/s that `threads` threads reach together with nothing but multiply-adds on registers, best of several
// short runs. dtype: f32 or f64. Throws ConvError for another dtype or an ISA that the CPU does not have.
double measure_peak(Isa isa, int threads, DType dtype);
}  // namespace torchconv
