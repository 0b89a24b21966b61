// grad_w = WeightsTransposed (sum over tiles of (Data x) * (ResultTransposed grad_y)). For each of the n*n products,
// sums[channel][output] run over the tiles.
//
// Few sums: each split of the tiles has sums of its own, and takes a block of tiles after the other through L2. Many:
// each thread has regions of the sums, of a panel of outputs by a few chunks of channels each, and transforms what
// these need, a part of the tiles at a time. Another thread may need the same channels and transforms them too: that is
// 3% to 8% of the time, and to fetch them from the other core's caches up to half where that core is far (parallel.h).
#include "common/simd-inl.h"
#include "common/cut-inl.h"
#include "common/gemm/micro-inl.h"
#include "winograd/lines-inl.h"
#include "winograd/squares-inl.h"
#include "winograd/source-inl.h"
#include "winograd/weights-inl.h"
#include "winograd/outer-inl.h"

namespace torchconv::ISA_NS::winograd {

constexpr int64_t kSplitBytes = 256 << 10;  // of a block's transformed tiles, when split

struct GradWeightPlan {
  Tiles tiles;
  int64_t threads, chunks, output_chunks, panels, columns;  // columns: regions of a panel
  int64_t splits, split;                                    // tiles of a split; splits 0: they share one set of sums
  int64_t part;                                             // tiles transformed at a time
  int64_t v_product, q_product, sum_product;                // strides
  int64_t transformed, regions;                             // elements of a thread's V and Q; how many regions are kept
  bool at_once;                                             // all tiles in one part: a region is finished as it is done
  bool by_column;                                           // V has the channels of one column of regions

  int64_t region() const { return tiles.products() * sum_product; }  // elements
  int64_t region_count() const { return panels * columns; }          // of a group
};

template <class T>
static GradWeightPlan plan_grad_weight(const Gather& g, int64_t m) {
  constexpr int L = kChunk<T>;
  GradWeightPlan plan{};
  plan.tiles = cut(g, m);
  const int64_t tiles = plan.tiles.count(), products = plan.tiles.products(), size = sizeof(T);
  plan.threads = useful_threads(double(g.pixels()) * g.outputs * g.groups * g.depth(), g.threads);
  plan.chunks = ceil_div(g.channels, L), plan.output_chunks = ceil_div(g.outputs, L);
  plan.panels = ceil_div(g.outputs, kColumns<T>);
  const int64_t chunk_bytes = products * L * size, tile_bytes = chunk_bytes * (plan.chunks + plan.output_chunks);
  const bool split = plan.chunks * plan.output_chunks * L * chunk_bytes <= kSplitSums;
  const int64_t fit =
      split ? larger(kSplitBytes / tile_bytes, 8) : tiles_of_part(plan.chunks, kColumnChunks, chunk_bytes);
  const int64_t wide = column_of_all_tiles(tiles, fit, plan.chunks, plan.output_chunks, L, chunk_bytes);
  plan.by_column = wide > 0;
  plan.columns = ceil_div(plan.chunks, plan.by_column ? wide : kRegionChunks);
  const int64_t region_chunks = ceil_div(plan.chunks, plan.columns);
  plan.columns = ceil_div(plan.chunks, region_chunks);
  plan.sum_product = odd_lines<T>(region_chunks * L * kColumns<T>);
  if (split) {
    plan.splits = smaller(plan.threads, ceil_div(tiles, 4));
    plan.split = ceil_div(tiles, plan.splits);
    plan.splits = ceil_div(tiles, plan.split);
  }
  const int64_t each = split ? plan.split : tiles;
  plan.part = plan.by_column ? tiles : ceil_div(each, ceil_div(each, fit));
  plan.at_once = !split && plan.part == tiles;
  plan.v_product = odd_lines<T>((plan.by_column ? region_chunks : plan.chunks) * plan.part * L);
  plan.q_product = odd_lines<T>((split ? plan.output_chunks : kColumnChunks) * plan.part * L);
  plan.transformed = products * (plan.v_product + plan.q_product);
  plan.regions = split          ? g.groups * plan.splits * plan.region_count()
                 : plan.at_once ? plan.threads
                                : plan.region_count();
  return plan;
}

template <class S, class T = Compute<S>>
static int64_t grad_weight_workspace(const Gather& g, int64_t m) {
  const GradWeightPlan plan = plan_grad_weight<T>(g, m);
  return (plan.threads * plan.transformed + plan.regions * plan.region()) * int64_t(sizeof(T));
}

// One group's operands and what both are transformed by.
template <class S, class T = Compute<S>>
struct GradWeightTask {
  const GradWeightPlan& plan;
  Source<S> x, y;
  Weights<S> w;
  Transform<T> data, spread, back;

