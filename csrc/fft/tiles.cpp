#include "fft/tiles.h"

#include <algorithm>

namespace torchconv::fft {
namespace {

// Nanoseconds of one thread, measured on a Zen 4 at 3.7 GHz: the transform of a chunk, and a row of an image to chunks
// or back, a pixel.
double real_time(int64_t n) { return n == 1 ? 2 : 5 + 2.7 * double(n); }
double complex_time(int64_t n) { return n == 1 ? 4 : 5 + 5.3 * double(n); }
constexpr double kPixelTime = 3;

// Multiply-adds a nanosecond.
double speed(const ConvProblem& p) {
  const double f32 = p.isa >= Isa::avx512 ? 52 : p.isa == Isa::avx2 ? 42 : 8;
  return p.dtype == DType::f64 ? f32 / 2 : f32;
}
double slowdown(Isa isa) { return isa >= Isa::avx512 ? 1 : isa == Isa::avx2 ? 1.1 : 2.2; }

double chunks(int64_t channels, int64_t lanes) { return double((channels + lanes - 1) / lanes); }

// Seconds of one thread.
double predict(const ConvProblem& p, const Axis& h, const Axis& w) {
  const int64_t lanes = p.dtype == DType::f64 ? 8 : 16;
  const double tiles = double(p.N) * double(h.tiles * w.tiles), columns = double(w.size) / 2;
  const bool depthwise = is_depthwise(p);
  const double sources = depthwise ? chunks(p.C, lanes) : double(p.G) * chunks(p.Cg(), lanes);
  const double results = depthwise ? sources : double(p.G) * chunks(p.Kg(), lanes);
  const double rows = depthwise ? double(h.tiles * h.size) : double(h.tiles * h.step + h.reach());
  const double image = double(p.N) * double(w.tiles) * rows * (real_time(w.size) + kPixelTime * double(w.step)) +
                       tiles * columns * complex_time(h.size);
  const double weights = double(p.R) * real_time(w.size) + columns * complex_time(h.size),
               slots = columns * double(h.size);
  if (depthwise) return sources * (2 * image + 2 * weights + tiles * slots * 3) * slowdown(p.isa) * 1e-9;
  // A tile of fewer rows than the kernel's takes hardly less, and each block of tiles transforms the weights anew.
  const double blocks = std::max(tiles / 32, double(p.threads));
  const double products =
      4 * std::max(tiles, 6.0) * slots * double(p.G * p.Cg()) * chunks(p.Kg(), lanes) * double(lanes);
  return ((sources + results) * image + double(p.K) * chunks(p.Cg(), lanes) * weights * blocks) * slowdown(p.isa) *
             1e-9 +
         products / speed(p) * 1e-9;
}

}  // namespace

Tiling choose_tiles(const ConvProblem& p) {
  const Axis h = height(p), w = width(p);
  Tiling best{h, w, 0};
  for (const int64_t size : sizes()) {
    const Axis down = cut(h, h.taps == 1 ? 1 : size), across = cut(w, size);
    if (!down.tiles || !across.tiles) continue;
    const double seconds = predict(p, down, across);
    if (!best.w.tiles || seconds < best.seconds) best = {down, across, seconds};
    if (down.tiles == 1 && across.tiles == 1) break;
  }
  return best;
}

}  // namespace torchconv::fft
