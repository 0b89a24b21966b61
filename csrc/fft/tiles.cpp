#include "fft/tiles.h"

#include <algorithm>
#include <cmath>

namespace torchconv::fft {
namespace {

// What a transform of a chunk takes, in units of one vector instruction on AVX-512: a real one, and twice that a
// complex one. Fitted to what was measured for sizes 4 to 256 on a Zen 4.
double real_work(int64_t n) { return n == 1 ? 2 : double(n) * (1.5 + 0.9 * std::log2(double(n))); }
double complex_work(int64_t n) { return 2 * real_work(n); }

double chunks(double channels, int64_t lanes) { return std::ceil(channels / double(lanes)); }

// Seconds of one thread.
double predict(const ConvProblem& p, const Axis& h, const Axis& w) {
  const int64_t lanes = p.dtype == DType::f64 ? 8 : 16;
  const double instructions = p.isa >= Isa::avx512 ? 2.2e9 : p.isa == Isa::avx2 ? 1.3e9 : 0.45e9;  // chunks a second
  const double tiles = double(p.N) * double(h.tiles * w.tiles), columns = double(w.size) / 2;
  const bool depthwise = is_depthwise(p);
  const double sources = depthwise ? chunks(double(p.C), lanes) : double(p.G) * chunks(double(p.Cg()), lanes);
  const double results = depthwise ? sources : double(p.G) * chunks(double(p.Kg()), lanes);
  const double rows = double(p.N) * double(w.tiles) * double(depthwise ? h.tiles * h.size : h.tiles * h.step + h.reach());
  const double image = rows * real_work(w.size) + tiles * columns * complex_work(h.size);
  const double weights = double(p.R) * real_work(w.size) + columns * complex_work(h.size);
  double work = 0;
  if (depthwise) {
    work = sources * (2 * image + 2 * weights + tiles * columns * double(h.size) * 8);
  } else {
    const double products = double(p.G * p.Cg()) * chunks(double(p.Kg()), lanes) * columns * double(h.size) * 4;
    // A tile of fewer rows than the kernel's takes hardly less, and each block of tiles transforms the weights anew.
    const double blocks = std::max(std::ceil(tiles / 32), double(p.threads));
    work = (sources + results) * image + double(p.K) * chunks(double(p.Cg()), lanes) * weights * blocks +
           products * std::max(tiles, 4.0);
  }
  return work / instructions;
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
