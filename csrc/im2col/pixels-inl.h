// For every pixel of a Gather: result[o] = sum over (tap, channel) of patch * weight, as one matrix
// product. channels_last: rows are pixels (A = patches), columns are outputs (B = weights).
// NCHW: rows are outputs (A = weights), columns are pixels (B = patches). Either way the result is
// written in the image's own layout, and only a block of patches ever exists.
#include "common/simd-inl.h"
#include "common/gemm/micro-inl.h"
#include "common/gemm/patches-inl.h"
#include "common/gemm/weights-inl.h"

namespace torchconv::ISA_NS {

constexpr int64_t kMostPixels = 112;  // per task, channels_last: 8 tiles of 14
constexpr int64_t kMostPanels = 4;    // per task, NCHW
// Outputs per task, 2048 in float: with 512, each task packs its patches anew for the next 512 (GEMM 2048: 0.98x).
template <class T>
constexpr int64_t kMostOutputs = 8192 / sizeof(T);
// Packed weights per thread; larger problems run in parts, a range of outputs at a time.
constexpr int64_t kWeightBytes = 6 << 20;

// Results larger than this are written past the caches. Measured on a Zen 4 with 32 MiB of L3: 1x1
// 64 -> 256 on 25 MB 1.45x, and 1.2x together with the layer that reads them next; 0.9x at 3 to 5 MB.
constexpr int64_t kStreamBytes = 6 << 20;

static_assert(kMostPixels <= kDepthBlock<double> &&
              kMostPanels * kColumnChunks <= kDepthBlock<double> / kChunk<double>);

template <class T>
struct PixelPlan {
  int64_t pixels, outputs, depth;  // block sizes of a task
  int64_t pixel_blocks, output_blocks, threads;
  bool stream;
  bool in_place;                   // channels_last: x is used without packing (NCHW decides by panel)
  int64_t weights, patches, sums;  // elements: shared, then per thread

