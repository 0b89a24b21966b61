// For every pixel of a Gather: result[o] = sum over (tap, channel) of patch * weight, as one matrix
// product. channels_last: rows are pixels (A = patches), columns are outputs (B = weights).
// NCHW: rows are outputs (A = weights), columns are pixels (B = patches). Either way the result is
// written in the image's own layout, and only a block of patches ever exists.
#include "common/simd-inl.h"
#include "common/activation-inl.h"
#include "common/gemm/micro-inl.h"
#include "common/gemm/patches-inl.h"
#include "common/gemm/weights-inl.h"

namespace torchconv::ISA_NS {

constexpr int64_t kMostPixels = 112;  // per task, channels_last: 8 tiles of 14
constexpr int64_t kMostPanels = 4;    // per task, NCHW
// Outputs per task, 2048 in float: with 512, each task packs its patches anew for the next 512 (GEMM 2048: 0.98x).
template <class P>
constexpr int64_t kMostOutputs = 8192 / sizeof(P);
// Packed weights per thread; larger problems run in parts, a range of outputs at a time.
constexpr int64_t kWeightBytes = 6 << 20;

// Results larger than this are written past the caches. Measured on a Zen 4 with 32 MiB of L3: 1x1
// 64 -> 256 on 25 MB 1.45x, and 1.2x together with the layer that reads them next; 0.9x at 3 to 5 MB.
constexpr int64_t kStreamBytes = 6 << 20;

static_assert(kMostPixels <= kDepthBlock<double> &&
              kMostPanels * kColumnChunks <= kDepthBlock<double> / kChunk<double>);

struct PixelPlan {
  int64_t pixels, outputs, depth;  // block sizes of a task
  int64_t pixel_blocks, output_blocks, threads;
  bool stream;
  bool in_place;                   // channels_last: x is used without packing (NCHW decides by panel)
  int64_t weights, patches, sums;  // bytes: shared, then per thread

