#include "unfold/unfold.h"

#include <algorithm>
#include <type_traits>

#include "common/half.h"
#include "common/parallel.h"

namespace torchconv {

struct Range {
  int64_t begin, end;
};

// The q in [0, Q) for which q * stride + offset lies in [begin, end).
static Range positions_within(int64_t begin, int64_t end, int64_t offset, int64_t stride, int64_t Q) {
  const auto at_least = [&](int64_t bound) {  // the first q with q * stride + offset >= bound
    return bound <= offset ? int64_t(0) : std::min((bound - offset + stride - 1) / stride, Q);
  };
  return {at_least(begin), at_least(end)};
}

// A few thousand copies are not worth waking a second thread.
static int useful_threads(const ConvProblem& p) {
  return double(p.N) * p.C * p.R * p.S * p.P * p.Q < 20000 ? 1 : p.threads;
}

// columns[p, q] for one n, c, r, s: the input plane shifted and strided, with zeros where it ends.
template <class T>
static void unfold_plane(const ConvProblem& p, const T* x, int64_t r, int64_t s, T* columns) {
  const int64_t offset = s * p.dil_w - p.pad_left, step = p.stride_w * p.x_stride_w();
  const Range inside = positions_within(0, p.W, offset, p.stride_w, p.Q);
  for (int64_t i = 0; i < p.P; ++i, columns += p.Q) {
    const int64_t h = i * p.stride_h + r * p.dil_h - p.pad_top;
    const Range q = h >= 0 && h < p.H ? inside : Range{0, 0};
    std::fill(columns, columns + q.begin, T{});
    const T* from = x + h * p.x_stride_h() + offset * p.x_stride_w();
    if (step == 1)
      std::copy(from + q.begin, from + q.end, columns + q.begin);
    else
      for (int64_t j = q.begin; j < q.end; ++j) columns[j] = from[j * step];
    std::fill(columns + q.end, columns + p.Q, T{});
  }
}

template <class T>
static void unfold(const ConvProblem& p, const T* x, T* columns) {
  parallel_tasks(p.N * p.C * p.R, useful_threads(p), [&](int64_t task, int) {
    const int64_t n = task / (p.C * p.R), c = task / p.R % p.C, r = task % p.R;
    for (int64_t s = 0; s < p.S; ++s)
      unfold_plane(p, x + n * p.x_stride_n() + c * p.x_stride_c(), r, s, columns + (task * p.S + s) * p.P * p.Q);
  });
}

// One row of x is gathered in pieces, so that the sums of the 16-bit types stay in float on the stack.
constexpr int64_t kPiece = 256;
constexpr int64_t kRowsPerTask = 16;

template <class T>
static void fold_row(const ConvProblem& p, const T* columns, int64_t h, T* x) {
  using Sum = std::conditional_t<std::is_same_v<T, double>, double, float>;
  for (int64_t v0 = 0; v0 < p.W; v0 += kPiece) {
    const int64_t v1 = std::min(v0 + kPiece, p.W);
    Sum sum[kPiece] = {};
    for (int64_t r = 0; r < p.R; ++r) {
      const int64_t shifted = h + p.pad_top - r * p.dil_h, i = shifted / p.stride_h;
      if (shifted < 0 || shifted % p.stride_h || i >= p.P) continue;
      for (int64_t s = 0; s < p.S; ++s) {
        const T* row = columns + ((r * p.S + s) * p.P + i) * p.Q;
        const int64_t offset = s * p.dil_w - p.pad_left;
        const Range q = positions_within(v0, v1, offset, p.stride_w, p.Q);
        for (int64_t j = q.begin; j < q.end; ++j) sum[j * p.stride_w + offset - v0] += Sum(row[j]);
      }
    }
    for (int64_t v = v0; v < v1; ++v) x[v] = T(sum[v - v0]);
  }
}

template <class T>
static void fold(const ConvProblem& p, const T* columns, T* x) {
  const int64_t rows = p.N * p.C * p.H, tasks = (rows + kRowsPerTask - 1) / kRowsPerTask;
  parallel_tasks(tasks, useful_threads(p), [&](int64_t task, int) {
    const int64_t end = std::min((task + 1) * kRowsPerTask, rows);
    for (int64_t row = task * kRowsPerTask; row < end; ++row)
      fold_row(p, columns + row / p.H * p.R * p.S * p.P * p.Q, row % p.H, x + row * p.W);
  });
}

void run_unfold(const ConvProblem& p, const void* x, void* columns) {
  dispatch_dtype(p.dtype, [&](auto t) {
    using T = decltype(t);
    unfold(p, (const T*)x, (T*)columns);
  });
}

void run_fold(const ConvProblem& p, const void* columns, void* x) {
  dispatch_dtype(p.dtype, [&](auto t) {
    using T = decltype(t);
    fold(p, (const T*)columns, (T*)x);
  });
}

}  // namespace torchconv
