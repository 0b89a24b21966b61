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
    const int64_t start = o * stride - pad, skipped = start < 0 ? (-start + dil - 1) / dil : 0;
    const int64_t begin = start + skipped * dil, inside = begin < in ? (in - begin + dil - 1) / dil : 0;
    return {begin, inside < kernel - skipped ? inside : kernel - skipped};
  }
  // What an average over window o divides by; padding counts only where the caller says so.
  int64_t count(int64_t o, bool count_pad) const {
    if (adaptive || !count_pad) return window(o).taps;
    const int64_t start = o * stride - pad, rest = in + pad - start;
    return rest < kernel ? rest : kernel;
  }
  // Among these are all windows that take element i; without dilation, no others.
  Range windows_around(int64_t i) const {
    if (adaptive) return {i * out / in, ((i + 1) * out + in - 1) / in};
    const int64_t reach = (kernel - 1) * dil, first = i + pad - reach;
    const int64_t end = (i + pad) / stride + 1;
    return {first > 0 ? (first + stride - 1) / stride : 0, end < out ? end : out};
  }
  bool takes(int64_t o, int64_t i) const { return dil == 1 || (i + pad - o * stride) % dil == 0; }
};

struct PoolProblem {
  DType dtype;
  Layout layout;  // of x, y and the indices alike
  Isa isa;
  int threads;
  int64_t N, C;
  Axis axis[3];           // D H W
  bool count_pad = true;  // averages: whether padding counts
  int64_t divisor = 0;    // averages: what to divide by, if not 0
  bool scatters = false;  // whether it is max_pool_grad that needs the workspace

  int64_t x_plane() const { return axis[0].in * axis[1].in * axis[2].in; }
  int64_t y_plane() const { return axis[0].out * axis[1].out * axis[2].out; }
  int64_t taps() const { return axis[0].kernel * axis[1].kernel * axis[2].kernel; }
};

// What the kernels below want, for all threads together; 64-byte aligned.
int64_t pool_workspace(const PoolProblem& p);

// y = the maximum of each window; NaN wins. indices: where in the plane of x it stands (of equal ones the first, of NaN
// the last), and -1 for a window that lies in the padding; may be null. x_plane() is below 2^31.
void max_pool(const PoolProblem& p, const void* x, void* y, int64_t* indices, void* workspace);
// grad_x = each grad_y added where the maximum came from. indices as max_pool gave them.
void max_pool_grad(const PoolProblem& p, const void* grad_y, const int64_t* indices, void* grad_x, void* workspace);
// y = x at the indices, 0 at -1: the adjoint of max_pool_grad. False if an index lies outside the plane.
bool max_pool_gather(const PoolProblem& p, const void* x, const int64_t* indices, void* y);

void avg_pool(const PoolProblem& p, const void* x, void* y, void* workspace);
void avg_pool_grad(const PoolProblem& p, const void* grad_y, void* grad_x, void* workspace);

// y[n, j * groups + g] = x[n, g * C / groups + j], in planes of p.x_plane().
void channel_shuffle(const PoolProblem& p, int64_t groups, const void* x, void* y);

}  // namespace torchconv::pool