  GradWeightTask(const Gather& g, const GradWeightPlan& plan, const ConvOperands& o, int64_t group)
      : plan(plan),
        x(source_of(g, plan.tiles, (const S*)o.a + group * g.channels * g.src_c)),
        y(destination_as_source(g, plan.tiles, (const S*)o.b + group * g.outputs * g.dst_c)),
        w(weights_of(g, (S*)o.out + group * g.w_group)),
        data(Kind::data, plan.tiles),
        spread(Kind::result_transposed, plan.tiles),
        back(Kind::weights_transposed, plan.tiles) {}

  T* q_of(T* v) const { return v + plan.tiles.products() * plan.v_product; }
  int64_t first_chunk(int64_t column) const { return plan.chunks * column / plan.columns; }

  // Chunks [c0, c1) of x, to their places in v.
  void transform_x(int64_t first, int64_t last, int64_t c0, int64_t c1, T* v) const {
    const int64_t chunk = plan.part * kChunk<T>;
    transform_tiles(x, data, plan.tiles, first, last, c0, c1, {v, plan.v_product, chunk});
  }
  // Chunks [k0, k1) of grad_y, the first of them to q.
  void transform_y(int64_t first, int64_t last, int64_t k0, int64_t k1, T* q) const {
    const int64_t chunk = plan.part * kChunk<T>;
    transform_tiles(y, spread, plan.tiles, first, last, k0, k1, {q - k0 * chunk, plan.q_product, chunk});
  }

  // The region of channels of `column` and outputs of `panel`, whose transformed tiles begin at q: `tiles` more of
  // them.
  void add(int64_t panel, int64_t column, int64_t tiles, const T* v, const T* q, T* sums, bool accumulate) const {
    constexpr int L = kChunk<T>;
    const int width = int(smaller(plan.output_chunks - panel * kColumnChunks, kColumnChunks));
    const int64_t c0 = first_chunk(column), c1 = first_chunk(column + 1);
    for (int64_t f = 0; f < plan.tiles.products(); ++f)
      for (int64_t c = c0; c < c1; ++c)
        multiply_outer(width, tiles, v + f * plan.v_product + c * plan.part * L, q + f * plan.q_product, plan.part * L,
                       sums + f * plan.sum_product + (c - c0) * L * kColumns<T>, accumulate);
  }

