// Which taps reach which places, along one axis. Forward reads x around each place of y. grad_input reads grad_y around
// each place of grad_x, where the taps depend on the place modulo the stride: so many phases, each of stride 1.
#pragma once
#include <algorithm>
#include <cstdint>
#include <numeric>

#include "common/problem.h"

namespace torchconv {

// Places begin + t * every, t < count. Place t is the sum over i < taps of
// source[t * stride + first + i * dil] * kernel[tap + i * tap_step].
struct Phase {
  int64_t begin, every, count;
  int64_t stride, first, dil, taps;
  int64_t tap, tap_step;

  int64_t source(int64_t t, int64_t i) const { return t * stride + first + i * dil; }
  int64_t last_offset() const { return first + (taps - 1) * dil; }
};

struct Axis {
  int64_t in, out, kernel, stride, pad, dil;
  bool adjoint;

  int64_t phases() const { return adjoint ? std::min(stride, out) : 1; }

  Phase phase(int64_t a) const {
    if (!adjoint) return {0, 1, out, stride, -pad, dil, kernel, 0, 1};
    // Tap r reaches place a + t * stride from source t + (a + pad - r * dil) / stride, where that is whole: for every
    // (stride / gcd)-th r. From the last such r on, the sources ascend.
    const int64_t gcd = std::gcd(stride, dil), step = stride / gcd, count = (out - a + stride - 1) / stride;
    const auto whole = [&](int64_t r) { return (a + pad - r * dil) % stride == 0; };
    int64_t r = 0;
    while (r < std::min(step, kernel) && !whole(r)) ++r;
    if (r >= std::min(step, kernel)) return {a, stride, count, 1, 0, 1, 0, 0, 0};
    const int64_t taps = (kernel - 1 - r) / step + 1, last = r + (taps - 1) * step;
    return {a, stride, count, 1, (a + pad - last * dil) / stride, dil / gcd, taps, last, -step};
  }
};

struct Range {
  int64_t begin, end;
  int64_t size() const { return end > begin ? end - begin : 0; }
};

// The taps of place t whose sources exist.
inline Range taps_inside(const Phase& f, int64_t t, int64_t in) {
  const int64_t start = f.source(t, 0);
  const int64_t begin = start < 0 ? (-start + f.dil - 1) / f.dil : 0;
  const int64_t end = start < in ? (in - start + f.dil - 1) / f.dil : 0;
  return {begin, std::max(begin, std::min(end, f.taps))};
}
// The places whose source under tap i exists.
inline Range places_inside(const Phase& f, int64_t i, int64_t in) {
  const int64_t start = f.first + i * f.dil;
  const int64_t begin = start < 0 ? (-start + f.stride - 1) / f.stride : 0;
  const int64_t end = start < in ? (in - start + f.stride - 1) / f.stride : 0;
  return {begin, std::max(begin, std::min(end, f.count))};
}

// The places of a phase that lie in [begin, end), as numbers t.
inline Range places_between(const Phase& f, int64_t begin, int64_t end) {
  const auto first = [&](int64_t place) { return place > f.begin ? (place - f.begin + f.every - 1) / f.every : 0; };
  return {std::min(first(begin), f.count), std::min(first(end), f.count)};
}

// The rows of the source that places [begin, end) need.
inline Range rows_between(const Axis& h, int64_t begin, int64_t end) {
  Range all{h.in, 0};
  for (int64_t a = 0; a < h.phases(); ++a) {
    const Phase f = h.phase(a);
    const Range t = places_between(f, begin, end);
    if (!t.size() || !f.taps) continue;
    all.begin = std::min(all.begin, std::max<int64_t>(f.source(t.begin, 0), 0));
    all.end = std::max(all.end, std::min(f.source(t.end - 1, f.taps - 1) + 1, h.in));
  }
  return all.size() ? all : Range{0, 0};
}

// channels_last: rows are worked on in strips that stay in the L2 cache, and a strip so many channels at a time that
// the rows under a kernel stay in the L1 cache while it moves down. 1.4x to 1.5x on maps of 7 and 14.
constexpr int64_t kStripInL2 = 256 << 10, kRowsInL1 = 20 << 10;

// Rows of the result in a strip, by the bytes of a row of the source; with a stride each needs several rows.
inline int64_t strip_rows(const Axis& h, int64_t row_bytes) {
  return std::max<int64_t>(1, kStripInL2 * h.out / std::max<int64_t>(1, row_bytes * std::max(h.in, h.out)));
}

inline Axis height(const ConvProblem& p, bool adjoint) {
  return {adjoint ? p.P : p.H, adjoint ? p.H : p.P, p.R, p.stride_h, p.pad_top, p.dil_h, adjoint};
}
inline Axis width(const ConvProblem& p, bool adjoint) {
  return {adjoint ? p.Q : p.W, adjoint ? p.W : p.Q, p.S, p.stride_w, p.pad_left, p.dil_w, adjoint};
}

}  // namespace torchconv
