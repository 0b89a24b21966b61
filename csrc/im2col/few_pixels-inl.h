// Tiles of a few pixels by a few outputs, summed in registers. Lanes are channels where those are neighbours in w
// (forward), else outputs (gradient of the input).
#include "common/simd-inl.h"
#include "common/finish-inl.h"
#include "common/sum_lanes-inl.h"

namespace torchconv::ISA_NS {

constexpr int kFewRows = 4;                             // of w at once: outputs, or vectors of them
constexpr int kPixelTile = TORCHCONV_ISA >= 2 ? 6 : 2;  // so that the sums stay in registers
constexpr int64_t kFewOutputs = 64;                     // of a task

// One block of channels: sums[pixel * kFewOutputs + output] += src[pixel][c] * w[output][c].
template <class S>
struct FewPixels {
  const S *src, *w;
  int64_t src_w, w_out, w_in;  // strides
  int64_t depth, outputs;
  Compute<S>* sums;
};

template <int Pixels, class S, class T = Compute<S>>
TORCHCONV_INLINE void add_lanes(Vector<T> (&sum)[Pixels][kFewRows], const FewPixels<S>& p, const S* const* rows,
                                int64_t c, int lanes) {
  Vector<T> w[kFewRows];
#pragma GCC unroll 4
  for (int r = 0; r < kFewRows; ++r) w[r] = load_part(rows[r] + c, lanes);
#pragma GCC unroll 6
  for (int m = 0; m < Pixels; ++m) {
    const Vector<T> x = load_part(p.src + m * p.src_w + c, lanes);
#pragma GCC unroll 4
    for (int r = 0; r < kFewRows; ++r) sum[m][r] += x * w[r];
  }
}

// Lanes are channels. Of the outputs from o on; beyond the last, its row again.
template <int Pixels, class S, class T = Compute<S>>
static void add_dots(const FewPixels<S>& p, int64_t o) {
  constexpr int n = kLanes<T>;
  const S* rows[kFewRows];
  for (int r = 0; r < kFewRows; ++r) rows[r] = p.w + smaller(o + r, p.outputs - 1) * p.w_out;
  Vector<T> sum[Pixels][kFewRows] = {};
  int64_t c = 0;
  for (; c + n <= p.depth; c += n) add_lanes<Pixels>(sum, p, rows, c, n);
  if (c < p.depth) add_lanes<Pixels>(sum, p, rows, c, int(p.depth - c));
#pragma GCC unroll 6
  for (int m = 0; m < Pixels; ++m)
#pragma GCC unroll 4
    for (int r = 0; r < kFewRows; ++r) p.sums[m * kFewOutputs + o + r] += sum_lanes<T>(sum[m][r]);
}

// Lanes are outputs, from o on.
template <int Pixels, bool Whole, class S, class T = Compute<S>>
static void add_rows(const FewPixels<S>& p, int64_t o) {
  constexpr int n = kLanes<T>, ahead = 8;
  const S* w = p.w + o;
  int lanes[kFewRows];
  for (int v = 0; v < kFewRows; ++v) lanes[v] = int(smaller(larger(p.outputs - o - v * n, 0), n));
  Vector<T> sum[Pixels][kFewRows] = {};
  for (int64_t c = 0; c < p.depth; ++c, w += p.w_in) {
    Vector<T> row[kFewRows];
#pragma GCC unroll 4
    for (int v = 0; v < kFewRows; ++v) {
      __builtin_prefetch(w + ahead * p.w_in + v * n);
      row[v] = Whole ? load(w + v * n) : load_part(w + v * n, lanes[v]);
    }
#pragma GCC unroll 6
    for (int m = 0; m < Pixels; ++m) {
      const T factor = T(p.src[m * p.src_w + c]);
      const Vector<T> x = broadcast(&factor);
#pragma GCC unroll 4
      for (int v = 0; v < kFewRows; ++v) sum[m][v] += x * row[v];
    }
  }
#pragma GCC unroll 6
  for (int m = 0; m < Pixels; ++m)
#pragma GCC unroll 4
    for (int v = 0; v < kFewRows; ++v) {
      T* const to = p.sums + m * kFewOutputs + o + v * n;
      store(to, load(to) + sum[m][v]);
    }
}

template <int Pixels, class S>
static void add_few(const FewPixels<S>& p) {
  constexpr int64_t lanes = kFewRows * kLanes<Compute<S>>;
  if (p.w_in == 1)
    for (int64_t o = 0; o < p.outputs; o += kFewRows) add_dots<Pixels>(p, o);
  else
    for (int64_t o = 0; o < p.outputs; o += lanes)
      (p.outputs - o >= lanes ? add_rows<Pixels, true, S> : add_rows<Pixels, false, S>)(p, o);
}

template <class S, int... I>
static void add_few(const FewPixels<S>& p, int64_t pixels, integer_list<I...>) {
  static constexpr void (*kernels[])(const FewPixels<S>&) = {add_few<I + 1, S>...};
  kernels[pixels - 1](p);
}

template <class S, class T = Compute<S>>
static void product_of_few(const Gather& g, const Epilogue& epilogue, const ConvOperands& all) {
  constexpr int n = kLanes<T>;
  const int64_t M = g.pixels();
  const Finish<S> finishing(epilogue, (const S*)all.residual, (const S*)all.out);
  const int threads = int(useful_threads(double(M * g.channels * g.outputs * g.groups), g.threads));
  // About four tasks for each thread, so that a slow core can take fewer.
  const int64_t wanted = threads > 1 ? ceil_div(g.outputs * g.groups, 4 * threads) : kFewOutputs;
  const int64_t outputs = smaller(round_up(wanted, 16), kFewOutputs), blocks = ceil_div(g.outputs, outputs);
  // Sums of at most 512 products are begun anew; lanes of channels share theirs out, and rows of so many stay in L1.
  const int64_t depth = g.w_in == 1 ? 2048 : 512;
  parallel_tasks(g.groups * blocks, threads, [&](int64_t task, int) {
    const int64_t group = task / blocks, o = task % blocks * outputs, count = smaller(outputs, g.outputs - o),
                  channel = group * g.outputs + o;
    const S* const src = (const S*)all.a + group * g.channels;
    const S* const w = (const S*)all.b + group * g.w_group + o * g.w_out;
    alignas(64) T sums[im2col::kMostFewPixels * kFewOutputs] = {};
    for (int64_t c = 0; c < g.channels; c += depth)
      for (int64_t m = 0; m < M; m += kPixelTile) {
        const FewPixels<S> part{
            src + m * g.src_w + c, w + c * g.w_in, g.src_w, g.w_out, g.w_in, smaller(depth, g.channels - c), count,
            sums + m * kFewOutputs};
        add_few(part, smaller(kPixelTile, M - m), typename first_integers<kPixelTile>::type());
      }
    for (int64_t m = 0; m < M; ++m)
      for (int64_t k = 0; k < count; k += n) {
        const int lanes = int(smaller(count - k, n));
        const Vector<T> bias = all.bias ? load_part((const S*)all.bias + channel + k, lanes) : Vector<T>{};
        finish(finishing, (S*)all.out + m * g.dst_w + channel + k, load(sums + m * kFewOutputs + k), bias, lanes,
               false);
      }
  });
}

// grad_w[k][c] = sum over pixels of grad_y[pixel][k] * x[pixel][c], for so many vectors of channels of as many outputs.
// Outputs beyond the last are its own again.
template <bool Whole, class S, class T = Compute<S>>
static void multiply_few(const Gather& g, const S* x, const S* grad_y, S* grad_w, int64_t outputs, int64_t channels) {
  constexpr int n = kLanes<T>;
  const int64_t M = g.pixels();
  int lanes[kFewRows];
  int64_t output[kFewRows];
  for (int v = 0; v < kFewRows; ++v) {
    lanes[v] = int(smaller(larger(channels - v * n, 0), n));
    output[v] = smaller(v, outputs - 1);
  }
  Vector<T> sum[kFewRows][kFewRows] = {};
  for (int64_t m = 0; m < M; ++m, x += g.src_w, grad_y += g.dst_w) {
    Vector<T> row[kFewRows];
#pragma GCC unroll 4
    for (int v = 0; v < kFewRows; ++v) row[v] = Whole ? load(x + v * n) : load_part(x + v * n, lanes[v]);
#pragma GCC unroll 4
    for (int k = 0; k < kFewRows; ++k) {
      const T factor = T(grad_y[output[k]]);
      const Vector<T> y = broadcast(&factor);
#pragma GCC unroll 4
      for (int v = 0; v < kFewRows; ++v) sum[k][v] += y * row[v];
    }
  }
#pragma GCC unroll 4
  for (int k = 0; k < kFewRows; ++k)
#pragma GCC unroll 4
    for (int v = 0; v < kFewRows; ++v) {
      S* const to = grad_w + output[k] * g.w_out + v * n;
      Whole ? store(to, sum[k][v]) : store_part(to, sum[k][v], lanes[v]);
    }
}

template <class S>
static void grad_weight_of_few(const Gather& g, const ConvOperands& all) {
  constexpr int64_t most = kFewRows * kLanes<Compute<S>>;
  const int64_t macs = g.pixels() * g.channels * g.outputs * g.groups, blocks = ceil_div(g.outputs, kFewRows);
  parallel_tasks(g.groups * blocks, int(useful_threads(double(macs), g.threads)), [&](int64_t task, int) {
    const int64_t group = task / blocks, o = task % blocks * kFewRows;
    const S* const x = (const S*)all.a + group * g.channels;
    const S* const grad_y = (const S*)all.b + group * g.outputs + o;
    S* const grad_w = (S*)all.out + group * g.w_group + o * g.w_out;
    for (int64_t c = 0; c < g.channels; c += most)
      (g.channels - c >= most ? multiply_few<true, S> : multiply_few<false, S>)(g, x + c, grad_y, grad_w + c,
                                                                                g.outputs - o, g.channels - c);
  });
}

}  // namespace torchconv::ISA_NS