  // Sums up `splits` regions, `stride` apart, and writes their part of grad_w.
  void finish(int64_t panel, int64_t column, T* sums, int64_t splits, int64_t stride) const {
    constexpr int L = kChunk<T>;
    alignas(64) T taps[L * kMostTaps * L];
    const int64_t c0 = first_chunk(column), c1 = first_chunk(column + 1);
    for (int64_t s = 1; s < splits; ++s)
      for (int64_t e = 0; e < plan.region(); e += kLanes<T>)
        store(sums + e, load(sums + e) + load(sums + s * stride + e));
    for (int64_t c = c0; c < c1; ++c)
      for (int64_t o = 0; o < kColumns<T> && panel * kColumns<T> + o < w.outputs; o += L) {
        for (int64_t i = 0; i < smaller(L, w.channels - c * L); ++i)
          back(sums + ((c - c0) * L + i) * kColumns<T> + o, {back.in_w * plan.sum_product, plan.sum_product},
               taps + i * w.taps() * L, {w.S_ * L, L});
        write_weights(w, panel * kColumns<T> + o, c * L, taps);
      }
  }
};

template <class S, class T = Compute<S>>
static void run_split(const Gather& g, const GradWeightPlan& plan, const ConvOperands& o) {
  T *workspace = (T*)o.workspace, *regions = workspace + plan.threads * plan.transformed;
  const int64_t count = plan.region_count(), tiles = plan.tiles.count(), set = count * plan.region();
  parallel_tasks(g.groups * plan.splits, int(plan.threads), [&](int64_t task, int thread) {
    const GradWeightTask<S> op(g, plan, o, task / plan.splits);
    T *v = workspace + thread * plan.transformed, *q = op.q_of(v), *sums = regions + task * set;
    const int64_t begin = task % plan.splits * plan.split, end = smaller(begin + plan.split, tiles);
    for (int64_t first = begin; first < end; first += plan.part) {
      const int64_t last = smaller(first + plan.part, end);
      op.transform_x(first, last, 0, plan.chunks, v);
      op.transform_y(first, last, 0, plan.output_chunks, q);
      for (int64_t i = 0; i < count; ++i)
        op.add(i / plan.columns, i % plan.columns, last - first, v,
               q + i / plan.columns * kColumnChunks * plan.part * kChunk<T>, sums + i * plan.region(), first > begin);
    }
  });
  parallel_tasks(g.groups * count, int(plan.threads), [&](int64_t task, int) {
    const int64_t group = task / count, i = task % count;
    GradWeightTask<S>(g, plan, o, group)
        .finish(i / plan.columns, i % plan.columns, regions + group * plan.splits * set + i * plan.region(),
                plan.splits, set);
  });
}

// The i-th region of a thread whose first is `begin`, and whether it needs tiles that the thread has not in V and Q.
struct Region {
  int64_t panel, column;
  bool new_x, new_y;
};
TORCHCONV_INLINE Region region_of(const GradWeightPlan& plan, int64_t begin, int64_t i) {
  const int64_t along = plan.by_column ? plan.panels : plan.columns, outer = i / along, inner = i % along;
  const bool next = i == begin || inner == 0;
  if (plan.by_column) return {inner, outer, next, i == begin || plan.panels > 1};
  return {outer, inner, i < begin + plan.columns, next};
}

template <class S, class T = Compute<S>>
static void run_in_parts(const Gather& g, const GradWeightPlan& plan, const ConvOperands& o) {
  T *workspace = (T*)o.workspace, *regions = workspace + plan.threads * plan.transformed;
  const int64_t tiles = plan.tiles.count(), count = plan.region_count();
  parallel_tasks(plan.threads, int(plan.threads), [&](int64_t share, int thread) {
    const int64_t begin = count * share / plan.threads, end = count * (share + 1) / plan.threads;
    for (int64_t group = 0; group < g.groups; ++group) {
      const GradWeightTask<S> op(g, plan, o, group);
      T *v = workspace + thread * plan.transformed, *q = op.q_of(v);
      for (int64_t first = 0, last; first < tiles; first = last) {
        last = smaller(first + plan.part, tiles);
        for (int64_t i = begin; i < end; ++i) {
          const Region r = region_of(plan, begin, i);
          const int64_t c0 = op.first_chunk(r.column), k0 = r.panel * kColumnChunks;
          T* chunk0 = v - (plan.by_column ? c0 * plan.part * kChunk<T> : 0);
          if (r.new_x) op.transform_x(first, last, c0, op.first_chunk(r.column + 1), chunk0);
          if (r.new_y) op.transform_y(first, last, k0, smaller(k0 + kColumnChunks, plan.output_chunks), q);
          T* sums = regions + (plan.at_once ? share : i) * plan.region();
          op.add(r.panel, r.column, last - first, chunk0, q, sums, first > 0);
          if (last == tiles) op.finish(r.panel, r.column, sums, 1, 0);
        }
      }
    }
  });
}

template <class S>
static void run_grad_weight(const Gather& g, const ConvOperands& o, int64_t m) {
  const GradWeightPlan plan = plan_grad_weight<Compute<S>>(g, m);
  (plan.splits ? run_split<S> : run_in_parts<S>)(g, plan, o);
}

}  // namespace torchconv::ISA_NS::winograd
