// Seven products over half the pixels, half the channels and half the outputs, instead of eight.
//
// A task takes the same pixels of both halves, and the same outputs: it makes all four blocks of its part of the
// result, which stay in L2 until they are stored. So the sums of products cost no memory traffic. Sums of weights are
// made while weights are packed. Sums of the source are made by each task for its own pixels where the kernel is 1x1;
// elsewhere pixels share their patches, so the sums are whole tensors, made first.
#include "common/simd-inl.h"
#include "common/gemm/micro-inl.h"
#include "common/gemm/patches-inl.h"
#include "common/gemm/weights-inl.h"
#include "strassen/sums-inl.h"

namespace torchconv::ISA_NS {

constexpr int64_t kHalfPixels = 8 * kRows;  // per task and half, channels_last
constexpr int64_t kHalfPanels = 4;          // per task and half, NCHW
// Outputs per task and half, 512 in float: two blocks of results of 112 pixels then take 448 KiB of L2.
template <class T>
constexpr int64_t kHalfOutputs = 2048 / sizeof(T);
constexpr int64_t kPastCachesBytes = 6 << 20;  // results larger than this are written past the caches, as in im2col

static_assert(kHalfPixels <= kDepthBlock<double> &&
              kHalfPanels * kColumnChunks <= kDepthBlock<double> / kChunk<double>);

template <class T>
struct StrassenPlan {
  int64_t pixels, outputs, depth;  // of a task, in each half
  int64_t pixel_blocks, output_blocks, threads;
  bool own_sums;  // each task sums the source for itself
  bool past_caches;
  int64_t pitch;  // of own sums: from one pixel to the next in channels_last, from one channel to the next in NCHW
  // Elements: shared, then per thread.
  int64_t sum, sums, weights, matrix;  // one sum of the source, and all four; all packed weights, one matrix of them
  int64_t own, patches, block;         // one of own sums; one block of results

