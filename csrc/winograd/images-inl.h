// The passes whose result is an image: y from x and w, or grad_x from grad_y and w. For each of the n*n products of a
// tile, sums[tile][output] = transformed source [tile][channel] * transformed weights [channel][output].
//
// Fused: all weights are transformed first, then each task takes a block of tiles through all stages, in its L2. That
// reads all transformed weights for each block, so where they are many the order is another: all tiles are transformed
// first, then each task takes a panel of outputs through them, and transforms the panel's weights just before use.
#include "common/simd-inl.h"
#include "common/finish-inl.h"
#include "common/gemm/micro-inl.h"
#include "winograd/lines-inl.h"
#include "winograd/squares-inl.h"
#include "winograd/source-inl.h"
#include "winograd/weights-inl.h"
#include "winograd/result-inl.h"

namespace torchconv::ISA_NS::winograd {

constexpr int64_t kBlockBytes = 256 << 10;        // of a block's transformed tiles and sums, when fused
constexpr int64_t kWeightChunkBytes = 320 << 10;  // of the weights that are transformed at a time, when not

struct ImagesPlan {
  Tiles tiles;
  int64_t threads, chunks, panels;
  bool fused;
  int64_t part;                                        // tiles transformed at a time: a block when fused
  int64_t block;                                       // tiles per task
  int64_t depth;                                       // channels whose weights are transformed at a time
  int64_t v_product, u_product, u_chunk, sum_product;  // strides
  int64_t weights, transformed, sums;  // elements: all panels; then V and sums of a task, and a panel's depth

