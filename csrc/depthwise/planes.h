// How the NCHW kernels divide one thread's part of the workspace. Rows of a source plane are cut by the stride,
// converted to the type of the sums and padded with zeros, a strip at a time. The sizes hold for every instruction set.
#pragma once
#include "common/axis.h"

namespace torchconv::depthwise {

constexpr int64_t kMostLanes = 16;
constexpr int64_t kPlaces = 7;                // kBlock, of taps-inl.h
constexpr int64_t kStripBytes = 24 << 10;     // so that a strip and what is made of it stay in an L1 cache of 32 KiB
constexpr int64_t kMostPlaneBytes = 8 << 20;  // per thread; supports() refuses what needs more

inline int64_t ceil_to(int64_t a, int64_t b) { return (a + b - 1) / b * b; }

struct Planes {
  int64_t cut, pad;       // by what a row is cut, and the zeros before it
  int64_t length, pitch;  // elements of one of its lines, of all
  int64_t strip, strips;  // places along H that are worked on at a time
  int64_t rows;           // of the source that a strip needs, at most
  int64_t result_length;  // of one of the lines that a row of the result is joined from
  int64_t joined, item;   // how many planes are worked on at once; bytes of an element

  Planes(const Axis& h, const Axis& w, int64_t joined, int64_t item) : joined(joined), item(item) {
    cut = w.adjoint ? 1 : w.stride, pad = w.adjoint ? 0 : w.pad;
    for (int64_t b = 0; b < w.phases(); ++b)
      if (const Phase f = w.phase(b); f.taps) pad = std::max(pad, -f.first);
    int64_t reached = (pad + w.in - 1) / cut + 1;
    for (int64_t b = 0; b < w.phases(); ++b)
      if (const Phase f = w.phase(b); f.taps) reached = std::max(reached, (f.last_offset() + pad) / cut + f.count);
    length = ceil_to(reached, kMostLanes), pitch = cut * length;
    result_length = ceil_to((w.out - 1) / (w.adjoint ? w.stride : 1) + 1, kMostLanes);
    const int64_t block = kPlaces * (h.adjoint ? h.stride : 1);
    strip = h.out;
    while (strip > block && bytes_of(rows_of(h, strip)) > kStripBytes)
      strip = std::max(block, ceil_to(strip / 2, block));
    strip = std::min(strip, h.out);
    strips = (h.out + strip - 1) / strip, rows = rows_of(h, strip);
  }

  double bytes_of(int64_t rows) const { return double(rows) * double(pitch) * double(joined * item); }
  double bytes() const { return bytes_of(rows); }

  // How many rows of the source a strip of places takes.
  static int64_t rows_of(const Axis& h, int64_t strip) {
    const int64_t reach = (h.kernel - 1) * h.dil;
    const int64_t all = h.adjoint ? (strip + reach) / h.stride + 3 : (strip - 1) * h.stride + reach + 1;
    return std::min(all, h.in);
  }
};

// nhwc: lanes are channels. nchw: lanes are neighbours along W. turned: small NCHW maps, turned to nhwc in the
// workspace.
enum class Way { nhwc, nchw, turned };

// For turned maps: the pixels of x and y together, so that a block of them (128 bytes each) stays in an L2 cache of
// 512 KiB; and the fewest channels.
constexpr int64_t kMostTurned = 2048, kFewestTurned = 8;

inline Way way_for(const ConvProblem& p) {
  if (p.layout == Layout::nhwc) return Way::nhwc;
  const bool small = p.H <= kMostTurned && p.W <= kMostTurned && p.H * p.W + p.P * p.Q <= kMostTurned;
  return small && p.K == p.C && p.C >= kFewestTurned ? Way::turned : Way::nchw;
}

}  // namespace torchconv::depthwise