  int64_t per_thread() const { return (own_sums ? 4 * own : 0) + patches + 3 * block; }
  int64_t bytes() const { return (sums + weights + threads * per_thread()) * int64_t(sizeof(T)); }
};

// An odd number of chunks, so that neighbours do not share a set of the caches.
template <class T>
TORCHCONV_INLINE int64_t spread(int64_t count) {
  return (ceil_div(count, kChunk<T>) | 1) * kChunk<T>;
}

template <class T>
static StrassenPlan<T> plan_strassen(const Halves& h) {
  constexpr int L = kChunk<T>;
  const Gather& g = h.g;
  StrassenPlan<T> plan{};
  const bool nhwc = g.layout == Layout::nhwc;
  plan.threads = useful_threads(7.0 * g.pixels() * g.outputs * g.groups * g.depth(), g.threads);
  plan.depth = round_up(ceil_div(g.depth(), ceil_div(g.depth(), kDepthBlock<T>)), L);
  // About four tasks per thread, of equal size, as in im2col.
  const int64_t unit = nhwc ? kRows : kColumns<T>, most = nhwc ? kHalfPixels / kRows : kHalfPanels;
  const int64_t units = ceil_div(g.pixels(), unit);
  const int64_t share = plan.threads > 1 ? units * g.groups / (4 * plan.threads) : units;
  plan.pixels = unit * larger(1, smaller(most, share));
  if (nhwc) plan.pixels = ceil_div(g.pixels(), round_up(ceil_div(g.pixels(), plan.pixels), plan.threads));
  plan.pixel_blocks = ceil_div(g.pixels(), plan.pixels);
  const int64_t output_blocks = ceil_div(g.outputs, kHalfOutputs<T>);
  plan.outputs = round_up(ceil_div(g.outputs, output_blocks), kColumns<T>);
  plan.output_blocks = ceil_div(g.outputs, plan.outputs);

  plan.past_caches = 2 * g.N * g.dst_n * int64_t(sizeof(T)) > kPastCachesBytes;
  plan.own_sums = is_pointwise(g);
  plan.pitch = spread<T>(nhwc ? g.channels : plan.pixels);
  plan.own = plan.pitch * (nhwc ? plan.pixels : g.channels);
  plan.sum = plan.own_sums ? 0 : source_blocks(h).elements();
  plan.sums = round_up(4 * plan.sum, L);
  plan.matrix = round_up(g.depth(), L) * round_up(g.outputs, L);
  plan.weights = 7 * g.groups * plan.matrix;
  plan.patches = plan.own_sums && nhwc ? 0 : plan.depth * round_up(plan.pixels, L);
  plan.block = nhwc ? plan.pixels * round_up(plan.outputs, kColumns<T>)
                    : round_up(plan.pixels, kColumns<T>) * smaller(plan.outputs, g.outputs);
  return plan;
}

// ---- Weights ----

// Outputs [o0, o1), from a whole chunk on, of one group: the blocks packed and summed, `matrix` elements apart.
template <class T>
static void pack_blocks(const Halves& h, const T* w, int64_t o0, int64_t o1, int64_t matrix, T* to) {
  constexpr int L = kChunk<T>;
  const Gather& g = h.g;
  const bool nhwc = g.layout == Layout::nhwc;
  // Where the products have their operands: 11, 12, 21, 22; then the sums. No product takes block 12.
  T* const blocks[4] = {to, to + 6 * matrix, to + matrix, to + 2 * matrix};
  T* const sums[4] = {to + 4 * matrix, to + 5 * matrix, to + 6 * matrix, to + 3 * matrix};
  for (int q = 0; q < 4; ++q)
    (nhwc ? pack_weights_nhwc<T, T> : pack_weights_nchw<T, T>)(g, w + h.w(q / 2, q % 2), o0, o1, blocks[q]);
  const int64_t lanes = round_up(o1, L) - o0;
  // The channel in the middle counts once.
  for (int64_t tap = 0; h.shared_channels && tap < g.taps(); ++tap)
    for (T* block : {blocks[2], blocks[3]})
      for (int64_t o = o0; o < (nhwc ? o0 + lanes : o1); ++o)
        block[nhwc ? o / L * L * g.depth() + tap * g.channels * L + o % L : tap / L * L * g.outputs + o * L + tap % L] =
            0;
  const auto sum = [&](int64_t at, int64_t count) {
    const T* from[4];
    T* out[4];
    for (int q = 0; q < 4; ++q) from[q] = blocks[q] + at, out[q] = sums[q] + at;
    sum_runs<Side::right>(from, out, count);
  };
  if (nhwc) return sum(o0 * g.depth(), lanes * g.depth());
  for (int64_t k = 0; k < g.depth(); k += L) sum(k * g.outputs + o0 * L, (o1 - o0) * L);
}

// ---- The source ----

// The pixels of a task as they stand in one of the operands made of the source.
template <class T>
struct TaskPixels {
  Gather g;
  int64_t rows;
  bool own;  // own sums: one row of pixels
  Pixel pixels[kHalfPanels * kColumns<T> > kHalfPixels ? kHalfPanels * kColumns<T> : kHalfPixels];
  ChunkRuns<T> runs[kHalfPanels * kColumnChunks];

