// The machine, measured: its multiply-add peak, which kernels' GFLOP/s are a percentage of, and how far cores are
// apart.
#pragma once
#include "common/problem.h"

namespace torchconv {
// GFLOP/s that `threads` threads reach together with nothing but multiply-adds on registers, best of several
// short runs. dtype: f32 or f64. Throws ConvError for another dtype or an ISA that the CPU does not have.
double measure_peak(Isa isa, int threads, DType dtype);

// Nanoseconds in which a cache line goes from this thread to another and back, best of several short runs: 80 to 130
// between cores that share an L3 cache, 400 on the same Zen 5 where they do not. A virtual machine moves between both.
double measure_round_trip();

// How many times the multiply-adds of a thread of a Zen 4 at 3.7 GHz, where the rows' speeds were measured, one of this
// machine reaches. A power of the fourth root of 2, so that little noise changes it. Measured at the first call, in
// under 1 ms; 1 for the baseline, which has no multiply-add.
double relative_speed(Isa isa);

// The same of all that moves data and does not multiply: machines that multiply faster do that faster, too, but by
// less.
double relative_moves();
}  // namespace torchconv
