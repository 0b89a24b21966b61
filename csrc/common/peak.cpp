#include "common/peak.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "common/error.h"
#include "common/isa.h"
#include "common/parallel.h"
#include "common/simd.h"

#define TORCHCONV_INL "common/peak-inl.h"
#include "common/foreach_isa.h"

namespace torchconv {

template <class T>
static double measure(Isa isa, int threads) {
  constexpr int64_t steps = 200000;  // about 1 ms: short enough to fall between two interruptions
  constexpr int runs = 50;
  double best = 1e9;
  std::vector<T> results(threads);
  for (int run = 0; run < runs; ++run) {
    const auto start = std::chrono::steady_clock::now();
    parallel_tasks(threads, threads, [&](int64_t, int thread) {
      results[thread] = TORCHCONV_DISPATCH_ISA(isa, multiply_add_chains<T>, steps);
    });
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  const T sum = *std::max_element(results.begin(), results.end());  // one thread may have taken every task
  TORCHCONV_CHECK(sum > 0, "measure_peak: expected a positive sum, got ", sum);
  return threads * steps * TORCHCONV_DISPATCH_ISA(isa, flops_per_step<T>) / best * 1e-9;
}

double measure_peak(Isa isa, int threads, DType dtype) {
  TORCHCONV_CHECK(isa <= detected_isa(), "isa: expected at most ", to_string(detected_isa()),
                  ", which this CPU has, got ", to_string(isa));
  TORCHCONV_CHECK(threads > 0 && threads <= num_threads(), "threads: expected 1 to ", num_threads(),
                  ", the threads of torch, got ", threads);
  TORCHCONV_CHECK(dtype == DType::f32 || dtype == DType::f64, "dtype: expected float32 or float64, got ",
                  to_string(dtype));
  return dtype == DType::f32 ? measure<float>(isa, threads) : measure<double>(isa, threads);
}

}  // namespace torchconv
