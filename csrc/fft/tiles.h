// How a convolution is cut into tiles, along one axis and both. A tile of `size` elements of the source is transformed,
// multiplied by the transform of the kernel, and transformed back: `step` = size - reach + 1 results, or a little less,
// so that tiles of equal size cover the map. One tile may be the whole map: what wraps around falls on the padding.
#pragma once
#include "fft/transform.h"

namespace torchconv::fft {

// Result n sums source n + t * dil - pad times tap t of the kernel, or (turned) tap taps - 1 - t.
struct Axis {
  int64_t in, out, taps, dil, pad;
  bool turned;
  int64_t size = 0, step = 0, tiles = 0;

  int64_t reach() const { return (taps - 1) * dil + 1; }
  int64_t place(int64_t tap) const { return (turned ? taps - 1 - tap : tap) * dil; }
};

// Whether one transform of this size does all of the map. Position 0 is source -pad.
inline bool covers(const Axis& a, int64_t size) {
  if (size < a.out || size < a.reach()) return false;
  const int64_t all = a.out + a.reach() - 1;
  return size >= all || (size >= a.in + a.pad && size >= all - a.pad);
}

// The axis cut by a transform of this size; tiles is 0 if that is impossible.
inline Axis cut(Axis a, int64_t size) {
  a.size = size;
  if (covers(a, size)) {
    a.tiles = 1, a.step = a.out;
  } else if (size >= a.reach()) {
    const int64_t most = size - a.reach() + 1;
    a.tiles = (a.out + most - 1) / most, a.step = (a.out + a.tiles - 1) / a.tiles;
  }
  return a;
}

// The spectra of a block of tiles that are multiplied together take about so many bytes at most, but are so many at the
// least.
constexpr int64_t kMostBlock = 3 << 20, kFewTiles = 8;

// The transformed rows of the weights, of all threads together, take no more bytes than this.
constexpr int64_t kMostRowWeights = 128 << 20;

struct Tiling {
  Axis h, w;
  double effort;  // what the choice goes by
};

// The tiles with the least effort. size 0: the kernel is too large for any transform.
Tiling choose_tiles(const ConvProblem&);
// Predicted seconds of one thread.
double seconds(const ConvProblem&, const Tiling&);

inline Axis height(const ConvProblem& p) {
  if (p.pass == Pass::grad_input) return {p.P, p.H, p.R, p.dil_h, (p.R - 1) * p.dil_h - p.pad_top, true};
  return {p.H, p.P, p.R, p.dil_h, p.pad_top, false};
}
inline Axis width(const ConvProblem& p) {
  if (p.pass == Pass::grad_input) return {p.Q, p.W, p.S, p.dil_w, (p.S - 1) * p.dil_w - p.pad_left, true};
  return {p.W, p.Q, p.S, p.dil_w, p.pad_left, false};
}
inline bool is_depthwise(const ConvProblem& p) { return p.Cg() == 1 && p.Kg() == 1; }

}  // namespace torchconv::fft
