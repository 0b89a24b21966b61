// sums[r][s c][k] += x[h][w + s][c] * grad_y[p][q][k], a row of grad_y and a row of the kernel at a time: outputs are
// lanes, and each element of x is one factor of all of them.
#include "common/simd-inl.h"

namespace torchconv::ISA_NS {

// Of x, by two vectors of outputs: so many sums stay in registers.
constexpr int kFactors = TORCHCONV_ISA >= 2 ? 12 : 6;

// The pixels of a 1x1 layer as rows of at most kLongRow: sums are loaded and stored once for each, and the outputs of
// grad_y that are multiplied at a time stay in L1.
constexpr int64_t kLongRow = 128;
static ConvProblem join_rows(ConvProblem p) {
  if (!im2col::joins_rows(p)) return p;
  const int64_t pixels = p.N * p.P * p.Q;
  p.P = p.H = larger(ceil_div(pixels, kLongRow), 1), p.Q = p.W = ceil_div(pixels, p.P);
  p.N = 1;
  return p;
}

struct FewChannels {
  int64_t threads, splits;  // each split of the rows of grad_y has sums of its own
  int64_t factors, lanes;   // under one row of the kernel; outputs, in whole vectors
  int64_t sums;             // elements, of a split
};

template <class T>
static FewChannels plan_few_channels(const ConvProblem& p) {
  FewChannels plan{};
  plan.threads = useful_threads(p.macs(), p.threads);
  plan.splits = plan.threads > 1 ? smaller(4 * plan.threads, p.N * p.P) : 1;
  plan.factors = p.S * p.C, plan.lanes = round_up(p.K, kLanes<T>);
  plan.sums = p.R * plan.factors * plan.lanes;
  return plan;
}

template <class T>
static int64_t few_channels_workspace(const ConvProblem& p) {
  const FewChannels plan = plan_few_channels<T>(join_rows(p));
  return plan.splits * plan.sums * int64_t(sizeof(T));
}

template <class T>
static double few_channels_tile_macs(const ConvProblem& p) {
  return p.macs() / double(p.K) * double(plan_few_channels<T>(p).lanes);
}

// F factors by V vectors of outputs, the last of which has `last` of them, summed over a row of `count` pixels.
template <int F, int V, class T>
static void add_row(const T* x, int64_t x_step, const T* grad_y, int64_t K, int64_t count, int last, T* sums,
                    int64_t lanes) {
  constexpr int n = kLanes<T>;
  Vector<T> sum[F][V] = {};
  for (int64_t q = 0; q < count; ++q, x += x_step, grad_y += K) {
    Vector<T> y[V];
    for (int v = 0; v + 1 < V; ++v) y[v] = load(grad_y + v * n);
    y[V - 1] = load_part(grad_y + (V - 1) * n, last);
#pragma GCC unroll 12
    for (int f = 0; f < F; ++f) {
      const Vector<T> factor = broadcast(x + f);
      for (int v = 0; v < V; ++v) sum[f][v] += factor * y[v];
    }
  }
#pragma GCC unroll 12
  for (int f = 0; f < F; ++f)
    for (int v = 0; v < V; ++v) {
      T* const to = sums + f * lanes + v * n;
      store(to, load(to) + sum[f][v]);
    }
}

template <class T>
using AddRow = void (*)(const T*, int64_t, const T*, int64_t, int64_t, int, T*, int64_t);
template <class T, int... F>
static AddRow<T> add_row_of(int factors, int vectors, integer_list<F...>) {
  static constexpr AddRow<T> kernels[2][kFactors] = {{add_row<F + 1, 1, T>...}, {add_row<F + 1, 2, T>...}};
  return kernels[vectors - 1][factors - 1];
}

// One row of grad_y with one row of x: pixels [inside.begin, inside.end), whose whole windows lie in x, and the others.
template <class T>
static void add_rows(const ConvProblem& p, const FewChannels& plan, const T* x, const T* grad_y, int64_t count,
                     Range inside, T* sums) {
  constexpr int n = kLanes<T>;
  const int64_t step = p.stride_w * p.C, blocks = ceil_div(plan.factors, kFactors),
                most = ceil_div(plan.factors, blocks);
  for (int64_t k = 0; k < p.K; k += 2 * n) {
    const int64_t outputs = smaller(p.K - k, 2 * n);
    const int vectors = int(ceil_div(outputs, n)), last = int(outputs - (vectors - 1) * n);
    for (int64_t f = 0; f < plan.factors && inside.size(); f += most) {
      const auto add =
          add_row_of<T>(int(smaller(most, plan.factors - f)), vectors, typename first_integers<kFactors>::type());
      add(x + (inside.begin * p.stride_w - p.pad_left) * p.C + f, step, grad_y + inside.begin * p.K + k, p.K,
          inside.size(), last, sums + f * plan.lanes + k, plan.lanes);
    }
  }
  for (int64_t q = 0; q < count; ++q) {
    if (q == inside.begin) q = inside.end;
    if (q == count) break;
    const int64_t w = q * p.stride_w - p.pad_left;
    const int64_t begin = larger(0, -w) * p.C, end = smaller(p.S, p.W - w) * p.C;
    for (int64_t f = begin; f < end; ++f) {
      const Vector<T> factor = broadcast(x + w * p.C + f);
      for (int64_t k = 0; k < p.K; k += n) {
        T* const to = sums + f * plan.lanes + k;
        store(to, load(to) + factor * load_part(grad_y + q * p.K + k, int(smaller(n, p.K - k))));
      }
    }
  }
}

template <class T>
static void run_few_channels(const ConvProblem& whole, const T* x, const T* grad_y, T* grad_w, T* workspace) {
  const int64_t pixels = whole.N * whole.P * whole.Q;
  const ConvProblem p = join_rows(whole);
  const FewChannels plan = plan_few_channels<T>(p);
  Range inside{smaller(ceil_div(larger(p.pad_left, 0), p.stride_w), p.Q), 0};
  const int64_t last = p.W - p.S + p.pad_left;  // where the last whole window may begin, in steps of one
  inside.end = larger(inside.begin, last < 0 ? 0 : smaller(last / p.stride_w + 1, p.Q));
  parallel_tasks(plan.splits, int(plan.threads), [&](int64_t split, int) {
    T* const sums = workspace + split * plan.sums;
    for (int64_t i = 0; i < plan.sums; ++i) sums[i] = 0;
    for (int64_t row = p.N * p.P * split / plan.splits; row < p.N * p.P * (split + 1) / plan.splits; ++row) {
      const int64_t count = smaller(p.Q, larger(pixels - row * p.Q, 0));  // the last joined rows may be shorter
      for (int64_t r = 0; r < p.R; ++r) {
        const int64_t h = row % p.P * p.stride_h - p.pad_top + r * p.dil_h;
        if (h < 0 || h >= p.H) continue;
        add_rows(p, plan, x + (row / p.P * p.H + h) * p.W * p.C, grad_y + row * p.Q * p.K, count,
                 {inside.begin, smaller(inside.end, count)}, sums + r * plan.factors * plan.lanes);
      }
    }
  });
  parallel_tasks(p.R, int(useful_threads(8 * double(plan.splits * plan.sums), plan.threads)), [&](int64_t r, int) {
    for (int64_t f = 0; f < plan.factors; ++f)
      for (int64_t k = 0; k < p.K; ++k) {
        T sum = 0;
        for (int64_t split = 0; split < plan.splits; ++split)
          sum += workspace[split * plan.sums + (r * plan.factors + f) * plan.lanes + k];
        grad_w[k * p.w_stride[0] + f % p.C * p.w_stride[1] + r * p.w_stride[3] + f / p.C * p.w_stride[4]] = sum;
      }
  });
}

}  // namespace torchconv::ISA_NS
