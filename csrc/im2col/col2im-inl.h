// Columns z[pixel][(r, s, c)] = sum over k of grad_y[pixel][k] * w[k][c][r][s] for a block of pixels,
// each added to its place in a strip of grad_x rows that one task owns and that stays in L2.
#include "common/simd-inl.h"
#include "common/gemm/micro-inl.h"
#include "common/gemm/patches-inl.h"
#include "common/gemm/turn-inl.h"

namespace torchconv::ISA_NS {

using im2col::kStripBytes;
constexpr int64_t kScatterPixels = 8 * kRows;  // of one product

struct Col2imPlan {
  int64_t columns, rows, strips, threads;    // columns: R * S * C with the tail; rows of grad_x per strip; of a plane
  int64_t weights, turned, products, strip;  // elements: shared, then per thread
  int64_t per_thread() const { return turned + products + strip; }
};

template <class S>
static Col2imPlan plan_col2im(const ConvProblem& p) {
  using T = Compute<S>;
  Col2imPlan plan{};
  plan.columns = round_up(p.R * p.S * p.C, kColumns<T>);
  plan.threads = useful_threads(p.macs(), p.threads);
  // A strip also needs the rows of grad_y that reach into it from outside: large strips waste less.
  const int64_t planes = p.N * p.D, row_bytes = p.W * p.C * int64_t(sizeof(T));
  const int64_t strips =
      larger(ceil_div(p.H * row_bytes, kStripBytes), plan.threads > planes ? ceil_div(2 * plan.threads, planes) : 1);
  plan.rows = ceil_div(p.H, smaller(strips, p.H));
  plan.strips = ceil_div(p.H, plan.rows);
  plan.threads = smaller(plan.threads, planes * plan.strips);
  plan.weights = p.T * plan.columns * p.K;
  const bool in_place = p.layout == Layout::nhwc && kComputedAsStored<S>;
  plan.turned = in_place ? 0 : kScatterPixels * round_up(p.K, kChunk<T>);
  plan.products = kScatterPixels * plan.columns;
  plan.strip = round_up(plan.rows * p.W * p.C, kChunk<T>);
  return plan;
}

template <class S>
static int64_t col2im_workspace(const ConvProblem& p) {
  const Col2imPlan plan = plan_col2im<S>(p);
  return (plan.weights + plan.threads * plan.per_thread()) * int64_t(sizeof(Compute<S>));
}

template <class S>
static double col2im_tile_macs(const ConvProblem& p) {
  return double(p.N) * p.O * p.P * p.Q * p.K * p.T * round_up(p.R * p.S * p.C, kChunk<Compute<S>>);
}

// B of the product, for one t: to[column / L][k][lane], columns (r, s, c); lanes beyond the last column are zero.
template <class T, class S>
static void pack_columns(const ConvProblem& p, const S* w, int64_t columns, T* to) {
  constexpr int L = kChunk<T>;
  for (int64_t l = 0; l < columns; ++l) {
    const int64_t c = l % p.C, s = l / p.C % p.S, r = l / p.C / p.S;
    const S* from = w + c * p.w_stride[1] + r * p.w_stride[3] + s * p.w_stride[4];
    for (int64_t k = 0; k < p.K; ++k) to[(l / L * p.K + k) * L + l % L] = r < p.R ? T(from[k * p.w_stride[0]]) : T(0);
  }
}

// Rows of channels as a chunked matrix: to[k / L][i][k % L].
template <class T, class S>
static void copy_rows(const S* from, int64_t rows, int64_t channels, T* to) {
  constexpr int L = kChunk<T>;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t k = 0; k < channels; k += L)
      copy_part(to + k * rows + i * L, from + i * channels + k, int(smaller(L, channels - k)));
}

// to[0..count) += from[0..count), count up to kColumns.
template <class T>
TORCHCONV_INLINE void add_part(T* to, const T* from, int64_t count) {
  constexpr int n = kLanes<T>;
  int64_t i = 0;
  for (; i + n <= count; i += n) store(to + i, load(to + i) + load(from + i));
#if TORCHCONV_ISA >= 2
  if (i < count) {
    const uint32_t mask = (uint32_t(1) << (count - i)) - 1;
    store_masked(to + i, load_masked(to + i, mask) + load_masked(from + i, mask), mask);
  }
#else
  for (; i < count; ++i) to[i] += from[i];
#endif
}