  void locate(int64_t first) {
    locate_pixels(g, first, rows, pixels);
    if (g.layout == Layout::nchw) split_runs(pixels, rows, runs);
  }
};

// The sums of the source for a task's own pixels, `own` elements apart.
template <class T>
static void sum_own(const Halves& h, const StrassenPlan<T>& plan, const T* src, const TaskPixels<T>& p, T* to) {
  const Gather& g = h.g;
  const auto sum = [&](int64_t from, int64_t at, int64_t count) {
    const T* blocks[4];
    T* sums[4];
    for (int q = 0; q < 4; ++q) blocks[q] = src + h.src(q / 2, q % 2) + from, sums[q] = to + q * plan.own + at;
    sum_runs<Side::left>(blocks, sums, count);
  };
  if (g.layout == Layout::nhwc) {
    for (int64_t i = 0; i < p.rows; ++i) sum(p.pixels[i].w * g.src_w, i * plan.pitch, g.channels);
    return;
  }
  for (int64_t c = 0; c < g.channels; ++c)
    for (int64_t i = 0, count; i < p.rows; i += count) {  // one image after another
      count = smaller(p.rows - i, g.w.count - p.pixels[i].w);
      sum(p.pixels[i].source + p.pixels[i].w + c * g.src_c, c * plan.pitch + i, count);
    }
}

// ---- The result ----

// The four blocks of the result out of three blocks in the scratch: u holds P1, P1 + P6 or P1 + P6 + P7 by then, v P5,
// and t the product that was just made.
template <int Quarter, class V>
TORCHCONV_INLINE V combine(V u, V v, V t) {
  return Quarter == 0 ? u + t : Quarter == 1 ? u + v + t : Quarter == 2 ? u - t : u + v;
}

// Where a block of the result goes. Of the second half, pixels and outputs before `pixel` and `output` are left out.
template <class T>
struct Destination {
  T* dst;         // the block's first pixel and output
  const T* bias;  // of the block's first output, or null
  int64_t pixel, output;
  bool past_caches;
};

// A panel of outputs [o, outputs); its pixels are `pixels`, the first of them number m of the half.
template <int Quarter, class T>
static void store_quarter_nhwc(const Destination<T>& to, const T* u, const T* v, const T* t, const Pixel* pixels,
                               int64_t rows, int64_t m, int64_t o, int64_t outputs) {
  constexpr int n = kLanes<T>;
  const int64_t first = larger(to.output - o, 0), width = smaller(outputs - o, kColumns<T>);
  for (int64_t i = larger(to.pixel - m, 0); i < rows; ++i) {
    const int64_t row = i * kColumns<T>;
    T* y = to.dst + pixels[i].target + o;
    const bool past_caches = to.past_caches && stream_aligned(y + first);
    int64_t c = first;
    for (; c + n <= width; c += n) {
      Vector<T> sum = combine<Quarter>(load(u + row + c), load(v + row + c), load(t + row + c));
      if (to.bias) sum += load(to.bias + o + c);
      past_caches ? stream(y + c, sum) : store(y + c, sum);
    }
    for (; c < width; ++c)
      y[c] = combine<Quarter>(u[row + c], v[row + c], t[row + c]) + (to.bias ? to.bias[o + c] : T(0));
  }
}

// Outputs [o, o + rows) of the pixels of a panel; the first of them is number m of the half.
template <int Quarter, class T>
static void store_quarter_nchw(const Destination<T>& to, const T* u, const T* v, const T* t, const Pixel* pixels,
                               const ChunkRuns<T>* runs, int64_t count, int64_t dst_c, int64_t m, int64_t o,
                               int64_t rows) {
  constexpr int L = kChunk<T>, n = kLanes<T>;
  for (int64_t i = larger(to.output - o, 0); i < rows; ++i) {
    T* plane = to.dst + (o + i) * dst_c;
    const T bias = to.bias ? to.bias[o + i] : T(0);
    for (int64_t l0 = 0; l0 < count; l0 += L) {
      const int64_t row = i * kColumns<T> + l0, first = larger(to.pixel - m - l0, 0);
      if (first == 0 && runs[l0 / L].consecutive) {
        T* y = plane + pixels[l0].target;
        const bool past_caches = to.past_caches && stream_aligned(y);
        for (int l = 0; l < L; l += n) {
          const Vector<T> sum =
              combine<Quarter>(load(u + row + l), load(v + row + l), load(t + row + l)) + (bias - Vector<T>{});
          past_caches ? stream(y + l, sum) : store(y + l, sum);
        }
        continue;
      }
      for (int64_t l = first; l < smaller(L, count - l0); ++l)
        plane[pixels[l0 + l].target] = combine<Quarter>(u[row + l], v[row + l], t[row + l]) + bias;
    }
  }
}

// ---- Products ----

// acc = or += patches * weights for outputs [o0, o1). done(at, ...) is called for each panel or tile as it is complete;
// `at` is its place in a block of results. `reuse`: only done() looks at acc, so that a panel or tile may be
// overwritten by the next, unless sums go on from one block of the depth to the next.
template <class T, class Done>
TORCHCONV_INLINE void product_nhwc(const StrassenPlan<T>& plan, const TaskPixels<T>& p, const T* src, bool in_place,
                                   const T* packed, int64_t o0, int64_t o1, T* patches, T* acc, bool accumulate,
                                   bool reuse, const Done& done) {
  constexpr int L = kChunk<T>;
  const Gather& g = p.g;
  const int64_t step = reuse && g.depth() <= plan.depth ? 0 : p.rows;
  for (int64_t k0 = 0; k0 < g.depth(); k0 += plan.depth) {
    const int64_t k1 = smaller(k0 + plan.depth, g.depth());
    if (!in_place) pack_patches_nhwc(g, src, p.pixels, p.rows, k0, k1, patches);
    const Chunked<T> a =
        in_place ? Chunked<T>{src + p.pixels[0].w * g.src_w + k0, L, g.src_w} : Chunked<T>{patches, p.rows * L};
    for (int64_t o = o0; o < o1; o += kColumns<T>) {
      const int chunks = int(smaller(ceil_div(o1 - o, L), kColumnChunks));
      const Chunked<T> b{packed + o * g.depth() + k0 * L, g.depth() * L};
      const Chunked<T> next{o + kColumns<T> < o1 ? b.data + kColumnChunks * b.stride : nullptr, b.stride};
      T* panel = acc + (o - o0) * step;
      for_each_tile(p.rows, tile_rows(a), [&](int64_t r, int n) {
        multiply_tile<T>(n, chunks, k1 - k0, {a.data + r * a.row, a.stride, a.row}, b, panel + r * kColumns<T>,
                         accumulate || k0 > 0, fetch_panel(next).share(r, n, p.rows));
      });
      if (k1 == g.depth()) done(panel, (o - o0) * p.rows, o);
    }
  }
}

template <class T, class Done>
TORCHCONV_INLINE void product_nchw(const StrassenPlan<T>& plan, const TaskPixels<T>& p, const T* src, const T* packed,
                                   int64_t o0, int64_t o1, T* patches, T* acc, bool accumulate, bool reuse,
                                   const Done& done) {
  constexpr int L = kChunk<T>;
  const Gather& g = p.g;
  const int64_t rows = o1 - o0, chunks = ceil_div(p.rows, L);
  const int64_t step = reuse && g.depth() <= plan.depth ? 0 : rows;
  // Own sums are padded, so that their last panel can be read like a whole one.
  const auto in_place = [&](int64_t c) { return p.own || panel_in_place<T>(g, p.pixels + c * L, p.rows - c * L); };
  for (int64_t k0 = 0; k0 < g.depth(); k0 += plan.depth) {
    const int64_t k1 = smaller(k0 + plan.depth, g.depth()), depth = k1 - k0;
    for (int64_t c = 0, end; c < chunks; c = end) {
      for (end = c; end < chunks && !in_place(end); end = smaller(end + kColumnChunks, chunks)) {
      }
      if (end > c) pack_patches_nchw(g, src, p.runs + c, end - c, k0, k1, patches + c * L * depth);
      for (; end < chunks && in_place(end); end += kColumnChunks) {
      }
    }
    const auto panel = [&](int64_t c) {
      if (!in_place(c)) return Chunked<T>{patches + c * L * depth, L * depth};
      return Chunked<T>{src + p.pixels[c * L].source + p.pixels[c * L].w + k0 * g.src_c, L, g.src_c};
    };
    const Chunked<T> a{packed + k0 * g.outputs + o0 * L, g.outputs * L};
    for_each_tile(rows, kRows, [&](int64_t r, int n) {
      for (int64_t c = 0; c < chunks; c += kColumnChunks) {
        const int width = int(smaller(chunks - c, kColumnChunks));
        const int64_t next = c + kColumnChunks;
        const bool fetch = r == 0 && next < chunks && in_place(next);
        T* tile = acc + c * L * step + r * kColumns<T>;
        multiply_tile<T>(n, width, depth, {a.data + r * L, a.stride}, panel(c), tile, accumulate || k0 > 0,
                         fetch ? fetch_panel(panel(next)) : FetchAhead{});
        if (k1 == g.depth()) done(tile, c * L * rows + r * kColumns<T>, r, n, c);
      }
    });
  }
}

// ---- Tasks ----

// One group's operands.
template <class T>
struct StrassenOperands {
  const T* src;
  const T* sums;  // of the source, unless tasks make their own
  const T* packed;
  const T* bias;
  T* dst;
};

template <class T>
static void strassen_task(const Halves& h, const StrassenPlan<T>& plan, const StrassenOperands<T>& op, int64_t m0,
                          int64_t m1, int64_t o0, int64_t o1, T* scratch) {
  const Gather& g = h.g;
  const bool nhwc = g.layout == Layout::nhwc;
  T *own = scratch, *patches = own + (plan.own_sums ? 4 * plan.own : 0), *u = patches + plan.patches,
    *v = u + plan.block, *t = v + plan.block;
  TaskPixels<T> blocks, sums;
  blocks.g = g, blocks.rows = sums.rows = m1 - m0, blocks.own = false, sums.own = plan.own_sums;
  blocks.locate(m0);
  if (plan.own_sums) {
    sum_own(h, plan, op.src, blocks, own);
    sums.g = g, sums.g.N = 1, sums.g.w.count = sums.g.w.source = sums.rows;
    (nhwc ? sums.g.src_w : sums.g.src_c) = plan.pitch;
  } else {
    sums.g = strassen::with_source_sums(g);
  }
  sums.locate(plan.own_sums ? 0 : m0);
  const int64_t sum_stride = plan.own_sums ? plan.own : plan.sum;

  // The product number i (from 0), added to or put into acc; Quarter: of the result, that is complete with it, or -1.
  const auto product = [&](int i, T* acc, bool accumulate, auto quarter) {
    constexpr int Quarter = decltype(quarter)::value;
    const Operand operand = kLeft[i];
    const bool is_sum = operand >= kSum1;
    const TaskPixels<T>& p = is_sum ? sums : blocks;
    const T* src = is_sum ? (plan.own_sums ? own : op.sums) + (operand - kSum1) * sum_stride
                          : op.src + h.src(operand / 2, operand % 2);
    const T* packed = op.packed + i * plan.matrix;
    constexpr int Pixels = Quarter > 1, Outputs = Quarter == 1 || Quarter == 3;
    const Destination<T> to{op.dst + h.dst(Pixels, Outputs), op.bias ? op.bias + Outputs * h.dst_outputs : nullptr,
                            Pixels * h.shared_pixels, Outputs * h.shared_outputs, plan.past_caches};
    if (nhwc) {
      product_nhwc(plan, p, src, plan.own_sums, packed, o0, o1, patches, acc, accumulate, acc == t,
                   [&](const T* made, int64_t at, int64_t o) {
                     if constexpr (Quarter >= 0)
                       store_quarter_nhwc<Quarter>(to, u + at, v + at, made, blocks.pixels, m1 - m0, m0, o, o1);
                   });
    } else {
      product_nchw(plan, p, src, packed, o0, o1, patches, acc, accumulate, acc == t,
                   [&](const T* made, int64_t at, int64_t r, int n, int64_t c) {
                     if constexpr (Quarter >= 0) {
                       const int64_t l = c * kChunk<T>;
                       store_quarter_nchw<Quarter>(to, u + at, v + at, made, blocks.pixels + l, blocks.runs + c,
                                                   smaller(m1 - m0 - l, kColumns<T>), g.dst_c, m0 + l, o0 + r, n);
                     }
                   });
    }
  };
  product(0, u, false, integer<-1>());
  product(1, t, false, integer<0>());
  product(5, u, true, integer<-1>());
  product(4, v, false, integer<-1>());
  product(2, t, false, integer<1>());
  product(6, u, true, integer<3>());
  product(3, t, false, integer<2>());
}

template <class T>
static int64_t strassen_workspace(const Gather& whole) {
  return plan_strassen<T>(strassen::halve(whole)).bytes();
}

template <class T>
static void run_strassen(const Gather& whole, const T* src, const T* w, const T* bias, T* dst, void* workspace,
                         bool summed) {
  constexpr int L = kChunk<T>;
  const Halves h = strassen::halve(whole);
  const Gather& g = h.g;
  const StrassenPlan<T> plan = plan_strassen<T>(h);
  T *sums = (T*)workspace, *packed = sums + plan.sums, *scratch = packed + plan.weights;
  if (!plan.own_sums && !summed) {
    const ImageBlocks im = source_blocks(h);
    const int64_t blocks[4] = {im.block(0, 0), im.block(0, 1), im.block(1, 0), im.block(1, 1)};
    sum_images<Side::left>(im, src, blocks, sums, int(plan.threads));
  }
  const int64_t chunks = ceil_div(g.outputs, L);
  parallel_tasks(g.groups * chunks, int(plan.threads), [&](int64_t task, int) {
    const int64_t group = task / chunks, o = task % chunks * L;
    pack_blocks(h, w + group * g.w_group, o, smaller(o + L, g.outputs), plan.matrix, packed + group * 7 * plan.matrix);
  });
  const int64_t blocks = plan.pixel_blocks * plan.output_blocks;
  const Gather summed_source = strassen::with_source_sums(g);
  parallel_tasks(g.groups * blocks, int(plan.threads), [&](int64_t task, int thread) {
    const int64_t group = task / blocks, m = task % blocks / plan.output_blocks * plan.pixels,
                  o = task % plan.output_blocks * plan.outputs, output = group * h.whole_outputs;
    const StrassenOperands<T> op{src + group * h.whole_channels * g.src_c,
                                 sums + group * g.channels * summed_source.src_c, packed + group * 7 * plan.matrix,
                                 bias ? bias + output : nullptr, dst + output * g.dst_c};
    strassen_task(h, plan, op, m, smaller(m + plan.pixels, g.pixels()), o, smaller(o + plan.outputs, g.outputs),
                  scratch + thread * plan.per_thread());
    if (plan.past_caches) stream_fence();
  });
}

}  // namespace torchconv::ISA_NS
