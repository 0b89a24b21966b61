#include "common/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include "common/error.h"
#include "common/isa.h"
#include "common/parallel.h"
#include "common/simd.h"

#define TORCHCONV_INL "common/peak-inl.h"
#include "common/foreach_isa.h"

namespace torchconv {

using Clock = std::chrono::steady_clock;
static double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <class T>
static double measure(Isa isa, int threads) {
  constexpr int64_t steps = 200000;  // about 1 ms: short enough to fall between two interruptions
  constexpr int runs = 50;
  double best = 1e9;
  std::vector<T> results(threads);
  for (int run = 0; run < runs; ++run) {
    const auto start = Clock::now();
    parallel_tasks(threads, threads, [&](int64_t, int thread) {
      results[thread] = TORCHCONV_DISPATCH_ISA(isa, multiply_add_chains<T>, steps);
    });
    best = std::min(best, seconds_since(start));
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

double measure_round_trip() {
  constexpr int turns = 2000, runs = 20;
  alignas(64) std::atomic<int> ball{0};
  const auto pass = [&](int from) {
    for (int spins = 1; ball.load(std::memory_order_acquire) != from; ++spins)
      if (spins % 4096 == 0) std::this_thread::yield();  // both may be on one core
    ball.store(from + 1, std::memory_order_release);
  };
  std::thread other([&] {
    for (int i = 0; i < runs * turns; ++i) pass(2 * i + 1);
  });
  double best = 1e9;
  for (int run = 0; run < runs; ++run) {
    const auto start = Clock::now();
    for (int i = run * turns; i < (run + 1) * turns; ++i) pass(2 * i);
    best = std::min(best, seconds_since(start));
  }
  other.join();
  return best / turns * 1e9;
}

static double measure_relative_speed(Isa isa) {
  constexpr double zen4 = 118e9;  // with AVX2 as with AVX-512, which it does by halves
  constexpr int64_t steps = 20000;
  double best = 1e9;
  float sum = 0;
  for (int run = 0; run < 8; ++run) {
    const auto start = Clock::now();
    sum += TORCHCONV_DISPATCH_ISA(isa, multiply_add_chains<float>, steps);
    best = std::min(best, seconds_since(start));
  }
  TORCHCONV_CHECK(sum > 0, "relative_speed: expected a positive sum, got ", sum);
  const double speed = double(steps) * TORCHCONV_DISPATCH_ISA(isa, flops_per_step<float>) / best / zen4;
  return std::exp2(std::round(4 * std::log2(speed)) / 4);
}

double relative_speed(Isa isa) {
  static const double avx2 = detected_isa() >= Isa::avx2 ? measure_relative_speed(Isa::avx2) : 1;
  static const double avx512 = detected_isa() >= Isa::avx512 ? measure_relative_speed(Isa::avx512) : 1;
  return isa >= Isa::avx512 ? avx512 : isa == Isa::avx2 ? avx2 : 1;
}

double relative_moves() { return std::sqrt(relative_speed(detected_isa())); }

}  // namespace torchconv
