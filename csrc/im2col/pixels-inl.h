// For every pixel of a Gather: result[o] = sum over (tap, channel) of patch * weight, as one matrix
// product. channels_last: rows are pixels (A = patches), columns are outputs (B = weights).
// NCHW: rows are outputs (A = weights), columns are pixels (B = patches). Either way the result is
// written in the image's own layout, and only a block of patches ever exists.
#include "common/simd-inl.h"
#include "common/activation-inl.h"
#include "common/gemm/micro-inl.h"
#include "common/gemm/patches-inl.h"
#include "common/gemm/reach.h"
#include "common/gemm/weights-inl.h"
#include "im2col/pixels.h"
#include "im2col/store-inl.h"
#include "im2col/tile-inl.h"
#include "im2col/strips-inl.h"

namespace torchconv::ISA_NS {

constexpr int64_t kMostPixels = 112;  // per task, channels_last: 8 tiles of 14
// More of few channels, used in place, up to so many bytes: to give out a task waits for stores past the caches, 0.2 us
// (16 to 96 channels at 112x112 1.05x).
constexpr int64_t kThinPixels = 448, kThinBytes = 64 << 10;
using im2col::kFewPixels;
constexpr int64_t kMostPanels = 4;  // per task, NCHW
// Outputs per task, 2048 in float: with 512, each task packs its patches anew for the next 512 (GEMM 2048: 0.98x).
template <class P>
constexpr int64_t kMostOutputs = 8192 / sizeof(P);
template <class P>
constexpr int64_t kFewOutputs = 8 * kColumns<P>;  // where all pixels are one block
constexpr int64_t kFewPatches = 1 << 19;          // elements of that block
// Packed weights per thread; larger problems run in parts, a range of outputs at a time.
constexpr int64_t kWeightBytes = 6 << 20;

// Of a task, packed weights that stay in L2 while each tile of pixels is multiplied by all of them.
constexpr int64_t kNearWeightBytes = 384 << 10;

// Results larger than this are written past the caches. Measured on a Zen 4 with 32 MiB of L3: 1x1
// 64 -> 256 on 25 MB 1.45x, and 1.2x together with the layer that reads them next; 0.9x at 3 to 5 MB.
constexpr int64_t kStreamBytes = 6 << 20;

static_assert(kMostPixels <= kFewPixels && kFewPixels <= kThinPixels && kFewPixels <= kDepthBlock<double> &&
              kMostPanels * kColumnChunks <= kDepthBlock<double> / kChunk<double>);

struct PixelPlan {
  int64_t pixels, outputs, depth;  // block sizes of a task
  int64_t pixel_blocks, output_blocks, threads;
  int64_t strip_rows;  // rows of the result in a task by strips; 0 for all others
  Reach reach;
  bool stream;
  bool by_rows;                      // channels_last: tile after tile by all weights, which stay in L2
  bool in_place;                     // channels_last: x is used without packing (NCHW decides by panel)
  bool patches_shared;               // all of them are packed first
  bool weights_in_task;              // a panel at a time, where each serves one task only
  int64_t all_weights, all_patches;  // bytes, shared
  int64_t patches, panel, sums;      // bytes per thread

