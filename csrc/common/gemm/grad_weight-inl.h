// grad_w[k][l] = sum over pixels of grad_y[pixel][k] * patch[pixel][l]: the sum runs over pixels, so
// one operand must be turned: grad_y, the smaller of the two. channels_last: A = grad_y turned,
// B = patches. NCHW: A = patches, B = grad_y turned; the result comes out transposed.
// Column l of a patch is (tap, channel) in channels_last and (channel, tap) in NCHW, which is the
// order of grad_w in memory in either layout.
#include "common/simd-inl.h"
#include "common/gemm/micro-inl.h"
#include "common/gemm/patches-inl.h"
#include "common/gemm/reach.h"
#include "common/gemm/turn-inl.h"

namespace torchconv::ISA_NS {

constexpr int64_t kOutputBlock = 512;    // channels of grad_y turned at a time
constexpr int64_t kSumsBytes = 4 << 20;  // most that one thread accumulates at once
// The same where all pixels are about one block: hardly anything is added to the sums, so they may as well go from L2
// to grad_w at once. 512 to 512 channels, 3x3 at 7x7, a single image: 1.2x; 256 KiB, with grad_y turned more often,
// 0.9x of that.
constexpr int64_t kOneBlockSums = 512 << 10;
constexpr int64_t kSplitBytes = 1 << 20;  // up to here each thread sums its own pixels instead

// Pointwise, x is an operand as it stands. In channels_last it is B: whole chunks of channels, rows near enough for L2
// to hold a block. In NCHW it is A, an image at a time: not where images are small, since the sum would be cut short.
template <class S>
TORCHCONV_INLINE bool x_in_place(const Gather& g) {
  if (!kPackedAsStored<S> || !is_pointwise(g)) return false;
  if (g.layout == Layout::nchw) return g.w.count >= 8 * kChunk<S> && whole_steps<Packed<S>>(g.w.count) == g.w.count;
  return kComputedAsStored<S> && g.channels % kChunk<S> == 0 && g.src_w * int64_t(sizeof(S)) <= 1024;
}

// Where the block of pixels that starts at m ends: of equal size and within one image, if that is to be used in place.
template <class S, class P = Packed<S>>
TORCHCONV_INLINE int64_t block_end(const Gather& g, int64_t m, int64_t last) {
  if (g.layout == Layout::nhwc || !x_in_place<S>(g)) return smaller(m + kDepthBlock<P>, last);
  const int64_t plane = g.w.count, in_image = m % plane;
  const int64_t size = round_up(ceil_div(plane, ceil_div(plane, kDepthBlock<P>)), kChunk<P>);
  return smaller(m - in_image + smaller((in_image / size + 1) * size, plane), last);
}

static_assert(kOutputBlock % kColumns<float> == 0 && kDepthBlock<double> % kColumns<float> == 0);

struct GradWeightPlan {
  int64_t columns, column_blocks;  // patch columns per task
  int64_t pixels, splits;          // pixels per task
  int64_t threads;
  int64_t turned, patches, sums;  // bytes: per thread; sums per thread, or per split if splits > 1
  int64_t bytes() const { return threads * (turned + patches) + (splits > 1 ? splits : threads) * sums; }
};

template <class S, class P = Packed<S>, class T = Compute<S>>
static GradWeightPlan plan_grad_weight(const Gather& g) {
  GradWeightPlan plan{};
  const int64_t outputs = round_up(g.outputs, kColumns<T>), columns = round_up(g.depth(), kColumns<T>);
  const double macs = double(g.pixels()) * g.outputs * g.groups * g.depth();
  plan.threads = useful_threads(macs, g.threads);
  const bool split = g.groups < plan.threads && outputs * columns * int64_t(sizeof(T)) <= kSplitBytes;
  plan.splits = split ? smaller(ceil_div(plan.threads, g.groups), ceil_div(g.pixels(), kChunk<T>)) : 1;
  plan.pixels = round_up(ceil_div(g.pixels(), plan.splits), kChunk<T>);
  plan.splits = ceil_div(g.pixels(), plan.pixels);
  // As few blocks as memory allows, since each turns all of grad_y, but a multiple of the threads.
  const bool one_block = g.pixels() <= kDepthBlock<P>;
  int64_t blocks = ceil_div(outputs * columns * int64_t(sizeof(T)), one_block ? kOneBlockSums : kSumsBytes);
  if (plan.splits == 1 && g.groups < plan.threads) blocks = round_up(blocks, plan.threads);
  plan.columns = round_up(ceil_div(g.depth(), blocks), kColumns<T>);
  plan.column_blocks = ceil_div(g.depth(), plan.columns);
  plan.turned = kDepthBlock<P> * smaller(outputs, kOutputBlock) * int64_t(sizeof(P));
  plan.patches = x_in_place<S>(g) ? 0 : kDepthBlock<P> * smaller(plan.columns, kDepthBlock<P>) * int64_t(sizeof(P));
  plan.sums = plan.columns * outputs * (plan.splits > 1 ? g.groups * plan.column_blocks : 1) * int64_t(sizeof(T));
  return plan;
}

// How many ranges of outputs are summed each by a thread of its own, 1: none. Where outputs are more than columns:
// blocks of columns would each turn all of grad_y, the larger operand.
template <class S>
static int64_t output_ranges(const Gather& g) {
  if (g.groups > 1 || g.outputs <= g.depth()) return 1;
  const GradWeightPlan plan = plan_grad_weight<S>(g);
  return plan.splits == 1 && g.outputs >= 4 * plan.threads * kColumns<Compute<S>> ? plan.threads : 1;
}
// The i-th of them, for one thread, and where it begins.
template <class S>
static Gather output_range(const Gather& g, int64_t ranges, int64_t i, int64_t& first) {
  const int64_t panels = ceil_div(g.outputs, kColumns<Compute<S>>);
  first = panels * i / ranges * kColumns<Compute<S>>;
  Gather part = g;
  part.outputs = smaller(panels * (i + 1) / ranges * kColumns<Compute<S>>, g.outputs) - first;
  part.threads = 1;
  return part;
}

template <class S>
static int64_t range_workspace(const Gather& g, int64_t ranges) {
  int64_t first, most = 0;
  for (int64_t i = 0; i < ranges; ++i)
    most = larger(most, plan_grad_weight<S>(output_range<S>(g, ranges, i, first)).bytes());
  return round_up(most, 64);
}

template <class S>
static int64_t grad_weight_workspace(const Gather& g) {
  const int64_t ranges = output_ranges<S>(g);
  return ranges > 1 ? ranges * range_workspace<S>(g, ranges) : plan_grad_weight<S>(g).bytes();
}

// The rectangles whose pixels meet the same taps (reach.h), where threads share out columns: the sums of all pixels.
template <class P>
static std::vector<Gather> rectangles(const Gather& g, const GradWeightPlan& plan) {
  return plan.splits > 1 ? std::vector<Gather>{g} : cut_by_taps(g, kColumns<P>);
}

template <class S>
static double grad_weight_tile_macs(const Gather& g) {
  using T = Compute<S>;
  const bool nhwc = g.layout == Layout::nhwc;
  const int64_t lanes = nhwc ? g.depth() : g.outputs, rows = nhwc ? g.outputs : g.depth();
  const double all =
      double(g.groups) * g.pixels() * round_up(lanes, kChunk<T>) * larger(rows, 4 * ceil_div(rows, kRows));
  const bool cut = rectangles<Packed<S>>(g, plan_grad_weight<S>(g)).size() > 1;
  return cut ? all * share_met(g.h) * share_met(g.w) : all;
}

// Where the sums of the panel that starts at lane0 stand: panels of columns (channels_last) or of outputs (NCHW).
template <class T>
TORCHCONV_INLINE T* panel_sums(T* sums, int64_t lane0, int64_t rows) {
  return sums + lane0 * rows;
}

// One block of pixels [m0, m0 + count) added to the sums over columns [l0, l1). by_taps: no block of columns has those
// of two taps, and none is added that only meet padding.
template <class S, class P = Packed<S>, class T = Compute<S>>
static void add_block(const Gather& g, const S* x, const S* grad_y, int64_t m0, int64_t count, int64_t l0, int64_t l1,
                      bool first, bool by_taps, P* turned, P* patches, T* sums) {
  constexpr int L = kChunk<P>;
  const bool nhwc = g.layout == Layout::nhwc, in_place = x_in_place<S>(g);
  const int64_t depth = whole_steps<P>(count);
  Pixel pixels[kDepthBlock<P>];
  ChunkRuns<T> runs[kDepthBlock<P> / L];
  locate_pixels(g, m0, count, pixels);
  if (!nhwc) split_runs(pixels, count, runs);
  for (int64_t o0 = 0; o0 < g.outputs; o0 += kOutputBlock) {
    const int64_t o1 = smaller(o0 + kOutputBlock, g.outputs);
    if (nhwc)
      turn_nhwc(g, grad_y, pixels, count, o0, o1, turned);
    else
      turn_nchw(g, grad_y, m0, count, o0, o1, turned);
    if (!nhwc)
      for (int64_t o = 0; o < o1 - o0; o += L) pair_rows(turned + o * depth, count);
    for (int64_t l = l0, l_end; l < l1; l = l_end) {
      l_end = smaller(l + kDepthBlock<P>, by_taps ? smaller((l / g.channels + 1) * g.channels, l1) : l1);
      if (by_taps && !any_met(g, l / g.channels, l / g.channels + 1)) continue;
      const int64_t columns = l_end - l;
      if (nhwc) {
        if (!in_place) {
          pack_patches_nhwc(g, x, pixels, count, l, l_end, patches);
          for (int64_t c = 0; c < columns; c += L) pair_rows(patches + c * depth, count);
        }
        const auto panel = [&](int64_t c) {
          if (!in_place) return Chunked<P>{patches + c * depth, depth * L};
          // Behind the last panel: the first of the next block of pixels.
          const int64_t at = l + c < l1 ? m0 * g.src_w + l + c : (m0 + count) * g.src_w + l0;
          return Chunked<P>{(const P*)x + at, L, g.src_w};
        };
        for (int64_t c = 0; c < columns; c += kColumns<T>)
          multiply_panel<P>(o1 - o0, int(smaller(ceil_div(columns - c, L), kColumnChunks)), count,
                            {turned, (o1 - o0) * L}, panel(c),
                            panel_sums(sums, l + c - l0, g.outputs) + o0 * kColumns<T>, !first,
                            in_place && o0 == 0 ? fetch_panel(panel(c + kColumns<T>)) : FetchAhead{});
      } else {
        if (!in_place) pack_patches_nchw(g, x, runs, ceil_div(count, L), l, l_end, patches);
        const Chunked<P> a = in_place ? Chunked<P>{(const P*)x + pixels->source + pixels->w + l * g.src_c, L, g.src_c}
                                      : Chunked<P>{patches, whole_steps<P>(columns) * L};
        for (int64_t o = o0; o < o1; o += kColumns<T>)
          multiply_panel<P>(columns, int(smaller(ceil_div(o1 - o, L), kColumnChunks)), count, a,
                            {turned + (o - o0) * depth, depth * L},
                            panel_sums(sums, o, l1 - l0) + (l - l0) * kColumns<T>, !first);
      }
    }
  }
}

// Adds up the splits' sums for outputs [o0, o1) (at most a chunk) and columns [l0, l1), into rows of grad_w.
template <class S, class T = Compute<S>>
static void finish(const Gather& g, const T* sums, int64_t splits, int64_t split_stride, int64_t o0, int64_t o1,
                   int64_t l0, int64_t l1, S* grad_w) {
  constexpr int L = kChunk<T>, n = kLanes<T>;
  const bool nhwc = g.layout == Layout::nhwc;
  for (int64_t l = l0; l < l1; l += L) {
    // A square of sums: channels_last [output][column], NCHW [column][output].
    T square[L * L];
    const int64_t rows = nhwc ? o1 - o0 : smaller(L, l1 - l);
    const int64_t lane = nhwc ? l - l0 : o0, row = nhwc ? o0 : l - l0, all_rows = nhwc ? g.outputs : l1 - l0;
    const T* from = panel_sums(sums, lane - lane % kColumns<T>, all_rows) + row * kColumns<T> + lane % kColumns<T>;
    for (int64_t i = 0; i < rows; ++i)
      for (int v = 0; v < L; v += n) {
        Vector<T> sum = load(from + i * kColumns<T> + v);
        for (int64_t s = 1; s < splits; ++s) sum += load(from + s * split_stride + i * kColumns<T> + v);
        store(square + i * L + v, sum);
      }
    T turned[L * L];
    if (!nhwc) transpose_chunk(turned, L, square, L);
    for (int64_t o = o0; o < o1; ++o)
      copy_part(grad_w + o * g.depth() + l, (nhwc ? square : turned) + (o - o0) * L, int(smaller(L, l1 - l)));
  }
}

template <class S, class P = Packed<S>, class T = Compute<S>>
static void sum_grad_weight(const Gather& g, const S* x, const S* grad_y, S* grad_w, void* workspace) {
  constexpr int L = kChunk<T>;
  const GradWeightPlan plan = plan_grad_weight<S>(g);
  const std::vector<Gather> parts = rectangles<P>(g, plan);
  const int64_t per_group = plan.column_blocks * plan.splits, output_chunks = ceil_div(g.outputs, L);
  const int64_t block_sums = plan.columns * round_up(g.outputs, kColumns<T>);
  char* scratch = (char*)workspace;
  const auto sums_at = [&](int64_t i) {  // of a thread or a split
    return (T*)(scratch + plan.threads * (plan.turned + plan.patches) + i * plan.sums);
  };
  const auto finish_chunk = [&](int64_t group, int64_t block, int64_t chunk, const T* sums) {
    finish(g, sums, plan.splits, plan.sums / int64_t(sizeof(T)), chunk * L, smaller(chunk * L + L, g.outputs),
           block * plan.columns, smaller((block + 1) * plan.columns, g.depth()),
           grad_w + group * g.outputs * g.depth());
  };
  parallel_tasks(g.groups * per_group, int(plan.threads), [&](int64_t task, int thread) {
    const int64_t group = task / per_group, block = task % per_group / plan.splits, split = task % plan.splits;
    const int64_t l0 = block * plan.columns, l1 = smaller(l0 + plan.columns, g.depth());
    const int64_t first = split * plan.pixels, last = smaller(first + plan.pixels, g.pixels());
    char* own = scratch + thread * (plan.turned + plan.patches);
    T* sums = plan.splits > 1 ? sums_at(split) + (group * plan.column_blocks + block) * block_sums : sums_at(thread);
    const bool cut = parts.size() > 1;
    if (cut) std::fill_n(sums, block_sums, T(0));
    for (const Gather& part : parts) {
      const int64_t end_of_part = cut ? part.pixels() : last;
      if (cut && !any_met(part, l0 / g.channels, ceil_div(l1, g.channels))) continue;
      for (int64_t m = first, end; m < end_of_part; m = end) {
        end = block_end<S>(part, m, end_of_part);
        add_block(part, x + group * g.channels * g.src_c, grad_y + group * g.outputs * g.dst_c, m, end - m, l0, l1,
                  m == first && !cut, cut, (P*)own, (P*)(own + plan.turned), sums);
      }
    }
    if (plan.splits == 1)
      for (int64_t chunk = 0; chunk < output_chunks; ++chunk) finish_chunk(group, block, chunk, sums);
  });
  if (plan.splits > 1)
    parallel_tasks(g.groups * plan.column_blocks * output_chunks, int(plan.threads), [&](int64_t task, int) {
      const int64_t group = task / (plan.column_blocks * output_chunks),
                    block = task / output_chunks % plan.column_blocks;
      finish_chunk(group, block, task % output_chunks, sums_at(0) + (group * plan.column_blocks + block) * block_sums);
    });
}

template <class S>
static void run_grad_weight(const Gather& g, const S* x, const S* grad_y, S* grad_w, void* workspace) {
  const int64_t ranges = output_ranges<S>(g);
  if (ranges == 1) return sum_grad_weight<S>(g, x, grad_y, grad_w, workspace);
  const int64_t bytes = range_workspace<S>(g, ranges);
  parallel_tasks(ranges, int(ranges), [&](int64_t i, int) {
    int64_t first;
    const Gather part = output_range<S>(g, ranges, i, first);
    sum_grad_weight<S>(part, x, grad_y + first * g.dst_c, grad_w + first * g.depth(), (char*)workspace + i * bytes);
  });
}

}  // namespace torchconv::ISA_NS