  int64_t panel() const { return tiles.products() * u_product; }  // elements
};

template <class T>
static ImagesPlan plan_images(const Gather& g, int64_t m) {
  constexpr int L = kChunk<T>;
  ImagesPlan plan{};
  plan.tiles = cut(g, m);
  const int64_t tiles = plan.tiles.count(), products = plan.tiles.products();
  const double macs = double(g.pixels()) * g.outputs * g.groups * g.depth();
  plan.threads = useful_threads(macs, g.threads);
  plan.chunks = ceil_div(g.channels, L), plan.panels = ceil_div(g.outputs, kColumns<T>);
  const int64_t all_weights = products * g.channels * plan.panels * kColumns<T> * int64_t(sizeof(T));
  const int64_t tile_bytes = products * (plan.chunks * L + kColumns<T>)*int64_t(sizeof(T));
  const int64_t fitting = larger(kBlockBytes / tile_bytes / kRows, 1) * kRows;
  plan.fused = all_weights <= kFusedWeights && tiles * g.groups >= 2 * plan.threads * fitting;
  if (plan.fused) {
    // Of equal size, and the same number for each thread.
    const int64_t blocks = round_up(ceil_div(tiles, fitting), plan.threads);
    plan.block = plan.part = ceil_div(tiles, blocks);
    plan.depth = g.channels;
  } else {
    const int64_t fit = larger(kTransformedBytes / (products * plan.chunks * L * int64_t(sizeof(T))), kMostBlock);
    const int64_t parts = ceil_div(tiles, fit);
    plan.part = ceil_div(tiles, parts);
    const int64_t wanted = ceil_div(2 * plan.threads, plan.panels);  // blocks, if each takes one panel
    const int64_t blocks = larger(ceil_div(plan.part, kMostBlock), smaller(wanted, ceil_div(plan.part, 2 * kRows)));
    plan.block = ceil_div(plan.part, blocks);
    const int64_t most = larger(kWeightChunkBytes / (products * kColumns<T> * int64_t(sizeof(T))) / L, 1) * L;
    plan.depth = g.packed ? g.channels : round_up(ceil_div(g.channels, ceil_div(g.channels, most)), L);
  }
  plan.v_product = odd_lines<T>(plan.chunks * plan.part * L);
  const bool whole = plan.fused || g.packed;
  plan.u_chunk = smaller(plan.depth, g.channels) * L;
  plan.u_product = odd_lines<T>(kColumnChunks * plan.u_chunk);
  plan.sum_product = odd_lines<T>(plan.block * kColumns<T>);
  plan.weights = g.packed ? 0 : whole ? g.groups * plan.panels * plan.panel() : plan.threads * plan.panel();
  plan.transformed = products * plan.v_product * (plan.fused ? plan.threads : 1);
  plan.sums = products * plan.sum_product;
  return plan;
}

template <class S, class T = Compute<S>>
static int64_t images_workspace(const Gather& g, int64_t m) {
  const ImagesPlan plan = plan_images<T>(g, m);
  return (plan.weights + plan.transformed + plan.threads * plan.sums) * int64_t(sizeof(T));
}

// `count` tiles of the chunk of channels after this one. All transformed tiles are more than L2 holds, and chunks lie
// in other pages: 1.02x to 1.08x of the layer where tiles are few (512 channels at 14x14 and 7x7), 1.2x to 1.3x while
// other tenants are at the L3 cache, 0.98x for 256 channels at 56x56.
template <class T>
TORCHCONV_INLINE FetchAhead fetch_chunk(Chunked<T> chunk, int64_t count) {
  constexpr int64_t line = 64;
  const int64_t lines = ceil_div(count, kColumnChunks);
  return {(const char*)(chunk.data + chunk.stride), lines * line, line, chunk.stride * int64_t(sizeof(T)), int(lines)};
}

// Sums of a block of tiles for a panel of outputs, over `depth` channels whose weights begin at u. Each product fetches
// the weights of the next one, or, where those have just been made, the tiles that it goes on with; and it calls
// meanwhile(f).
template <class T, class Meanwhile>
static void multiply_products(const Gather& g, const ImagesPlan& plan, int64_t o0, int64_t tiles, int64_t depth,
                              const T* v, const T* u, T* sums, bool accumulate, const Meanwhile& meanwhile) {
  constexpr int L = kChunk<T>;
  const int chunks = int(smaller(ceil_div(g.outputs - o0, L), kColumnChunks));
  const bool far_weights = plan.fused || g.packed;
  for (int64_t f = 0; f < plan.tiles.products(); ++f, v += plan.v_product, u += plan.u_product) {
    const bool more = f + 1 < plan.tiles.products();
    meanwhile(f);
    for_each_tile(tiles, kRows, [&](int64_t r, int count) {
      const Chunked<T> next{more ? u + plan.u_product : nullptr, plan.u_chunk}, chunk{v + r * L, plan.part * L};
      const FetchAhead ahead = far_weights ? fetch_panel(next).share(r, count, tiles) : fetch_chunk(chunk, count);
      multiply_tile<T>(count, chunks, depth, chunk, {u, plan.u_chunk}, sums + f * plan.sum_product + r * kColumns<T>,
                       accumulate, ahead);
    });
  }
}

// All operands of one group, and its place in the workspace.
template <class S, class T = Compute<S>>
struct ImagesTask {
  Source<S> source;
  Weights<const S> weights;
  Result<S> result;
  const T* packed;  // all panels, or null
};

template <class S, class T = Compute<S>>
static ImagesTask<S> task_of(const Gather& g, const ImagesPlan& plan, const ImageOperands& o, const T* panels,
                             int64_t group) {
  const Finish<S> after(o.epilogue, (const S*)o.residual, (const S*)o.out);
  const S* bias = o.bias ? (const S*)o.bias + group * g.outputs : nullptr;
  return {source_of(g, plan.tiles, (const S*)o.a + group * g.channels * g.src_c),
          weights_of(g, (const S*)o.b + group * g.w_group),
          result_of(g, (S*)o.out + group * g.outputs * g.dst_c, bias, after),
          panels ? panels + group * plan.panels * plan.panel() : nullptr};
}

// All weights, panel by panel, groups * panels of them.
template <class S, class T = Compute<S>>
static void transform_all_weights(const Gather& g, const ImagesPlan& plan, const S* w, T* to) {
  constexpr int64_t most = 64;  // channels per task
  const Transform<T> transform(Kind::weights, plan.tiles);
  const int64_t parts = ceil_div(g.channels, most);
  parallel_tasks(g.groups * plan.panels * parts, int(plan.threads), [&](int64_t task, int) {
    const int64_t panel = task / parts, c0 = task % parts * most, group = panel / plan.panels;
    transform_weights(weights_of(g, w + group * g.w_group), transform, panel % plan.panels * kColumns<T>, c0,
                      smaller(c0 + most, g.channels),
                      {to + panel * plan.panel() + c0 * kChunk<T>, plan.u_product, plan.u_chunk});
  });
}

// A task is a few blocks, one after the other: images are far from the cache, and the products of one block leave time
// to fetch the next one's pixels and to make room for the results. channels_last, 64 channels at 56x56: 1.1x.
constexpr int64_t kBlocksInARow = 4;

template <class S, class T = Compute<S>>
static void run_fused(const Gather& g, const ImagesPlan& plan, const ImageOperands& o) {
  constexpr int L = kChunk<T>;
  T* workspace = (T*)o.workspace;
  const Transform<T> data(Kind::data, plan.tiles), back(Kind::result, plan.tiles);
  if (!g.packed) transform_all_weights(g, plan, (const S*)o.b, workspace);
  const T* panels = g.packed ? (const T*)o.b : workspace;
  const int64_t tiles = plan.tiles.count(), blocks = ceil_div(tiles, plan.block), products = plan.tiles.products();
  const int64_t row = larger(1, smaller(kBlocksInARow, blocks * g.groups / (4 * plan.threads)));
  const int64_t tasks = ceil_div(blocks, row), transformed = products * plan.v_product;
  parallel_tasks(g.groups * tasks, int(plan.threads), [&](int64_t task, int thread) {
    const ImagesTask<S> op = task_of<S>(g, plan, o, panels, task / tasks);
    Source<S> ahead = op.source;  // what the tiles above and to the left have not read yet
    ahead.start_h += plan.tiles.h.r - 1, ahead.start_w += plan.tiles.w.r - 1;
    const int64_t begin = task % tasks * row * plan.block, end = smaller(begin + row * plan.block, tiles);
    T* v = workspace + plan.weights + thread * transformed;
    T* sums = workspace + plan.weights + plan.transformed + thread * plan.sums;
    for (int64_t first = begin, last; first < end; first = last) {
      last = smaller(first + plan.block, end);
      const int64_t next = smaller(last + plan.block, end);
      transform_tiles(op.source, data, plan.tiles, first, last, 0, plan.chunks, {v, plan.v_product, plan.part * L});
      for (int64_t panel = 0; panel < plan.panels; ++panel) {
        const int64_t o0 = panel * kColumns<T>;
        multiply_products(
            g, plan, o0, last - first, g.channels, v, op.packed + panel * plan.panel(), sums, false, [&](int64_t f) {
              fetch_pixels<0>(ahead, plan.tiles, last, next, panel * products + f, plan.panels * products);
              fetch_pixels<1>(as_source(op.result, plan.tiles, o0), plan.tiles, first, last, f, products);
            });
        finish_tiles(op.result, back, plan.tiles, first, last, o0, sums, plan.sum_product);
      }
    }
  });
}

// Tiles [first, last) of one group, into v.
template <class S, class T = Compute<S>>
static void transform_part(const ImagesTask<S>& op, const ImagesPlan& plan, int64_t first, int64_t last, T* v) {
  const Transform<T> data(Kind::data, plan.tiles);
  const int64_t wanted = plan.threads > 1 ? 4 * plan.threads : 1, tiles = last - first;
  const int64_t each = larger(ceil_div(tiles, wanted), smaller(tiles, 4)), pieces = ceil_div(tiles, each);
  const int64_t cuts = smaller(ceil_div(wanted, pieces), plan.chunks);
  parallel_tasks(pieces * cuts, int(plan.threads), [&](int64_t task, int) {
    const int64_t t = first + task / cuts * each, i = task % cuts;
    transform_tiles(op.source, data, plan.tiles, t, smaller(t + each, last), plan.chunks * i / cuts,
                    plan.chunks * (i + 1) / cuts, {v + (t - first) * kChunk<T>, plan.v_product, plan.part * kChunk<T>});
  });
}

template <class S, class T = Compute<S>>
static void run_in_parts(const Gather& g, const ImagesPlan& plan, const ImageOperands& o) {
  constexpr int L = kChunk<T>;
  const Transform<T> transform(Kind::weights, plan.tiles), back(Kind::result, plan.tiles);
  T *weights = (T*)o.workspace, *v = weights + plan.weights, *all_sums = v + plan.transformed;
  const int64_t tiles = plan.tiles.count(), blocks = ceil_div(plan.part, plan.block);
  for (int64_t group = 0; group < g.groups; ++group) {
    const ImagesTask<S> op = task_of<S>(g, plan, o, g.packed ? (const T*)o.b : nullptr, group);
    for (int64_t first = 0; first < tiles; first += plan.part) {
      const int64_t last = smaller(first + plan.part, tiles);
      transform_part(op, plan, first, last, v);
      parallel_tasks(blocks * plan.panels, int(plan.threads), [&](int64_t task, int thread) {
        const int64_t panel = task % plan.panels, o0 = panel * kColumns<T>;
        const int64_t t0 = first + task / plan.panels * plan.block, t1 = smaller(t0 + plan.block, last);
        T *sums = all_sums + thread * plan.sums, *u = weights + thread * plan.panel();
        for (int64_t c = 0; c < g.channels; c += plan.depth) {
          const int64_t depth = smaller(plan.depth, g.channels - c);
          if (!op.packed) transform_weights(op.weights, transform, o0, c, c + depth, {u, plan.u_product, plan.u_chunk});
          multiply_products(g, plan, o0, t1 - t0, depth, v + c * plan.part + (t0 - first) * L,
                            op.packed ? op.packed + panel * plan.panel() : u, sums, c > 0, [](int64_t) {});
        }
        finish_tiles(op.result, back, plan.tiles, t0, t1, o0, sums, plan.sum_product);
      });
    }
  }
}

template <class S, class T = Compute<S>>
static void run_images(const Gather& g, const ImageOperands& o, int64_t m) {
  const ImagesPlan plan = plan_images<T>(g, m);
  (plan.fused ? run_fused<S> : run_in_parts<S>)(g, plan, o);
}

// What g.packed expects; the same for any pixels and threads.
template <class T>
static ImagesPlan plan_packed(Gather g, int64_t m) {
  g.packed = true;
  return plan_images<T>(g, m);
}
template <class S, class T = Compute<S>>
static int64_t packed_images_bytes(const Gather& g, int64_t m) {
  const ImagesPlan plan = plan_packed<T>(g, m);
  return g.groups * plan.panels * plan.panel() * int64_t(sizeof(T));
}
template <class S, class T = Compute<S>>
static void pack_images(const Gather& g, const void* w, void* to, int64_t m) {
  transform_all_weights(g, plan_packed<T>(g, m), (const S*)w, (T*)to);
}

}  // namespace torchconv::ISA_NS::winograd