  int64_t per_thread() const { return patches + sums; }
  int64_t bytes() const { return weights + threads * per_thread(); }
};

// A 1x1 convolution of stride 1 in channels_last reads x as the matrix it already is.
template <class S>
TORCHCONV_INLINE bool usable_in_place(const Gather& g) {
  return kPackedAsStored<S> && g.layout == Layout::nhwc && is_pointwise(g) &&
         whole_steps<Packed<S>>(g.channels) == g.channels;
}

// Elements of one group's packed weights.
template <class P>
TORCHCONV_INLINE int64_t group_weights(const Gather& g) {
  const int64_t outputs = g.layout == Layout::nhwc ? round_up(g.outputs, kChunk<P>) : g.outputs;
  return round_up(g.depth(), kChunk<P>) * outputs;
}

template <class S, class P = Packed<S>>
static PixelPlan plan_pixels(const Gather& g) {
  using T = Compute<S>;
  constexpr int L = kChunk<P>;
  PixelPlan plan{};
  const bool nhwc = g.layout == Layout::nhwc;
  const double macs = double(g.pixels()) * g.outputs * g.groups * g.depth();
  plan.threads = useful_threads(macs, g.threads);
  plan.depth = round_up(ceil_div(g.depth(), ceil_div(g.depth(), kDepthBlock<P>)), L);
  // About four tasks per thread, so that a slow core can take fewer; of equal size, where rows allow it.
  const int64_t unit = nhwc ? kRows : kColumns<T>, most = nhwc ? kMostPixels / kRows : kMostPanels;
  const int64_t units = ceil_div(g.pixels(), unit);
  const int64_t share = plan.threads > 1 ? units * g.groups / (4 * plan.threads) : units;
  plan.pixels = unit * larger(1, smaller(most, share));
  if (nhwc) plan.pixels = ceil_div(g.pixels(), round_up(ceil_div(g.pixels(), plan.pixels), plan.threads));
  plan.pixel_blocks = ceil_div(g.pixels(), plan.pixels);
  // Few blocks of pixels: share out the outputs too.
  plan.outputs = smaller(round_up(g.outputs, kColumns<T>), kMostOutputs<P>);
  const int64_t wanted = nhwc ? 2 * plan.threads : 8 * plan.threads, blocks = plan.pixel_blocks * g.groups;
  if (plan.threads > 1 && blocks < wanted)
    plan.outputs = smaller(plan.outputs, round_up(ceil_div(g.outputs * blocks, wanted), kColumns<T>));
  plan.output_blocks = ceil_div(g.outputs, plan.outputs);

  plan.stream = g.N * g.dst_n * int64_t(sizeof(S)) > kStreamBytes;
  plan.in_place = usable_in_place<S>(g);
  plan.weights = g.packed ? 0 : round_up(g.groups * group_weights<P>(g) * int64_t(sizeof(P)), 64);
  plan.patches = plan.in_place ? 0 : plan.depth * round_up(plan.pixels, L) * int64_t(sizeof(P));
  const int64_t panels =
      nhwc ? ceil_div(smaller(plan.outputs, g.outputs), kColumns<T>) : ceil_div(plan.pixels, kColumns<T>);
  const int64_t rows = nhwc ? plan.pixels : smaller(plan.outputs, g.outputs);
  plan.sums = (g.depth() > plan.depth ? panels : 1) * rows * kColumns<T> * int64_t(sizeof(T));
  return plan;
}

// All of the problem if its packed weights fit; else as many groups as fit, or as many outputs of one group. One panel
// of outputs is the least: beyond a depth of 49,000 in float (and a thread) it is larger than kWeightBytes.
template <class P>
static Gather first_part(const Gather& g) {
  const int64_t most = kWeightBytes * g.threads / int64_t(sizeof(P));
  Gather part = flatten(g);
  if (g.packed) return part;
  part.groups = smaller(g.groups, larger(most / group_weights<P>(g), 1));
  if (group_weights<P>(g) > most)
    part.outputs = smaller(g.outputs, larger(most / g.depth() / kColumns<P>, 1) * kColumns<P>);
  return part;
}

template <class S>
static int64_t pixels_workspace(const Gather& g) {
  const Gather part = first_part<Packed<S>>(g);
  Gather last = part;  // smaller, but with fewer threads its tasks may be larger
  last.groups = (g.groups - 1) % part.groups + 1;
  last.outputs = (g.outputs - 1) % part.outputs + 1;
  return larger(plan_pixels<S>(part).bytes(), plan_pixels<S>(last).bytes());
}

template <class S>
static double pixels_tile_macs(const Gather& g) {
  using T = Compute<S>;
  const bool nhwc = g.layout == Layout::nhwc;
  const int64_t lanes = nhwc ? g.outputs : g.pixels(), rows = nhwc ? g.pixels() : g.outputs;
  // A tile of few rows still loads a row of B per step: no tile is cheaper than 4 rows.
  const int64_t tiles = ceil_div(rows, kRows);
  return double(g.groups) * g.depth() * round_up(lanes, kChunk<T>) * larger(rows, 4 * tiles);
}

// The operands of one group.
template <class S>
struct Operands {
  const S* src;
  const S* bias;
  S* dst;
  const Packed<S>* packed;  // weights
  const S* residual;
  Epilogue epilogue;

