// The passes whose result is an image: y from x and w, or grad_x from grad_y and w. For each of the n*n products of a
// tile, sums[tile][output] = transformed source [tile][channel] * transformed weights [channel][output].
//
// Fused: each thread transforms all weights of a group, then each task takes a block of tiles through all stages, in
// its L2. That reads all transformed weights for each block, so where they are many the order is another: a thread
// transforms a part of the tiles, then each task takes a panel of outputs through them, and transforms the panel's
// weights just before use.
//
// No thread waits for what another transforms. With two threads, to transform the weights or the tiles twice takes 1%
// to 4% of the time, to fetch them from the other core's caches up to half where that core is far (parallel.h).
#include "common/simd-inl.h"
#include "common/cut-inl.h"
#include "common/finish-inl.h"
#include "common/gemm/micro-inl.h"
#include "winograd/lines-inl.h"
#include "winograd/squares-inl.h"
#include "winograd/source-inl.h"
#include "winograd/weights-inl.h"
#include "winograd/result-inl.h"

namespace torchconv::ISA_NS::winograd {

struct ImagesPlan {
  Tiles tiles;
  int64_t threads, chunks, panels;
  bool fused;
  int64_t part, parts;                                 // tiles transformed at a time, a block when fused; how often
  int64_t block;                                       // tiles multiplied at a time
  int64_t depth;                                       // channels whose weights are transformed at a time
  int64_t v_product, u_product, u_chunk, sum_product;  // strides
  int64_t weights, transformed, sums;  // elements of each thread: all panels or a panel's depth; V; sums

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
  const int64_t fitting = fused_block(tile_bytes, kRows);
  plan.fused = is_fused(all_weights, tiles, fitting, g.groups, plan.threads);
  if (plan.fused) {
    // Of equal size, and the same number for each thread.
    const int64_t blocks = round_up(ceil_div(tiles, fitting), plan.threads);
    plan.block = plan.part = ceil_div(tiles, blocks);
    plan.depth = g.channels;
  } else {
    plan.parts = count_parts(tiles, g.groups, plan.panels, products * plan.chunks * L * int64_t(sizeof(T)),
                             plan.threads, g.packed);
    plan.part = ceil_div(tiles, plan.parts), plan.parts = ceil_div(tiles, plan.part);
    plan.block = ceil_div(plan.part, ceil_div(plan.part, kMostBlock));
    const int64_t most = chain_of_weights(products, kColumns<T> * int64_t(sizeof(T)), L);
    plan.depth = g.packed ? g.channels : round_up(ceil_div(g.channels, ceil_div(g.channels, most)), L);
  }
  plan.v_product = odd_lines<T>(plan.chunks * plan.part * L);
  plan.u_chunk = smaller(plan.depth, g.channels) * L;
  plan.u_product = odd_lines<T>(kColumnChunks * plan.u_chunk);
  plan.sum_product = odd_lines<T>(plan.block * kColumns<T>);
  plan.weights = g.packed ? 0 : plan.panel() * (plan.fused ? plan.panels : 1);
  plan.transformed = products * plan.v_product;
  plan.sums = products * plan.sum_product;
  return plan;
}

template <class S, class T = Compute<S>>
static int64_t images_workspace(const Gather& g, int64_t m) {
  const ImagesPlan plan = plan_images<T>(g, m);
  return plan.threads * (plan.weights + plan.transformed + plan.sums) * int64_t(sizeof(T));
}

// One thread's part of the workspace.
template <class T>
struct ImagesPieces {
  T *weights, *v, *sums;
  ImagesPieces(const ImagesPlan& plan, void* workspace, int thread)
      : weights((T*)workspace + thread * (plan.weights + plan.transformed + plan.sums)),
        v(weights + plan.weights),
        sums(v + plan.transformed) {}
};

// `count` tiles of the chunk of channels after this one. All transformed tiles are more than L2 holds, and chunks lie
// in other pages: 1.02x to 1.08x of the layer where tiles are few (512 channels at 14x14 and 7x7), 1.2x to 1.3x while
// other tenants are at the L3 cache, 0.98x for 256 channels at 56x56.
template <class T>
TORCHCONV_INLINE FetchAhead fetch_chunk(Chunked<T> chunk, int64_t count) {
  constexpr int64_t line = 64;
  const int64_t lines = ceil_div(count, kColumnChunks);
  return {(const char*)(chunk.data + chunk.stride), lines * line, line, chunk.stride * int64_t(sizeof(T)), int(lines)};
}

// Sums of a block of tiles for a panel of outputs, over `depth` channels whose weights begin at u, in chains of
// kMostChain at the most. Each product fetches the weights of the next one, or, where those have just been made, the
// tiles that it goes on with; and the lines that add_lines(f, to) names.
template <class T, class AddLines>
static void multiply_products(const Gather& g, const ImagesPlan& plan, int64_t o0, int64_t tiles, int64_t depth,
                              const T* v, const T* u, T* sums, bool accumulate, const AddLines& add_lines) {
  constexpr int L = kChunk<T>;
  const int chunks = int(smaller(ceil_div(g.outputs - o0, L), kColumnChunks));
  const bool far_weights = plan.fused || g.packed;
  const int64_t products = plan.tiles.products();
  for (int64_t c = 0; c < depth; c += kMostChain)
    for (int64_t f = 0; f < products; ++f) {
      const T *of_tiles = v + f * plan.v_product + c * plan.part, *of_weights = u + f * plan.u_product + c * L;
      LineList lines;
      add_lines(f, lines);
      for_each_tile(tiles, kRows, [&](int64_t r, int count) {
        const Chunked<T> next{f + 1 < products ? of_weights + plan.u_product : nullptr, plan.u_chunk};
        const Chunked<T> chunk{of_tiles + r * L, plan.part * L};
        FetchAhead ahead = far_weights ? fetch_panel(next) : fetch_chunk(chunk, count);
        ahead.single = lines.lines, ahead.singles_end = lines.lines + lines.count;
        if (far_weights) ahead.keep_share(r, count, tiles);  // else the chunk is of these tiles, and no lines are named
        multiply_tile<T>(count, chunks, smaller(depth - c, kMostChain), chunk, {of_weights, plan.u_chunk},
                         sums + f * plan.sum_product + r * kColumns<T>, accumulate || c > 0, ahead);
      });
    }
}

// All operands of one group.
template <class S>
struct ImagesTask {
  Source<S> source;
  Weights<const S> weights;
  Result<S> result;
};

template <class S>
static ImagesTask<S> task_of(const Gather& g, const ImagesPlan& plan, const ImageOperands& o, int64_t group) {
  const Finish<S> after(o.epilogue, (const S*)o.residual, (const S*)o.out);
  const S* bias = o.bias ? (const S*)o.bias + group * g.outputs : nullptr;
  return {source_of(g, plan.tiles, (const S*)o.a + group * g.channels * g.src_c),
          weights_of(g, (const S*)o.b + group * g.w_group),
          result_of(g, (S*)o.out + group * g.outputs * g.dst_c, bias, after)};
}

// All channels of a panel of outputs.
template <class S, class T = Compute<S>>
static void transform_panel(const Weights<const S>& w, const Transform<T>& transform, const ImagesPlan& plan,
                            int64_t panel, T* to) {
  transform_weights(w, transform, panel * kColumns<T>, 0, w.channels, {to, plan.u_product, plan.u_chunk});
}

// A task is a few blocks, one after the other: images are far from the cache, and the products of one block leave time
// to fetch the next one's pixels and to make room for the results. channels_last, 64 channels at 56x56: 1.1x.
constexpr int64_t kBlocksInARow = 4;

template <class S, class T = Compute<S>>
static void run_fused(const Gather& g, const ImagesPlan& plan, const ImageOperands& o) {
  constexpr int L = kChunk<T>;
  const Transform<T> data(Kind::data, plan.tiles), taps(Kind::weights, plan.tiles), back(Kind::result, plan.tiles);
  const int64_t tiles = plan.tiles.count(), blocks = ceil_div(tiles, plan.block), products = plan.tiles.products();
  const int64_t row = larger(1, smaller(kBlocksInARow, blocks * g.groups / (4 * plan.threads)));
  const int64_t tasks = ceil_div(blocks, row), all = plan.panels * plan.panel();
  parallel_runs(g.groups * tasks, int(plan.threads), [&](int64_t task, int64_t previous, int thread) {
    const int64_t group = task / tasks;
    const ImagesTask<S> op = task_of<S>(g, plan, o, group);
    const ImagesPieces<T> own(plan, o.workspace, thread);
    if (!g.packed && (previous < 0 || previous / tasks != group))
      for (int64_t panel = 0; panel < plan.panels; ++panel)
        transform_panel(op.weights, taps, plan, panel, own.weights + panel * plan.panel());
    const T* panels = g.packed ? (const T*)o.b + group * all : own.weights;
    Source<S> ahead = op.source;  // what the tiles above and to the left have not read yet
    ahead.start_h += plan.tiles.h.r - 1, ahead.start_w += plan.tiles.w.r - 1;
    const int64_t begin = task % tasks * row * plan.block, end = smaller(begin + row * plan.block, tiles);
    for (int64_t first = begin, last; first < end; first = last) {
      last = smaller(first + plan.block, end);
      const int64_t next = smaller(last + plan.block, end);
      transform_tiles(op.source, data, plan.tiles, first, last, 0, plan.chunks, {own.v, plan.v_product, plan.part * L});
      PixelLines<false, S> pixels(ahead, plan.tiles, last, next);
      for (int64_t panel = 0; panel < plan.panels; ++panel) {
        const int64_t o0 = panel * kColumns<T>;
        PixelLines<true, S> results(as_source(op.result, plan.tiles, o0), plan.tiles, first, last);
        multiply_products(g, plan, o0, last - first, g.channels, own.v, panels + panel * plan.panel(), own.sums, false,
                          [&](int64_t f, LineList& to) {
                            pixels.add_to(to, panel * products + f, plan.panels * products);
                            results.add_to(to, f, products);
                          });
        finish_tiles(op.result, back, plan.tiles, first, last, o0, own.sums, plan.sum_product);
      }
    }
  });
}

template <class S, class T = Compute<S>>
static void run_in_parts(const Gather& g, const ImagesPlan& plan, const ImageOperands& o) {
  constexpr int L = kChunk<T>;
  const Transform<T> data(Kind::data, plan.tiles), taps(Kind::weights, plan.tiles), back(Kind::result, plan.tiles);
  const int64_t tiles = plan.tiles.count(), tasks = plan.parts * plan.panels;
  parallel_runs(g.groups * tasks, int(plan.threads), [&](int64_t task, int64_t previous, int thread) {
    const int64_t group = task / tasks, panel = task % plan.panels, o0 = panel * kColumns<T>;
    const int64_t first = task % tasks / plan.panels * plan.part, last = smaller(first + plan.part, tiles);
    const ImagesTask<S> op = task_of<S>(g, plan, o, group);
    const ImagesPieces<T> own(plan, o.workspace, thread);
    if (previous < 0 || previous / plan.panels != task / plan.panels)
      transform_tiles(op.source, data, plan.tiles, first, last, 0, plan.chunks, {own.v, plan.v_product, plan.part * L});
    const T* packed = g.packed ? (const T*)o.b + (group * plan.panels + panel) * plan.panel() : nullptr;
    for (int64_t t0 = first; t0 < last; t0 += plan.block) {
      const int64_t t1 = smaller(t0 + plan.block, last);
      for (int64_t c = 0; c < g.channels; c += plan.depth) {
        const int64_t depth = smaller(plan.depth, g.channels - c);
        if (!packed && (plan.depth < g.channels || t0 == first))
          transform_weights(op.weights, taps, o0, c, c + depth, {own.weights, plan.u_product, plan.u_chunk});
        multiply_products(g, plan, o0, t1 - t0, depth, own.v + c * plan.part + (t0 - first) * L,
                          packed ? packed : own.weights, own.sums, c > 0, [](int64_t, LineList&) {});
      }
      finish_tiles(op.result, back, plan.tiles, t0, t1, o0, own.sums, plan.sum_product);
    }
  });
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
  const ImagesPlan plan = plan_packed<T>(g, m);
  const Transform<T> transform(Kind::weights, plan.tiles);
  parallel_tasks(g.groups * plan.panels, g.threads, [&](int64_t task, int) {
    transform_panel(weights_of(g, (const S*)w + task / plan.panels * g.w_group), transform, plan, task % plan.panels,
                    (T*)to + task * plan.panel());
  });
}

}  // namespace torchconv::ISA_NS::winograd