  int64_t per_thread() const { return patches + sums; }
  int64_t bytes() const { return (weights + threads * per_thread()) * int64_t(sizeof(T)); }
};

// A 1x1 convolution of stride 1 in channels_last reads x as the matrix it already is.
template <class S>
TORCHCONV_INLINE bool usable_in_place(const Gather& g) {
  return kComputedAsStored<S> && g.layout == Layout::nhwc && is_pointwise(g);
}

// Elements of one group's packed weights.
template <class T>
TORCHCONV_INLINE int64_t group_weights(const Gather& g) {
  const int64_t outputs = g.layout == Layout::nhwc ? round_up(g.outputs, kChunk<T>) : g.outputs;
  return round_up(g.depth(), kChunk<T>) * outputs;
}

template <class S, class T = Compute<S>>
static PixelPlan<T> plan_pixels(const Gather& g) {
  constexpr int L = kChunk<T>;
  PixelPlan<T> plan{};
  const bool nhwc = g.layout == Layout::nhwc;
  const double macs = double(g.pixels()) * g.outputs * g.groups * g.depth();
  plan.threads = useful_threads(macs, g.threads);
  plan.depth = round_up(ceil_div(g.depth(), ceil_div(g.depth(), kDepthBlock<T>)), L);
  // About four tasks per thread, so that a slow core can take fewer; of equal size, where rows allow it.
  const int64_t unit = nhwc ? kRows : kColumns<T>, most = nhwc ? kMostPixels / kRows : kMostPanels;
  const int64_t units = ceil_div(g.pixels(), unit);
  const int64_t share = plan.threads > 1 ? units * g.groups / (4 * plan.threads) : units;
  plan.pixels = unit * larger(1, smaller(most, share));
  if (nhwc) plan.pixels = ceil_div(g.pixels(), round_up(ceil_div(g.pixels(), plan.pixels), plan.threads));
  plan.pixel_blocks = ceil_div(g.pixels(), plan.pixels);
  // Few blocks of pixels: share out the outputs too.
  plan.outputs = smaller(round_up(g.outputs, kColumns<T>), kMostOutputs<T>);
  const int64_t wanted = nhwc ? 2 * plan.threads : 8 * plan.threads, blocks = plan.pixel_blocks * g.groups;
  if (plan.threads > 1 && blocks < wanted)
    plan.outputs = smaller(plan.outputs, round_up(ceil_div(g.outputs * blocks, wanted), kColumns<T>));
  plan.output_blocks = ceil_div(g.outputs, plan.outputs);

  plan.stream = g.N * g.dst_n * int64_t(sizeof(S)) > kStreamBytes;
  plan.in_place = usable_in_place<S>(g);
  plan.weights = g.groups * group_weights<T>(g);
  plan.patches = plan.in_place ? 0 : plan.depth * round_up(plan.pixels, L);
  const int64_t panels =
      nhwc ? ceil_div(smaller(plan.outputs, g.outputs), kColumns<T>) : ceil_div(plan.pixels, kColumns<T>);
  const int64_t rows = nhwc ? plan.pixels : smaller(plan.outputs, g.outputs);
  plan.sums = (g.depth() > plan.depth ? panels : 1) * rows * kColumns<T>;
  return plan;
}

// All of the problem if its packed weights fit; else as many groups as fit, or as many outputs of one group. One panel
// of outputs is the least: beyond a depth of 49,000 in float (and a thread) it is larger than kWeightBytes.
template <class T>
static Gather first_part(const Gather& g) {
  const int64_t most = kWeightBytes * g.threads / int64_t(sizeof(T));
  Gather part = flatten(g);
  part.groups = smaller(g.groups, larger(most / group_weights<T>(g), 1));
  if (group_weights<T>(g) > most)
    part.outputs = smaller(g.outputs, larger(most / g.depth() / kColumns<T>, 1) * kColumns<T>);
  return part;
}

template <class S>
static int64_t pixels_workspace(const Gather& g) {
  const Gather part = first_part<Compute<S>>(g);
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
  const Compute<S>* packed;  // weights
};

// The finished tile of `rows` pixels and outputs [o, outputs), at most a panel, with the bias.
template <class S, bool Stream, class T = Compute<S>>
static void store_nhwc(const T* tile, int64_t rows, const Pixel* pixels, int64_t o, int64_t outputs, const S* bias,
                       S* dst) {
  constexpr int n = kLanes<T>;
  const int64_t width = smaller(outputs - o, kColumns<T>);
  for (int64_t i = 0; i < rows; ++i) {
    const T* from = tile + i * kColumns<T>;
    S* to = dst + pixels[i].target + o;
    const bool past_caches = Stream && stream_aligned(to);
    int64_t c = 0;
    for (; c + n <= width; c += n) {
      const Vector<T> sum = bias ? load(from + c) + load(bias + o + c) : load(from + c);
      past_caches ? stream(to + c, sum) : store(to + c, sum);
    }
    for (; c < width; ++c) to[c] = S(bias ? from[c] + T(bias[o + c]) : from[c]);
  }
}

template <class S, class T = Compute<S>>
static void task_nhwc(const Gather& g, const PixelPlan<T>& plan, const Operands<S>& op, int64_t m0, int64_t m1,
                      int64_t o0, int64_t o1, T* scratch) {
  constexpr int L = kChunk<T>;
  const int64_t rows = m1 - m0;
  T *patches = scratch, *sums = patches + plan.patches;
  Pixel pixels[kMostPixels];
  locate_pixels(g, m0, rows, pixels);
  for (int64_t k0 = 0; k0 < g.depth(); k0 += plan.depth) {
    const int64_t k1 = smaller(k0 + plan.depth, g.depth()), depth = k1 - k0;
    const bool last = k1 == g.depth();
    if (!plan.in_place) pack_patches_nhwc(g, op.src, pixels, rows, k0, k1, patches);
    const Chunked<T> a =
        plan.in_place ? Chunked<T>{(const T*)op.src + m0 * g.src_w + k0, L, g.src_w} : Chunked<T>{patches, rows * L};
    for (int64_t o = o0; o < o1; o += kColumns<T>) {
      const int chunks = int(smaller(ceil_div(o1 - o, L), kColumnChunks));
      const Chunked<T> b{op.packed + o * g.depth() + k0 * L, g.depth() * L};
      T* tile = sums + (g.depth() > plan.depth ? (o - o0) * rows : 0);
      // The weights may be larger than L2: fetched ahead, GEMM 1024 and 2048 run at 1.03x.
      const Chunked<T> next{o + kColumns<T> < o1 ? b.data + kColumnChunks * b.stride : nullptr, b.stride};
      for_each_tile(rows, tile_rows(a), [&](int64_t r, int n) {
        if (last && !plan.stream)
          for (int i = 0; i < n; ++i)
            for (int c = 0; c < chunks; ++c) __builtin_prefetch(op.dst + pixels[r + i].target + o + c * L, 1);
        multiply_tile<T>(n, chunks, depth, {a.data + r * a.row, a.stride, a.row}, b, tile + r * kColumns<T>, k0 > 0,
                         share_of(next, r, n, rows));
        if (last)
          (plan.stream ? store_nhwc<S, true> : store_nhwc<S, false>)(tile + r * kColumns<T>, n, pixels + r, o, o1,
                                                                     op.bias, op.dst);
      });
    }
  }
}

// The finished tile of outputs [o, o + rows) and the pixels of `chunks` chunks, with the bias.
template <class S, bool Stream, class T = Compute<S>>
static void store_nchw(const Gather& g, const T* tile, int64_t rows, const ChunkRuns<T>* runs, int chunks, int64_t o,
                       const S* bias, S* dst) {
  const int64_t every = g.w.dst_every * g.dst_w;
  for (int64_t i = 0; i < rows; ++i) {
    const T add = bias ? T(bias[o + i]) : T(0);
    for (int chunk = 0; chunk < chunks; ++chunk) {
      const T* from = tile + i * kColumns<T> + chunk * kChunk<T>;
      S* plane = dst + (o + i) * g.dst_c;
      if (runs[chunk].consecutive) {
        S* to = plane + runs[chunk].runs[0].start.target;
        const bool past_caches = Stream && stream_aligned(to);
        for (int v = 0; v < kChunk<T>; v += kLanes<T>) {
          const Vector<T> sum = load(from + v) + (add - Vector<T>{});
          past_caches ? stream(to + v, sum) : store(to + v, sum);
        }
        continue;
      }
      for (int r = 0; r < runs[chunk].count; ++r) {
        const LaneRun& run = runs[chunk].runs[r];
        S* to = plane + run.start.target - run.first * every;
#if TORCHCONV_ISA == 2
        if (every == 1) {
          store_masked(to, load(from) + (add - Vector<T>{}), run.lanes());
          continue;
        }
#endif
        for (int l = run.first; l < run.last; ++l) to[l * every] = S(from[l] + add);
      }
    }
  }
}

template <class S, class T = Compute<S>>
static void task_nchw(const Gather& g, const PixelPlan<T>& plan, const Operands<S>& op, int64_t m0, int64_t m1,
                      int64_t o0, int64_t o1, T* scratch) {
  constexpr int L = kChunk<T>;
  const int64_t count = m1 - m0, rows = o1 - o0, chunks = ceil_div(count, L);
  T *patches = scratch, *sums = patches + plan.patches;
  Pixel pixels[kMostPanels * kColumns<T>];
  ChunkRuns<T> runs[kMostPanels * kColumnChunks];
  locate_pixels(g, m0, count, pixels);
  split_runs(pixels, count, runs);
  for (int64_t k0 = 0; k0 < g.depth(); k0 += plan.depth) {
    const int64_t k1 = smaller(k0 + plan.depth, g.depth()), depth = k1 - k0;
    const bool last = k1 == g.depth();
    const auto in_place = [&](int64_t c) { return panel_in_place<S>(g, pixels + c * L, count - c * L); };
    for (int64_t c = 0, end; c < chunks; c = end) {
      for (end = c; end < chunks && !in_place(end); end = smaller(end + kColumnChunks, chunks)) {
      }
      if (end > c) pack_patches_nchw(g, op.src, runs + c, end - c, k0, k1, patches + c * L * depth);
      for (; end < chunks && in_place(end); end += kColumnChunks) {
      }
    }
    const auto panel = [&](int64_t c) {
      if (!in_place(c)) return Chunked<T>{patches + c * L * depth, L * depth};
      return Chunked<T>{(const T*)op.src + pixels[c * L].source + pixels[c * L].w + k0 * g.src_c, L, g.src_c};
    };
    const Chunked<T> a{op.packed + k0 * g.outputs + o0 * L, g.outputs * L};
    // A tile of weights serves all panels before the next is read: the panels stay in L2, the weights may not.
    for_each_tile(rows, kRows, [&](int64_t r, int n) {
      for (int64_t c = 0; c < chunks; c += kColumnChunks) {
        const int width = int(smaller(chunks - c, kColumnChunks));
        T* tile = sums + (g.depth() > plan.depth ? c * L * rows : 0);
        if (last && !plan.stream)
          for (int i = 0; i < n; ++i)
            for (int chunk = 0; chunk < width; ++chunk)
              __builtin_prefetch(op.dst + (o0 + r + i) * g.dst_c + runs[c + chunk].runs[0].start.target, 1);
        // Each channel is another page, out of the hardware prefetcher's sight: the first tile fetches the next panel.
        const int64_t next = c + kColumnChunks;
        const bool fetch = r == 0 && next < chunks && in_place(next);
        multiply_tile<T>(n, width, depth, {a.data + r * L, a.stride}, panel(c), tile + r * kColumns<T>, k0 > 0,
                         fetch ? Ahead<T>{panel(next), L} : Ahead<T>{});
        if (last)
          (plan.stream ? store_nchw<S, true> : store_nchw<S, false>)(g, tile + r * kColumns<T>, n, runs + c, width,
                                                                     o0 + r, op.bias, op.dst);
      }
    });
  }
}

// Packs all weights of all groups, in parallel.
template <class T, class S>
static void pack_weights(const Gather& g, const PixelPlan<T>& plan, const S* w, T* to) {
  const int64_t step = outputs_at_once<T>(g), blocks = ceil_div(g.outputs, step);
  parallel_tasks(g.groups * blocks, int(plan.threads), [&](int64_t task, int) {
    const int64_t group = task / blocks, o = task % blocks * step;
    (g.layout == Layout::nhwc ? pack_weights_nhwc<T, S> : pack_weights_nchw<T, S>)(g, w + group * g.w_group, o,
                                                                                   smaller(o + step, g.outputs),
                                                                                   to + group * group_weights<T>(g));
  });
}

template <class S, class T = Compute<S>>
static void run_part(const Gather& g, const S* src, const S* w, const S* bias, S* dst, void* workspace) {
  const PixelPlan<T> plan = plan_pixels<S>(g);
  T* packed = (T*)workspace;
  pack_weights(g, plan, w, packed);
  const int64_t blocks = plan.pixel_blocks * plan.output_blocks;
  parallel_tasks(g.groups * blocks, int(plan.threads), [&](int64_t task, int thread) {
    const int64_t group = task / blocks, m = task % blocks / plan.output_blocks * plan.pixels,
                  o = task % plan.output_blocks * plan.outputs;
    const Operands<S> op{src + group * g.channels * g.src_c, bias ? bias + group * g.outputs : nullptr,
                         dst + group * g.outputs * g.dst_c, packed + group * group_weights<T>(g)};
    (g.layout == Layout::nhwc ? task_nhwc<S> : task_nchw<S>)(g, plan, op, m, smaller(m + plan.pixels, g.pixels()), o,
                                                             smaller(o + plan.outputs, g.outputs),
                                                             packed + plan.weights + thread * plan.per_thread());
    if (plan.stream) stream_fence();
  });
}

template <class S>
static void run_pixels(const Gather& g, const S* src, const S* w, const S* bias, S* dst, void* workspace) {
  const Gather first = first_part<Compute<S>>(g);
  for (int64_t group = 0; group < g.groups; group += first.groups)
    for (int64_t o = 0; o < g.outputs; o += first.outputs) {
      const int64_t out = group * g.outputs + o;
      Gather part = first;
      part.groups = smaller(first.groups, g.groups - group);
      part.outputs = smaller(first.outputs, g.outputs - o);
      run_part(part, src + group * g.channels * g.src_c, w + group * g.w_group + o * g.w_out,
               bias ? bias + out : nullptr, dst + out * g.dst_c, workspace);
    }
}

}  // namespace torchconv::ISA_NS