// Adds the columns of the pixel at (i, j) of a plane to the strip of rows [h0, h1).
template <class T>
TORCHCONV_INLINE void scatter(const ConvProblem& p, const T* products, int64_t i, int64_t j, int64_t h0, int64_t h1,
                              T* strip) {
  const bool joined = p.dil_w == 1;  // the taps of a kernel row are neighbours in grad_x too
  const int64_t runs = joined ? 1 : p.S, taps = joined ? p.S : 1;
  for (int64_t r = 0; r < p.R; ++r) {
    const int64_t h = i * p.stride_h + r * p.dil_h - p.pad_top;
    if (h < h0 || h >= h1) continue;
    for (int64_t s = 0; s < runs; ++s) {
      const int64_t w = j * p.stride_w + s * p.dil_w - p.pad_left;
      const int64_t first = larger(-w, 0) * p.C, last = smaller(taps, p.W - w) * p.C;
      T* to = strip + ((h - h0) * p.W + w) * p.C;
      for (int64_t e = first; e < last;) {
        const int64_t column = (r * p.S + s) * p.C + e, lane = column % kColumns<T>,
                      count = smaller(kColumns<T> - lane, last - e);
        add_part(to + e, products + (column - lane) * kScatterPixels + lane, count);
        e += count;
      }
    }
  }
}

// Adds what plane o of image n of grad_y gives to the rows [h0, h1) of a plane of grad_x, through the weights of one t.
template <class S, class T = Compute<S>>
static void add_plane(const ConvProblem& p, const Gather& g, const Col2imPlan& plan, const S* grad_y, const T* packed,
                      int64_t n, int64_t o, int64_t h0, int64_t h1, T* scratch, T* strip) {
  constexpr int L = kChunk<T>;
  const bool nhwc = p.layout == Layout::nhwc;
  T *turned = scratch, *products = turned + plan.turned;
  // Rows of grad_y with a tap in [h0, h1).
  const int64_t first = ceil_div(larger(h0 + p.pad_top - (p.R - 1) * p.dil_h, 0), p.stride_h),
                last = smaller((h1 - 1 + p.pad_top) / p.stride_h + 1, p.P);
  for (int64_t m = first * p.Q; m < last * p.Q; m += kScatterPixels) {
    const int64_t count = smaller(kScatterPixels, last * p.Q - m), pixel = (n * p.O + o) * p.P * p.Q + m;
    Chunked<T> a{turned, count * L};
    if (!nhwc)
      turn_nchw(g, grad_y, pixel, count, 0, p.K, turned);
    else if (kComputedAsStored<S>)
      a = {(const T*)grad_y + pixel * p.K, L, p.K};
    else
      copy_rows(grad_y + pixel * p.K, count, p.K, turned);
    for (int64_t l = 0; l < plan.columns; l += kColumns<T>)
      multiply_panel<T>(count, kColumnChunks, p.K, a, {packed + l * p.K, p.K * L}, products + l * kScatterPixels,
                        false);
    for (int64_t i = 0; i < count; ++i)
      scatter(p, products + i * kColumns<T>, (m + i) / p.Q, (m + i) % p.Q, h0, h1, strip);
  }
}

template <class S, class T = Compute<S>>
static void run_col2im(const ConvProblem& p, const S* grad_y, const S* w, const S* bias, S* grad_x, void* workspace) {
  const Col2imPlan plan = plan_col2im<S>(p);
  const Gather g = forward_gather(p);
  T* packed = (T*)workspace;
  const auto weights_of = [&](int64_t t) { return packed + t * plan.columns * p.K; };
  for (int64_t t = 0; t < p.T; ++t) pack_columns(p, w + t * p.w_stride[2], plan.columns, weights_of(t));
  parallel_tasks(p.N * p.D * plan.strips, int(plan.threads), [&](int64_t task, int thread) {
    const int64_t n = task / (p.D * plan.strips), d = task / plan.strips % p.D, h0 = task % plan.strips * plan.rows,
                  h1 = smaller(h0 + plan.rows, p.H);
    T *scratch = packed + plan.weights + thread * plan.per_thread(), *strip = scratch + plan.turned + plan.products;
    for (int64_t i = 0; i < (h1 - h0) * p.W; ++i)
      for (int64_t c = 0; c < p.C; ++c) strip[i * p.C + c] = bias ? T(bias[c]) : T(0);
    for (int64_t t = 0; t < p.T; ++t) {
      const int64_t reach = d + p.pad_front - t * p.dil_d, o = reach / p.stride_d;
      if (reach % p.stride_d == 0 && inside(o, p.O))
        add_plane(p, g, plan, grad_y, weights_of(t), n, o, h0, h1, scratch, strip);
    }
    S* to = grad_x + n * p.x_stride_n() + d * p.x_stride_d() + h0 * p.x_stride_h();
    for (int64_t c = 0; c < p.C; ++c)
      for (int64_t i = 0; i < (h1 - h0) * p.W; ++i) to[c * p.x_stride_c() + i * p.x_stride_w()] = S(strip[i * p.C + c]);
  });
}

}  // namespace torchconv::ISA_NS