  // The same, from an offset of the source and a channel of the result on.
  Operands from(int64_t source, int64_t channel, int64_t dst_c) const {
    return {src + source,
            bias ? bias + channel : nullptr,
            dst + channel * dst_c,
            packed,
            residual ? residual + channel * dst_c : nullptr,
            epilogue};
  }
};

// The finished tile of `rows` pixels and outputs [o, outputs), at most a panel.
template <class S, bool Stream, class T = Compute<S>>
static void store_nhwc(const Operands<S>& op, const T* tile, int64_t rows, const Pixel* pixels, int64_t o,
                       int64_t outputs) {
  constexpr int n = kLanes<T>;
  const int64_t width = smaller(outputs - o, kColumns<T>);
  for (int64_t i = 0; i < rows; ++i) {
    const T* from = tile + i * kColumns<T>;
    S* to = op.dst + pixels[i].target + o;
    const S* residual = op.residual ? op.residual + pixels[i].target + o : nullptr;
    const bool past_caches = Stream && stream_aligned(to);
    int64_t c = 0;
    for (; c + n <= width; c += n) {
      Vector<T> sum = load(from + c);
      if (op.bias) sum += load(op.bias + o + c);
      if (residual) sum += load(residual + c);
      sum = activate<T>(op.epilogue, sum);
      past_caches ? stream(to + c, sum) : store(to + c, sum);
    }
    if (c == width) continue;
    Vector<T> sum = load(from + c);
    for (int l = 0; l < width - c; ++l)
      sum[l] += (op.bias ? T(op.bias[o + c + l]) : T(0)) + (residual ? T(residual[c + l]) : T(0));
    sum = activate<T>(op.epilogue, sum);
    for (int l = 0; l < width - c; ++l) to[c + l] = S(sum[l]);
  }
}

template <class S, class P = Packed<S>, class T = Compute<S>>
static void task_nhwc(const Gather& g, const PixelPlan& plan, const Operands<S>& op, int64_t m0, int64_t m1, int64_t o0,
                      int64_t o1, char* scratch) {
  constexpr int L = kChunk<P>;
  const int64_t rows = m1 - m0, all_depth = whole_steps<P>(g.depth());
  P* patches = (P*)scratch;
  T* sums = (T*)(scratch + plan.patches);
  Pixel pixels[kMostPixels];
  locate_pixels(g, m0, rows, pixels);
  for (int64_t k0 = 0; k0 < g.depth(); k0 += plan.depth) {
    const int64_t k1 = smaller(k0 + plan.depth, g.depth()), depth = k1 - k0;
    const bool last = k1 == g.depth();
    if (!plan.in_place) pack_patches_nhwc(g, op.src, pixels, rows, k0, k1, patches);
    const Chunked<P> a = plan.in_place ? Chunked<P>{(const P*)op.src + m0 * g.src_w + k0, L, g.src_w}
                                       : Chunked<P>{patches, whole_steps<P>(rows) * L};
    for (int64_t o = o0; o < o1; o += kColumns<T>) {
      const int chunks = int(smaller(ceil_div(o1 - o, L), kColumnChunks));
      const Chunked<P> b{op.packed + o * all_depth + k0 * L, all_depth * L};
      T* tile = sums + (g.depth() > plan.depth ? (o - o0) * rows : 0);
      // The weights may be larger than L2: fetched ahead, GEMM 1024 and 2048 run at 1.03x.
      const Chunked<P> next{o + kColumns<T> < o1 ? b.data + kColumnChunks * b.stride : nullptr, b.stride};
      for_each_tile(rows, tile_rows(a), [&](int64_t r, int n) {
        if (last && !plan.stream)
          for (int i = 0; i < n; ++i)
            for (int c = 0; c < chunks; ++c) __builtin_prefetch(op.dst + pixels[r + i].target + o + c * L, 1);
        if (last && op.residual)
          for (int i = 0; i < n; ++i)
            for (int c = 0; c < chunks; ++c) __builtin_prefetch(op.residual + pixels[r + i].target + o + c * L);
        multiply_tile<P>(n, chunks, depth, {a.data + r * a.row, a.stride, a.row}, b, tile + r * kColumns<T>, k0 > 0,
                         share_of(next, r, n, rows));
        if (last)
          (plan.stream ? store_nhwc<S, true> : store_nhwc<S, false>)(op, tile + r * kColumns<T>, n, pixels + r, o, o1);
      });
    }
  }
}

// A chunk of one output, whose pixels are neighbours in memory or not. plane is the output's offset in the result.
template <class S, bool Stream, class T = Compute<S>>
TORCHCONV_INLINE void store_chunk(const Operands<S>& op, const T* from, const ChunkRuns<T>& chunk, int64_t plane,
                                  int64_t every, T add) {
  if (chunk.consecutive) {
    const int64_t at = plane + chunk.runs[0].start.target;
    const bool past_caches = Stream && stream_aligned(op.dst + at);
    for (int v = 0; v < kChunk<T>; v += kLanes<T>) {
      Vector<T> sum = load(from + v) + (add - Vector<T>{});
      if (op.residual) sum += load(op.residual + at + v);
      sum = activate<T>(op.epilogue, sum);
      past_caches ? stream(op.dst + at + v, sum) : store(op.dst + at + v, sum);
    }
    return;
  }
  for (int r = 0; r < chunk.count; ++r) {
    const LaneRun& run = chunk.runs[r];
    const int64_t at = plane + run.start.target - run.first * every;
#if TORCHCONV_ISA >= 2
    if (every == 1) {
      Vector<T> sum = load(from) + (add - Vector<T>{});
      if (op.residual) sum += load_masked(op.residual + at, run.lanes());
      store_masked(op.dst + at, activate<T>(op.epilogue, sum), run.lanes());
      continue;
    }
#endif
    for (int v = run.first / kLanes<T> * kLanes<T>; v < run.last; v += kLanes<T>) {
      Vector<T> sum = load(from + v) + (add - Vector<T>{});
      const int first = int(larger(run.first - v, 0)), last = int(smaller(run.last - v, kLanes<T>));
      if (op.residual)
        for (int l = first; l < last; ++l) sum[l] += T(op.residual[at + (v + l) * every]);
      sum = activate<T>(op.epilogue, sum);
      for (int l = first; l < last; ++l) op.dst[at + (v + l) * every] = S(sum[l]);
    }
  }
}

// The finished tile of outputs [o, o + rows) and the pixels of `chunks` chunks.
template <class S, bool Stream, class T = Compute<S>>
static void store_nchw(const Gather& g, const Operands<S>& op, const T* tile, int64_t rows, const ChunkRuns<T>* runs,
                       int chunks, int64_t o) {
  for (int64_t i = 0; i < rows; ++i) {
    const T add = op.bias ? T(op.bias[o + i]) : T(0);
    for (int c = 0; c < chunks; ++c)
      store_chunk<S, Stream>(op, tile + i * kColumns<T> + c * kChunk<T>, runs[c], (o + i) * g.dst_c,
                             g.w.dst_every * g.dst_w, add);
  }
}

template <class S, class P = Packed<S>, class T = Compute<S>>
static void task_nchw(const Gather& g, const PixelPlan& plan, const Operands<S>& op, int64_t m0, int64_t m1, int64_t o0,
                      int64_t o1, char* scratch) {
  constexpr int L = kChunk<P>;
  const int64_t count = m1 - m0, rows = o1 - o0, chunks = ceil_div(count, L);
  P* patches = (P*)scratch;
  T* sums = (T*)(scratch + plan.patches);
  Pixel pixels[kMostPanels * kColumns<P>];
  ChunkRuns<T> runs[kMostPanels * kColumnChunks];
  locate_pixels(g, m0, count, pixels);
  split_runs(pixels, count, runs);
  for (int64_t k0 = 0; k0 < g.depth(); k0 += plan.depth) {
    const int64_t k1 = smaller(k0 + plan.depth, g.depth()), depth = k1 - k0, stride = whole_steps<P>(depth) * L;
    const bool last = k1 == g.depth();
    const auto in_place = [&](int64_t c) { return panel_in_place<S>(g, pixels + c * L, count - c * L); };
    for (int64_t c = 0, end; c < chunks; c = end) {
      for (end = c; end < chunks && !in_place(end); end = smaller(end + kColumnChunks, chunks)) {
      }
      if (end > c) pack_patches_nchw(g, op.src, runs + c, end - c, k0, k1, patches + c * stride);
      for (; c < end; ++c) pair_rows(patches + c * stride, depth);
      for (; end < chunks && in_place(end); end += kColumnChunks) {
      }
    }
    const auto panel = [&](int64_t c) {
      if (!in_place(c)) return Chunked<P>{patches + c * stride, stride};
      return Chunked<P>{(const P*)op.src + pixels[c * L].source + pixels[c * L].w + k0 * g.src_c, L, g.src_c};
    };
    const Chunked<P> a{op.packed + k0 * g.outputs + o0 * L, g.outputs * L};
    // A tile of weights serves all panels before the next is read: the panels stay in L2, the weights may not.
    for_each_tile(rows, kRows, [&](int64_t r, int n) {
      for (int64_t c = 0; c < chunks; c += kColumnChunks) {
        const int width = int(smaller(chunks - c, kColumnChunks));
        T* tile = sums + (g.depth() > plan.depth ? c * L * rows : 0);
        if (last && !plan.stream)
          for (int i = 0; i < n; ++i)
            for (int chunk = 0; chunk < width; ++chunk)
              __builtin_prefetch(op.dst + (o0 + r + i) * g.dst_c + runs[c + chunk].runs[0].start.target, 1);
        if (last && op.residual)
          for (int i = 0; i < n; ++i)
            for (int chunk = 0; chunk < width; ++chunk)
              __builtin_prefetch(op.residual + (o0 + r + i) * g.dst_c + runs[c + chunk].runs[0].start.target);
        // Each channel is another page, out of the hardware prefetcher's sight: the first tile fetches the next panel.
        const int64_t next = c + kColumnChunks;
        const bool fetch = r == 0 && next < chunks && in_place(next);
        multiply_tile<P>(n, width, depth, {a.data + r * L, a.stride}, panel(c), tile + r * kColumns<T>, k0 > 0,
                         fetch ? Ahead<P>{panel(next), L} : Ahead<P>{});
        if (last)
          (plan.stream ? store_nchw<S, true> : store_nchw<S, false>)(g, op, tile + r * kColumns<T>, n, runs + c, width,
                                                                     o0 + r);
      }
    });
  }
}

// Packs all weights of all groups, in parallel.
template <class P, class S>
static void pack_weights(const Gather& g, const PixelPlan& plan, const S* w, P* to) {
  const int64_t step = outputs_at_once<P>(g), blocks = ceil_div(g.outputs, step);
  parallel_tasks(g.groups * blocks, int(plan.threads), [&](int64_t task, int) {
    const int64_t group = task / blocks, o = task % blocks * step;
    (g.layout == Layout::nhwc ? pack_weights_nhwc<P, S> : pack_weights_nchw<P, S>)(g, w + group * g.w_group, o,
                                                                                   smaller(o + step, g.outputs),
                                                                                   to + group * group_weights<P>(g));
  });
}

// All of them at once, for g.packed.
template <class S, class P = Packed<S>>
static void pack_all_weights(const Gather& g, const void* w, void* to) {
  pack_weights(g, plan_pixels<S>(g), (const S*)w, (P*)to);
}
template <class S, class P = Packed<S>>
static int64_t packed_weights_bytes(const Gather& g) {
  return g.groups * group_weights<P>(g) * int64_t(sizeof(P));
}

// all: of the whole problem, with w where this part's weights start.
template <class S, class P = Packed<S>>
static void run_part(const Gather& g, const Operands<S>& all, const void* w, void* workspace) {
  const PixelPlan plan = plan_pixels<S>(g);
  const P* packed = (const P*)(g.packed ? w : workspace);
  if (!g.packed) pack_weights(g, plan, (const S*)w, (P*)workspace);
  const int64_t blocks = plan.pixel_blocks * plan.output_blocks;
  parallel_tasks(g.groups * blocks, int(plan.threads), [&](int64_t task, int thread) {
    const int64_t group = task / blocks, m = task % blocks / plan.output_blocks * plan.pixels,
                  o = task % plan.output_blocks * plan.outputs;
    Operands<S> op = all.from(group * g.channels * g.src_c, group * g.outputs, g.dst_c);
    op.packed = packed + group * group_weights<P>(g);
    (g.layout == Layout::nhwc ? task_nhwc<S>
                              : task_nchw<S>)(g, plan, op, m, smaller(m + plan.pixels, g.pixels()), o,
                                              smaller(o + plan.outputs, g.outputs),
                                              (char*)workspace + plan.weights + thread * plan.per_thread());
    if (plan.stream) stream_fence();
  });
}

template <class S>
static void run_pixels(const Gather& g, const im2col::PixelOperands& o) {
  const Operands<S> whole{(const S*)o.src, (const S*)o.bias, (S*)o.dst, nullptr, (const S*)o.residual, o.epilogue};
  const Gather first = first_part<Packed<S>>(g);
  for (int64_t group = 0; group < g.groups; group += first.groups)
    for (int64_t out = 0; out < g.outputs; out += first.outputs) {
      Gather part = first;
      part.groups = smaller(first.groups, g.groups - group);
      part.outputs = smaller(first.outputs, g.outputs - out);
      run_part(part, whole.from(group * g.channels * g.src_c, group * g.outputs + out, g.dst_c),
               (const S*)o.w + group * g.w_group + out * g.w_out, o.workspace);
    }
}

}  // namespace torchconv::ISA_NS