  bool in_blocks() const { return reach.runs > 1 || reach.length > depth; }  // all panels' sums wait for the next
  int64_t shared() const { return all_weights + all_patches; }
  int64_t per_thread() const { return patches + panel + sums; }
  int64_t bytes() const { return shared() + threads * per_thread(); }
};

// A 1x1 convolution of stride 1 in channels_last reads x as the matrix it already is; but for so many outputs not with
// rows a multiple of 4 KiB apart, for which tiles are lower (tile_rows). On an Emerald Rapids GEMM 2048 packed runs at
// 1.10x, 1024 to 256 channels at 1.03x.
constexpr int64_t kOutputsToPackFor = 256;
template <class S>
TORCHCONV_INLINE bool usable_in_place(const Gather& g) {
  return kPackedAsStored<S> && g.layout == Layout::nhwc && reads_in_order(g) &&
         whole_steps<Packed<S>>(g.channels) == g.channels &&
         (!rows_collide<S>(g.src_w) || g.outputs < kOutputsToPackFor);
}

// The depths to multiply: blocks of them start with whole chunks of packed weights.
template <class P>
TORCHCONV_INLINE Reach reach_in_blocks(const Gather& g) {
  const bool able = g.layout == Layout::nhwc && g.channels % kChunk<P> == 0 && g.d.taps == 1;
  return able ? reach_of(g) : whole_reach(g);
}

// f(k0, k1, first, last) for each block of `depth` at most.
template <class F>
TORCHCONV_INLINE void for_each_block(const Reach& reach, int64_t depth, const F& f) {
  for (int64_t run = 0; run < reach.runs; ++run) {
    const int64_t begin = reach.first + run * reach.every, end = begin + reach.length;
    for (int64_t k = begin; k < end; k += depth)
      f(k, smaller(k + depth, end), run == 0 && k == begin, run == reach.runs - 1 && k + depth >= end);
  }
}

// Elements of one group's packed weights.
template <class P>
TORCHCONV_INLINE int64_t group_weights(const Gather& g) {
  const int64_t outputs = g.layout == Layout::nhwc ? round_up(g.outputs, kChunk<P>) : g.outputs;
  return round_up(g.depth(), kChunk<P>) * outputs;
}

template <class P>
TORCHCONV_INLINE int64_t all_weights_bytes(const Gather& g) {
  return round_up(g.groups * group_weights<P>(g) * int64_t(sizeof(P)), 64);
}

// Few pixels in channels_last, with patches that fit in L2 and L3: one block of them, so that each panel of weights is
// read once, by one task.
template <class P>
TORCHCONV_INLINE bool one_block(const Gather& g) {
  return g.layout == Layout::nhwc && g.pixels() <= kFewPixels && g.pixels() * g.depth() <= kFewPatches &&
         !uses_strips<P>(g);
}

// That task packs it, if it is not packed, right before its use.
template <class P>
TORCHCONV_INLINE bool weights_in_task(const Gather& g) {
  return !g.packed && one_block<P>(g) && g.outputs % kChunk<P> == 0 && packs_by_depth<P>(g);
}

// Pixels and outputs of a task in channels_last: about four tasks per thread, so that a slow core can take fewer, of
// equal size, where rows allow it. Where blocks of pixels are few, or just one, the outputs are shared out too.
template <class S, class P = Packed<S>>
static void share_out_nhwc(const Gather& g, PixelPlan& plan) {
  using T = Compute<S>;
  const int64_t tiles = ceil_div(g.pixels(), kRows);
  const int64_t share = plan.threads > 1 ? tiles * g.groups / (4 * plan.threads) : tiles;
  const int64_t thin = plan.in_place ? smaller(kThinPixels, kThinBytes / (g.depth() * int64_t(sizeof(S)))) : 0;
  const int64_t most = kRows * larger(1, smaller(larger(kMostPixels, thin) / kRows, share));
  const int64_t of_pixels = one_block<P>(g) ? 1 : round_up(ceil_div(g.pixels(), most), plan.threads);
  plan.pixels = ceil_div(g.pixels(), of_pixels);
  plan.outputs = smaller(round_up(g.outputs, kColumns<T>), one_block<P>(g) ? kFewOutputs<P> : kMostOutputs<P>);
  const int64_t wanted = (one_block<P>(g) ? 4 : 2) * plan.threads,
                blocks = ceil_div(g.pixels(), plan.pixels) * g.groups;
  if (plan.threads > 1 && blocks < wanted)
    plan.outputs = smaller(plan.outputs, round_up(ceil_div(g.outputs * blocks, wanted), kColumns<T>));
}

// The same in NCHW: about four tasks per thread, so that a slow core can take fewer, of whole panels of pixels. Where
// those are few, the outputs are shared out too.
template <class S, class P = Packed<S>>
static void share_out_nchw(const Gather& g, PixelPlan& plan) {
  using T = Compute<S>;
  const int64_t panels = ceil_div(g.pixels(), kColumns<T>);
  const int64_t share = plan.threads > 1 ? panels * g.groups / (4 * plan.threads) : panels;
  plan.pixels = kColumns<T> * larger(1, smaller(kMostPanels, share));
  plan.outputs = smaller(round_up(g.outputs, kColumns<T>), kMostOutputs<P>);
  const int64_t wanted = 8 * plan.threads, blocks = ceil_div(g.pixels(), plan.pixels) * g.groups;
  if (plan.threads > 1 && blocks < wanted)
    plan.outputs = smaller(plan.outputs, round_up(ceil_div(g.outputs * blocks, wanted), kColumns<T>));
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
  plan.in_place = usable_in_place<S>(g);
  plan.reach = reach_in_blocks<P>(g);
  nhwc ? share_out_nhwc<S>(g, plan) : share_out_nchw<S>(g, plan);
  plan.pixel_blocks = ceil_div(g.pixels(), plan.pixels), plan.output_blocks = ceil_div(g.outputs, plan.outputs);

  plan.stream = g.N * g.dst_n * int64_t(sizeof(S)) > kStreamBytes;
  plan.weights_in_task = weights_in_task<P>(g);
  plan.patches_shared = one_block<P>(g) && !plan.in_place && g.groups == 1 && plan.output_blocks > 1;
  const int64_t block = round_up(plan.pixels, L) * int64_t(sizeof(P));
  if (!g.packed && !plan.weights_in_task) plan.all_weights = all_weights_bytes<P>(g);
  if (plan.patches_shared)
    plan.all_patches = round_up(g.depth(), L) * block;
  else if (!plan.in_place)
    plan.patches = plan.depth * block;
  if (plan.weights_in_task) plan.panel = plan.depth * kColumns<P> * int64_t(sizeof(P));
  const int64_t panels =
      nhwc ? ceil_div(smaller(plan.outputs, g.outputs), kColumns<T>) : ceil_div(plan.pixels, kColumns<T>);
  const int64_t rows = nhwc ? plan.pixels : smaller(plan.outputs, g.outputs);
  plan.by_rows = nhwc && !plan.in_blocks() && !one_block<P>(g) &&
                 plan.depth * smaller(plan.outputs, g.outputs) * int64_t(sizeof(P)) <= kNearWeightBytes;
  plan.sums = (plan.in_blocks() ? panels : nhwc ? 0 : 1) * rows * kColumns<T> * int64_t(sizeof(T));
  if (uses_strips<P>(g)) {
    plan.strip_rows = strip_rows(g, plan.threads);
    plan.patches = round_up(strip_elements(g, plan.strip_rows), kChunk<T>) * int64_t(sizeof(T));
    plan.sums = 0;
    plan.by_rows = g.depth() * g.outputs * int64_t(sizeof(P)) <= kNearWeightBytes;
  }
  return plan;
}

// All of the problem if its packed weights fit; else as many groups as fit, or as many outputs of one group. One panel
// of outputs is the least: beyond a depth of 49,000 in float (and a thread) it is larger than kWeightBytes.
template <class P>
static Gather first_part(const Gather& g) {
  const int64_t most = kWeightBytes * g.threads / int64_t(sizeof(P));
  Gather part = flatten(g);
  if (g.layout == Layout::nhwc) part = ascending(part);  // for strips; NCHW packs taps as they stand in memory
  if (g.packed || weights_in_task<P>(part)) return part;
  part.groups = smaller(g.groups, larger(most / group_weights<P>(g), 1));
  if (group_weights<P>(g) > most)
    part.outputs = smaller(g.outputs, larger(most / g.depth() / kColumns<P>, 1) * kColumns<P>);
  return part;
}

// The rectangles that are products of their own (reach.h), with weights that are packed for all of them.
template <class P>
static std::vector<Gather> rectangles(const Gather& g) {
  std::vector<Gather> parts{g};
  if (!one_block<P>(g)) parts = cut_by_taps(g, kChunk<P>);
  if (parts.size() > 1)
    for (Gather& part : parts) part.packed = true;
  return parts;
}

template <class S>
static int64_t part_workspace(const Gather& part) {
  const std::vector<Gather> parts = rectangles<Packed<S>>(part);
  int64_t most = 0;
  for (const Gather& g : parts) most = larger(most, plan_pixels<S>(g).bytes());
  return most + (parts.size() > 1 && !part.packed ? all_weights_bytes<Packed<S>>(part) : 0);
}

template <class S>
static int64_t pixels_workspace(const Gather& g) {
  const Gather part = first_part<Packed<S>>(g);
  Gather last = part;  // smaller, but with fewer threads its tasks may be larger
  last.groups = (g.groups - 1) % part.groups + 1;
  last.outputs = (g.outputs - 1) % part.outputs + 1;
  return larger(part_workspace<S>(part), part_workspace<S>(last));
}

template <class S, class P = Packed<S>>
static double pixels_tile_macs(const Gather& whole) {
  using T = Compute<S>;
  const bool nhwc = whole.layout == Layout::nhwc;
  double macs = 0;
  for (const Gather& g : rectangles<P>(nhwc ? ascending(whole) : whole)) {
    const int64_t lanes = nhwc ? g.outputs : g.pixels(), rows = nhwc ? g.pixels() : g.outputs;
    // A tile of few rows still loads a row of B per step: no tile is cheaper than 4 rows.
    const int64_t tiles = uses_strips<P>(g) ? g.N * g.h.count * ceil_div(g.w.count, kRows) : ceil_div(rows, kRows);
    const Reach reach = reach_in_blocks<P>(g);
    macs += double(g.groups) * reach.length * reach.runs * round_up(lanes, kChunk<T>) * larger(rows, 4 * tiles);
  }
  return macs;
}

// Of the next panel, from output o and depth k on. The weights may be larger than L2: fetched ahead, GEMM 1024 and 2048
// run at 1.03x. Those that a task packs come from memory: 512 channels at 7x7, one image, with all caches cold, run at
// 1.03x forward, and at 1.05x to 1.4x for the gradient of the input.
template <class P, class S>
TORCHCONV_INLINE FetchAhead fetch_weights(const Gather& g, const Operands<S>& op, int64_t o, int64_t k, int64_t depth) {
  constexpr int64_t line = 64, item = sizeof(S);
  if (k >= g.depth()) return {};
  if (op.packed) {
    const int64_t column = whole_steps<P>(g.depth()) * kChunk<P>;
    return fetch_panel(Chunked<P>{op.packed + o / kChunk<P> * column + k * kChunk<P>, column});
  }
  const char* from = (const char*)(op.w + offset_of_tap(g, k / g.channels) + k % g.channels * g.w_in + o * g.w_out);
  if (g.w_out == 1)  // rows of outputs, each in a page of its own
    return {from, line, g.w_in * item, kChunk<P> * g.w_in * item, kChunk<P>};
  const int64_t lines = ceil_div(depth * item, kColumnChunks * line);  // of an output, at every chunk
  return {from, lines * line, line, g.w_out * item, int(lines)};
}
// While outputs from o on, of [o0, o1), are multiplied over the depth [k0, k1): of the next outputs; after the last
// ones of those over the depth that follows; and after the last depth, if they are packed, of the task that follows.
template <class P, class S>
TORCHCONV_INLINE FetchAhead fetch_next_weights(const Gather& g, const PixelPlan& plan, const Operands<S>& op, int64_t o,
                                               int64_t o0, int64_t o1, int64_t k0, int64_t k1, bool last) {
  const int64_t next = o + kColumns<Compute<S>>;
  if (next < o1) return fetch_weights<P>(g, op, next, k0, k1 - k0);
  if (!last) return fetch_weights<P>(g, op, o0, k1, k1 - k0);
  if (!op.packed || (o1 == g.outputs && plan.pixel_blocks == 1)) return {};
  return fetch_weights<P>(g, op, o1 < g.outputs ? o1 : 0, plan.reach.first, k1 - k0);
}

// As many rows of x that are used in place as a tile has, while it is multiplied by so many outputs. On a Zen 5, 1x1
// layers of 64 channels at 56x56 and 130x130 run at 1.2x with it.
template <class P>
TORCHCONV_INLINE FetchAhead fetch_rows(int64_t rows, int64_t depth, int64_t outputs) {
  constexpr int64_t line = 64;
  const int64_t places = outputs <= kChunk<P> ? 1 : kColumnChunks;
  const int64_t lines = ceil_div(rows * depth * int64_t(sizeof(P)), line * places * ceil_div(depth, kChunk<P>));
  return {nullptr, line, line * places, lines * line * places, int(lines)};
}

// The `rows` rows of A after these, at the depth that is multiplied, in tiles of so many chunks.
template <class P>
TORCHCONV_INLINE FetchAhead fetch_rows_after(Chunked<P> a, int64_t rows, int chunks) {
  constexpr int64_t item = sizeof(P);
  const int64_t lines = ceil_div(rows, chunks);
  return {(const char*)(a.data + rows * a.row), lines * a.row * item, a.row * item, a.stride * item, int(lines)};
}

// far: what its thread reads of x it has not read before.
template <class S, class P = Packed<S>, class T = Compute<S>>
static void task_nhwc(const Gather& g, const PixelPlan& plan, const Operands<S>& op, int64_t m0, int64_t m1, int64_t o0,
                      int64_t o1, bool far, char* scratch) {
  constexpr int L = kChunk<P>;
  const int64_t rows = m1 - m0, all_depth = whole_steps<P>(g.depth());
  P* patches = (P*)scratch;
  P* panel = (P*)(scratch + plan.patches);
  T* sums = (T*)(scratch + plan.patches + plan.panel);
  const bool packs = !plan.in_place && !op.patches;
  Pixel pixels[kFewPixels];
  int64_t targets[kThinPixels];
  if (packs) locate_pixels(g, m0, rows, pixels);
  locate_targets(g, m0, rows, targets);
  for_each_block(plan.reach, plan.depth, [&](int64_t k0, int64_t k1, bool first, bool last) {
    const int64_t depth = k1 - k0;
    if (packs) pack_patches_nhwc(g, op.src, pixels, rows, k0, k1, patches);
    const int64_t height = whole_steps<P>(rows);
    const Chunked<P> a = plan.in_place ? Chunked<P>{(const P*)op.src + m0 * g.src_w + k0, L, g.src_w}
                                       : Chunked<P>{op.patches ? op.patches + k0 * height : patches, height * L};
    const auto rows_of_a = [&](int64_t r) { return Chunked<P>{a.data + r * a.row, a.stride, a.row, a.run}; };
    if (plan.by_rows) {
      const Chunked<P> b{op.packed + o0 * all_depth + k0 * L, all_depth * L};
      FetchAhead next = plan.in_place && g.src_w == depth ? fetch_rows<P>(tile_rows(a), depth, o1 - o0) : FetchAhead{};
      return for_each_tile(rows, tile_rows(a), [&](int64_t r, int n) {
        next.data = (const char*)rows_of_a(r + n).data;
        multiply_and_store<S>(n, {op, targets + r, o0, o1, depth, rows_of_a(r), b, nullptr, plan.stream, next});
      });
    }
    for (int64_t o = o0; o < o1; o += kColumns<T>) {
      const int chunks = int(smaller(ceil_div(o1 - o, L), kColumnChunks));
      Chunked<P> b{panel, plan.depth * L};
      if (op.packed)
        b = {op.packed + o * all_depth + k0 * L, all_depth * L};
      else
        pack_weights_part(g, op.w, o, smaller(o + kColumns<T>, o1), k0, k1, panel, b.stride);
      T* sums_of_panel = sums + (o - o0) * rows;
      const FetchAhead next = fetch_next_weights<P>(g, plan, op, o, o0, o1, k0, k1, last);
      const bool fetches_x = far && !packs && o == o0 && one_block<P>(g);
      for_each_tile(rows, tile_rows(a), [&](int64_t r, int n) {
        T* tile = sums_of_panel + r * kColumns<T>;
        const FetchAhead ahead =
            fetches_x && r + n < rows ? fetch_rows_after(rows_of_a(r), n, chunks) : next.share(r, n, rows);
        if (!last) return multiply_tile<P>(n, chunks, depth, rows_of_a(r), b, tile, !first, ahead);
        const int64_t end = smaller(o + kColumns<T>, o1);
        multiply_and_store<S>(
            n, {op, targets + r, o, end, depth, rows_of_a(r), b, first ? nullptr : tile, plan.stream, ahead});
      });
    }
  });
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
        T* tile = sums + (plan.in_blocks() ? c * L * rows : 0);
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
                         fetch ? fetch_panel(panel(next)) : FetchAhead{});
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

// Packs the patches of all pixels, one block, in parallel.
template <class P, class S>
static void pack_patches(const Gather& g, const PixelPlan& plan, const S* src, P* to) {
  Pixel pixels[kFewPixels];
  locate_pixels(g, 0, plan.pixels, pixels);
  parallel_tasks(ceil_div(g.depth(), plan.depth), int(plan.threads), [&](int64_t task, int) {
    const int64_t k0 = task * plan.depth, k1 = smaller(k0 + plan.depth, g.depth());
    pack_patches_nhwc(g, src, pixels, plan.pixels, k0, k1, to + k0 * whole_steps<P>(plan.pixels));
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
static void run_rectangle(const Gather& g, const Operands<S>& all, const void* w, void* workspace) {
  const PixelPlan plan = plan_pixels<S>(g);
  char* own = (char*)workspace + plan.shared();
  P* patches = plan.patches_shared ? (P*)((char*)workspace + plan.all_weights) : nullptr;
  if (patches) pack_patches(g, plan, all.src, patches);
  const P* packed = plan.weights_in_task ? nullptr : (const P*)(g.packed ? w : workspace);
  if (packed && !g.packed) pack_weights(g, plan, (const S*)w, (P*)workspace);
  if constexpr (Step<P>::depth == 1)
    if (plan.strip_rows) {
      const int64_t strips = ceil_div(g.h.count, plan.strip_rows);
      return parallel_tasks(g.N * strips * g.groups, int(plan.threads), [&](int64_t task, int thread) {
        const int64_t group = task % g.groups, strip = task / g.groups, p = strip % strips * plan.strip_rows;
        Operands<S> op = all.from(group * g.channels * g.src_c, group * g.outputs, g.dst_c);
        op.packed = packed + group * group_weights<P>(g);
        task_strip<S>(g, op, strip / strips, p, smaller(p + plan.strip_rows, g.h.count), plan.stream, plan.by_rows,
                      (Compute<S>*)(own + thread * plan.per_thread()));
        if (plan.stream) stream_fence();
      });
    }
  const int64_t blocks = plan.pixel_blocks * plan.output_blocks;
  parallel_runs(g.groups * blocks, int(plan.threads), [&](int64_t task, int64_t previous, int thread) {
    const int64_t group = task / blocks, m = task % blocks / plan.output_blocks * plan.pixels,
                  o = task % plan.output_blocks * plan.outputs;
    Operands<S> op = all.from(group * g.channels * g.src_c, group * g.outputs, g.dst_c);
    op.w = (const S*)w + group * g.w_group;
    op.packed = packed ? packed + group * group_weights<P>(g) : nullptr;
    op.patches = patches;
    const int64_t m1 = smaller(m + plan.pixels, g.pixels()), o1 = smaller(o + plan.outputs, g.outputs);
    const bool far = previous < 0 || previous / plan.output_blocks != task / plan.output_blocks;
    char* const scratch = own + thread * plan.per_thread();
    g.layout == Layout::nhwc ? task_nhwc<S>(g, plan, op, m, m1, o, o1, far, scratch)
                             : task_nchw<S>(g, plan, op, m, m1, o, o1, scratch);
    if (plan.stream) stream_fence();
  });
}

template <class S, class P = Packed<S>>
static void run_part(const Gather& g, const Operands<S>& all, const void* w, void* workspace) {
  const std::vector<Gather> parts = rectangles<P>(g);
  if (parts.size() == 1) return run_rectangle<S>(g, all, w, workspace);
  if (!g.packed) {
    pack_weights(g, plan_pixels<S>(g), (const S*)w, (P*)workspace);
    w = workspace, workspace = (char*)workspace + all_weights_bytes<P>(g);
  }
  for (const Gather& part : parts) run_rectangle<S>(part, all, w, workspace);
}

template <class S>
static void run_pixels(const Gather& g, const im2col::PixelOperands& o) {
  const Operands<S> whole{(const S*)o.src, (const S*)o.bias,     (S*)o.dst, nullptr, nullptr,
                          nullptr,         (const S*)o.residual, o.epilogue};
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
