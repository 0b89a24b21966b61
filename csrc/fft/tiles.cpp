#include "fft/tiles.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "common/peak.h"

namespace torchconv::fft {
namespace {

// Nanoseconds of one thread, measured on a Zen 4 at 3.7 GHz: the transform of a chunk, and a row of an image to chunks
// or back, a pixel.
double real_time(int64_t n) { return n == 1 ? 2 : 5 + 2.7 * double(n); }
double complex_time(int64_t n) { return n == 1 ? 4 : 5 + 5.3 * double(n); }
constexpr double kPixelTime = 3;
constexpr double kMoved = 8e9;  // bytes a second

// Multiply-adds a nanosecond.
double speed(const ConvProblem& p) {
  const double f32 = p.isa >= Isa::avx512 ? 52 : p.isa == Isa::avx2 ? 42 : 8;
  return (p.dtype == DType::f64 ? f32 / 2 : f32) * relative_speed(p.isa);
}
double slowdown(Isa isa) { return isa >= Isa::avx512 ? 1 : isa == Isa::avx2 ? 1.1 : 2.2; }

double chunks(int64_t channels, int64_t lanes) { return double((channels + lanes - 1) / lanes); }

// What ranks tiles: about the seconds of one thread where nothing stays in the caches, as between the layers of a
// network.
double effort(const ConvProblem& p, const Axis& h, const Axis& w) {
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
  // Spectra of rows are written and read again, further away than the L2 cache.
  const double moved = 2 * 64 * double(w.size) *
                       ((sources + results) * double(p.N * w.tiles) * rows + double(p.K * p.R) * chunks(p.Cg(), lanes));
  const double products =
      4 * std::max(tiles, 6.0) * slots * double(p.G * p.Cg()) * chunks(p.Kg(), lanes) * double(lanes);
  return ((sources + results) * image + double(p.K) * chunks(p.Cg(), lanes) * weights * blocks) * slowdown(p.isa) *
             1e-9 +
         products / speed(p) * 1e-9 + moved / kMoved;
}

// Spectra of as many tiles as a product should have at the least.
double few_tiles_bytes(const ConvProblem& p, const Axis& h, const Axis& w) {
  const int64_t lanes = p.dtype == DType::f64 ? 8 : 16;
  const double tiles = std::min(double(kFewTiles), double(p.N) * double(h.tiles * w.tiles));
  return tiles * double(h.size * w.size) * 64 * std::max(chunks(p.Cg(), lanes), chunks(p.Kg(), lanes));
}

Tiling find_tiles(const ConvProblem& p) {
  const Axis h = height(p), w = width(p);
  Tiling best{h, w, 0};
  for (const int64_t size : sizes()) {
    const Axis down = cut(h, h.taps == 1 ? 1 : size), across = cut(w, size);
    if (!down.tiles || !across.tiles) continue;
    if (best.w.tiles && !is_depthwise(p) && few_tiles_bytes(p, down, across) > double(kMostBlock)) break;
    const double found = effort(p, down, across);
    if (!best.w.tiles || found < best.effort) best = {down, across, found};
    if (down.tiles == 1 && across.tiles == 1) break;
  }
  return best;
}

// All that the choice depends on.
using Key = std::array<int64_t, 19>;
Key key_of(const ConvProblem& p) {
  return {
      int64_t(p.pass), int64_t(p.dtype), int64_t(p.isa), p.threads, p.N, p.C, p.H, p.W, p.K, p.R, p.S, p.P, p.Q, p.G,
      p.pad_top,       p.pad_left,       p.dil_h,        p.dil_w,   1};
}

}  // namespace

// Asked several times for each call, and often for the same: finding takes 1 to 3 us.
Tiling choose_tiles(const ConvProblem& p) {
  thread_local Key key{};  // no problem's: the last entry of theirs is 1
  thread_local Tiling tiling{};
  if (const Key asked = key_of(p); asked != key) tiling = find_tiles(p), key = asked;
  return tiling;
}

// Fitted to 145 random layers on one thread and 24 on two, in float32: 58% of the passes are within a factor of
// 1.25, 95% within 2. Nanoseconds, by cache line: a row takes 2 for each of its elements and 2 for each pixel that
// it reads or writes, a column 4.5 for each slot; of weights 2.5 and 5.5; a block of 14 tiles in a slot takes 1.
// Spectra of up to 4 MiB stay in the caches, and of the others most do, block by block.
double seconds(const ConvProblem& p, const Tiling& t) {
  if (is_depthwise(p)) return t.effort / relative_speed(p.isa);
  const int64_t lanes = p.dtype == DType::f64 ? 8 : 16;
  const double tiles = double(p.N) * double(t.h.tiles * t.w.tiles), slots = double(t.w.size * t.h.size) / 2;
  const double in = chunks(p.Cg(), lanes), out = chunks(p.Kg(), lanes), groups = double(p.G);
  const double rows = double(p.N) * double(t.w.tiles) * double(t.h.tiles * t.h.step + t.h.reach());
  const double images =
      groups * (in + out) * (rows * (1 + 2 * double(t.w.size) + 2 * double(t.w.step)) + tiles * slots * 4.5);
  const double blocks = std::max(tiles / 32, double(p.threads));
  const double weights = double(p.K) * in * (double(p.R) * 2.5 * double(t.w.size) + slots * 5.5 * blocks);
  const double macs = 4 * std::max(tiles, 6.0) * slots * groups * double(p.Cg()) * out * double(lanes);
  const double products = macs / (0.69 * speed(p)) + groups * slots * out * std::ceil(tiles / 14);
  const double spectra = 2 * 64 * double(t.w.size) * (groups * (in + out) * rows + double(p.K * p.R) * in);
  const double moved = std::max(spectra - double(4 << 20), 0.0) * 0.02;
  return ((images + weights) * slowdown(p.isa) / std::sqrt(relative_speed(p.isa)) + products + moved) * 1e-9;
}

}  // namespace torchconv::fft
