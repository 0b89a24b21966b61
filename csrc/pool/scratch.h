// How the NCHW kernels divide one thread's part of the workspace. The sizes hold for every instruction set.
#pragma once
#include "pool/pool.h"

namespace torchconv::pool {

constexpr int64_t kMostLanes = 16;

// The most elements that a window spans, and the most that it takes.
inline int64_t reach(const Axis& a) { return a.adaptive ? a.in / a.out + 2 : (a.kernel - 1) * a.dil + 1; }
inline int64_t most_taps(const Axis& a) { return a.adaptive ? a.in / a.out + 2 : a.kernel; }

struct Scratch {
  int64_t length;  // of every row here: outputs or cut input, with room for a kernel and a vector on either side
  int64_t ring;    // rows kept for each depth of a window
  int64_t slots;   // rows kept in all
  int64_t bytes;   // for one thread

  explicit Scratch(const PoolProblem& p) {
    const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
    const int64_t cut = (w.in + w.pad) / w.stride + 1, longest = cut > w.out ? cut : w.out;
    length = (longest + 2 * ((w.kernel - 1) * w.dil / w.stride) + 4 * kMostLanes) / kMostLanes * kMostLanes;
    ring = reach(h), slots = most_taps(d) * ring;
    const int64_t item = itemsize(p.dtype) == 8 ? 8 : 4;
    bytes = item * length * (w.stride + 3 + 2 * slots) + 8 * (3 * slots + w.kernel);
    if (p.gradient && p.origin == Origin::index && itemsize(p.dtype) == 2) bytes += item * p.x_plane();
    bytes = (bytes + 63) / 64 * 64;
  }
};

// The same for max_pool_grad by taps.
struct TapScratch {
  static constexpr int64_t kRows = 8;      // of grad_x at a time
  static constexpr int64_t kBlock = 2048;  // elements of grad_x at a time where rows do not matter
  int64_t margin;                          // room for a kernel before a row of windows
  int64_t length;                          // of every row, with room for a kernel and two vectors after it
  int64_t above;                           // rows of windows that may take one row of x
  int64_t bytes;                           // for one thread

  explicit TapScratch(const PoolProblem& p) {
    const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
    const int64_t cut = (w.in + w.pad) / w.stride + 1, longest = cut > w.out ? cut : w.out;
    margin = ((w.kernel - 1) * w.dil / w.stride + kMostLanes) / kMostLanes * kMostLanes;
    length = (margin + longest + 3 * kMostLanes) / kMostLanes * kMostLanes;
    const int64_t item = itemsize(p.dtype) == 8 ? 8 : 4;
    const int64_t all = kRows * length, block = kBlock + 2 * margin + kMostLanes;
    above = d.kernel * h.kernel;
    bytes = 2 * 8 * above + (all > block ? all : block) * (item + 1) + w.stride * length * item;
    bytes = (bytes + 63) / 64 * 64;
  }
};

}  // namespace torchconv::pool
