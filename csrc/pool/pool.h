// Pooling and channel_shuffle, without torch: the problem as plain numbers, and the kernels.
// Images have three spatial axes D H W; 1-D and 2-D ones have leading axes of size 1.
#pragma once
#include "common/problem.h"

namespace torchconv::pool {

struct Range {
  int64_t begin, end;
};

// The elements that a window takes: begin, begin + dil, ..., `taps` of them, all inside the image.
struct Window {
  int64_t begin, taps;
};

// One spatial axis: `in` elements of x, `out` windows.
struct Axis {
  int64_t in = 1, out = 1, kernel = 1, stride = 1, pad = 0, dil = 1;
  bool adaptive = false;  // windows from i * in / out to (i + 1) * in / out, rounded outwards

  Window window(int64_t o) const {
    if (adaptive) {
      const int64_t begin = o * in / out;
      return {begin, ((o + 1) * in + out - 1) / out - begin};
    }
    const int64_t before = skipped(o), begin = o * stride - pad + before * dil;
    const int64_t inside = begin < in ? (in - begin + dil - 1) / dil : 0;
    return {begin, inside < kernel - before ? inside : kernel - before};
  }
  // What an average over window o divides by; padding counts only where the caller says so.
  int64_t count(int64_t o, bool count_pad) const {
    if (adaptive || !count_pad) return window(o).taps;
    const int64_t start = o * stride - pad, rest = in + pad - start;
    return rest < kernel ? rest : kernel;
  }
  // length / stride: a division takes as long as ten additions, and there are several for each row.
  int64_t strides_in(int64_t length) const {
    return stride == 1 ? length : stride == 2 ? length >> 1 : length / stride;
  }
  // Among these are all windows that take element i; without dilation, no others.
  Range windows_around(int64_t i) const {
    if (adaptive) return {i * out / in, ((i + 1) * out + in - 1) / in};
    const int64_t reach = (kernel - 1) * dil, first = i + pad - reach;
    const int64_t end = strides_in(i + pad) + 1;
    return {first > 0 ? strides_in(first + stride - 1) : 0, end < out ? end : out};
  }
  // Which tap of window o, one of those around i, takes element i; -1 for none.
  int64_t tap(int64_t o, int64_t i) const {
    const int64_t distance = i + pad - o * stride;
    return dil == 1 ? distance : distance % dil ? -1 : distance / dil;
  }
  // How many taps of window o lie before the image.
  int64_t skipped(int64_t o) const {
    const int64_t start = o * stride - pad;
    return start < 0 ? (-start + dil - 1) / dil : 0;
  }
};

// Where the maxima came from: int64 indices into their planes, or taps, the numbers of the elements in their windows.
// Taps are an eighth of the memory, and fit where a window has at most kMostTaps.
enum class Origin { none, index, tap };
using Tap = uint8_t;
constexpr Tap kNoTap = 255;  // of a window that lies in the padding; the index is -1
constexpr int64_t kMostTaps = 255;

struct PoolProblem {
  DType dtype;
  Layout layout;  // of x, y and the origins alike
  Isa isa;
  int threads;
  int64_t N, C;
  Axis axis[3];                  // D H W
  bool count_pad = true;         // averages: whether padding counts
  int64_t divisor = 0;           // averages: what to divide by, if not 0
  Origin origin = Origin::none;  // maxima: what is kept, or was
  bool gradient = false;         // whether it is max_pool_grad that needs the workspace

  int64_t x_plane() const { return axis[0].in * axis[1].in * axis[2].in; }
  int64_t y_plane() const { return axis[0].out * axis[1].out * axis[2].out; }
  // Whether there is one window in a plane, with all of the plane in it.
  bool whole() const {
    for (const Axis& a : axis)
      if (a.out != 1 || a.window(0).taps != a.in) return false;
    return true;
  }
  int64_t taps() const { return axis[0].kernel * axis[1].kernel * axis[2].kernel; }
};

// What the kernels below want, for all threads together; 64-byte aligned.
int64_t pool_workspace(const PoolProblem& p);

// y = the maximum of each window; NaN wins. Of equal ones the origin is the first, of NaN the last. origins are not
// written for Origin::none. x_plane() is below 2^31.
void max_pool(const PoolProblem& p, const void* x, void* y, void* origins, void* workspace);
// grad_x = each grad_y added where the maximum came from. origins as max_pool gave them.
void max_pool_grad(const PoolProblem& p, const void* grad_y, const void* origins, void* grad_x, void* workspace);
// y = x at the origins, 0 where there is none: the adjoint of max_pool_grad. False if one lies outside the plane.
bool max_pool_gather(const PoolProblem& p, const void* x, const void* origins, void* y);

void avg_pool(const PoolProblem& p, const void* x, void* y, void* workspace);
void avg_pool_grad(const PoolProblem& p, const void* grad_y, void* grad_x, void* workspace);

// y[n, j * groups + g] = x[n, g * C / groups + j], in planes of p.x_plane().
void channel_shuffle(const PoolProblem& p, int64_t groups, const void* x, void* y);

}  // namespace torchconv::pool
