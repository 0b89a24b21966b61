// channels_last: lanes are channels, and a block is kBlock places of a row. Weights are packed tap by tap, all channels
// of a tap side by side.
#include "depthwise/ahead-inl.h"

namespace torchconv::ISA_NS {

using depthwise::Images;

// The source's rows around one row of the result, and a block of places in it.
template <class S, class T = Compute<S>>
struct ChannelBlock {
  const OuterTap<S, T>* rows;
  int64_t row_taps;
  int64_t src_at, w_at;  // of the first channel
  InnerTaps inner;
  int64_t channels, begin, end;  // of all, and those to sum
  const T* bias;
  S* to;
  int64_t places, to_step;
  bool stream;
  const Finish<S>* after;
};

// Channels [begin, end) of a block, V vectors at a time. The last ones overlap those before, so that none is partial.
template <int J, int Stride, int V, class S, class T = Compute<S>>
static void sum_channels(const ChannelBlock<S>& in_memory) {
  constexpr int L = kLanes<T>;
  const ChannelBlock<S> b = in_memory;  // copies, since what is stored could change the originals
  const Finish<S> after = *b.after;
  for (int64_t from = b.begin; from < b.end; from += V * L) {
    const int64_t c = smaller(from, b.channels - V * L);
    Vector<T> sum[kBlock][V];
    sum_taps<J, Stride, V, true>(b.rows, b.row_taps, b.src_at + c, b.w_at + c, b.inner, L, sum);
    Vector<T> bias[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) bias[v] = load(b.bias + c + v * L);
    S* to = b.to + c;
#pragma GCC unroll 16
    for (int u = 0; u < kBlock; ++u, to += b.to_step) {
      if (u >= b.places) break;
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) finish(after, to + v * L, sum[u][v], bias[v], L, b.stream);
    }
  }
}

// Fewer channels than one vector.
template <class S, class T = Compute<S>>
static void sum_few_channels(const ChannelBlock<S>& b) {
  constexpr int L = kLanes<T>;
  for (int64_t c = b.begin; c < b.end; c += L) {
    const int lanes = int(smaller(L, b.channels - c));
    Vector<T> sum[kBlock][1];
    sum_taps<0, 0, 1, true>(b.rows, b.row_taps, b.src_at + c, b.w_at + c, b.inner, lanes, sum);
    for (int u = 0; u < kBlock && u < b.places; ++u)
      finish(*b.after, b.to + u * b.to_step + c, sum[u][0], load_part(b.bias + c, lanes), lanes, b.stream);
  }
}

// One vector at a time where there are no more: 16 and 24 channels, 3x3 and 5x5 3x to 5x, 7x7 6x and more (Zen 5).
template <class S, class T = Compute<S>>
static void (*pick_sums(int64_t channels, const Phase& f))(const ChannelBlock<S>&) {
  if (channels < kLanes<T>) return sum_few_channels<S>;
  return with_taps(f.taps, f.stride, f.dil, [&](auto j, auto stride) {
    constexpr int J = decltype(j)::value, Stride = decltype(stride)::value;
    return channels < kVectorsOfChannels * kLanes<T> ? sum_channels<J, Stride, 1, S>
                                                     : sum_channels<J, Stride, kVectorsOfChannels, S>;
  });
}

// One thread's list of the rows around a row of the result, behind the packed weights and the bias.
template <class S, class T = Compute<S>>
struct ChannelPieces {
  T *w, *bias;
  OuterTap<S, T>* rows;
  int64_t bytes;  // of all

  ChannelPieces(const Images& g, void* workspace, int thread) {
    const int64_t packed = round_up((g.taps() + 1) * g.results * int64_t(sizeof(T)), 64),
                  list = round_up(g.h.kernel * int64_t(sizeof(OuterTap<S, T>)), 64);
    w = (T*)workspace, bias = w + g.taps() * g.results;
    rows = (OuterTap<S, T>*)((char*)workspace + packed + thread * list);
    bytes = packed + g.threads * list;
  }
};

// The weights and the bias of the first `count` channels; s has g.results of them.
template <class S, class T>
static void pack_channels(const Images& g, int64_t count, const S* w, const S* bias, const ChannelPieces<T>& s) {
  const int64_t chunk = 64;
  const int threads = g.taps() * count < 16384 ? 1 : g.threads;  // fewer are packed before another thread wakes
  parallel_tasks(ceil_div(count, chunk), threads, [&](int64_t task, int) {
    const int64_t end = smaller((task + 1) * chunk, count);
    for (int64_t r = 0, tap = 0; r < g.h.kernel; ++r)
      for (int64_t t = 0; t < g.w.kernel; ++t, ++tap) {
        const S* from = w + r * g.w_r + t * g.w_s;
        auto* to = s.w + tap * g.results;
        for (int64_t c = task * chunk; c < end; ++c) to[c] = Compute<S>(from[c * g.w_k]);
      }
    for (int64_t c = task * chunk; c < end; ++c) s.bias[c] = Compute<S>(bias ? bias[c] : S{});
  });
}

// Channels [begin, end) of one row of the result: the t-th place of phase f along H, image src.
template <class S, class T = Compute<S>>
static void sum_row(const Images& g, const Phase& f, int64_t t, int64_t begin, int64_t end, const S* src,
                    const ChannelPieces<S>& s, const Finish<S>& after, S* to, Ahead& next) {
  const int64_t C = g.results;
  const Range inside = taps_inside(f, t, g.h.in);
  for (int64_t i = inside.begin; i < inside.end; ++i)
    s.rows[i - inside.begin] = {src + f.source(t, i) * g.w.in * C, s.w + (f.tap + i * f.tap_step) * g.w.kernel * C};
  for (int64_t b = 0; b < g.w.phases(); ++b) {
    const Phase across = g.w.phase(b);
    ChannelBlock<S> block{};
    block.rows = s.rows, block.row_taps = inside.size(), block.w_at = across.tap * C;
    block.channels = C, block.begin = begin, block.end = end;
    block.bias = s.bias, block.to_step = across.every * C, block.stream = g.stream, block.after = &after;
    const auto run = pick_sums<S>(C, across);
    // The last block overlaps the one before, so that it is whole.
    for (int64_t from = 0; from < across.count; from += kBlock) {
      const int64_t q = larger(0, smaller(from, across.count - kBlock)), at = across.source(q, 0);
      block.inner = {C, -at, g.w.in - at, across.stride, across.dil, across.taps, across.tap_step * C};
      block.src_at = at * C;
      block.to = to + (across.begin + q * across.every) * C, block.places = smaller(kBlock, across.count - q);
      next.fetch();
      run(block);
    }
  }
}

// Whether all channels of a row of the result come before the next row, rather than all rows of a strip for a few
// channels: what comes from memory is read and written in its order then, but rows under a kernel are read from L2. On
// a Zen 5 1.05x to 1.4x for operands of more than 5 MiB, 1.5x for 116 and 192 channels at 28x28 (caches swept),
// and 1.1x to 1.6x for gradients of the input with a stride, whose results are the larger operand; 0.7x to 0.85x for
// 384 and 576 channels at 14x14, and for 7x7 of 192 channels at 28x28 (not swept).
template <class S>
static bool goes_in_order(const Images& g, int64_t moved) {
  const int64_t pixel = g.results * int64_t(sizeof(S)), source = g.N * g.h.in * g.w.in * pixel,
                under_kernel = g.h.kernel * g.w.in * pixel;
  if (under_kernel > kStripInL2) return false;
  return source >= kAheadBytes || g.h.phases() > 1 || (moved >= 9 << 20 && under_kernel <= 128 << 10) ||
         (moved >= 4 << 20 && under_kernel <= 48 << 10);
}

// In order and with operands of so many bytes, strips of a quarter, since the next one is fetched: 96 channels at
// 112x112, stride 2, 1.2x, and 3x3 with stride 1 1.05x to 1.1x. Of 12 MiB it is 0.95x.
constexpr int64_t kNearBytes = 16 << 20;

template <class S, class T = Compute<S>>
static void run_images_nhwc(const Images& g, const S* src, const S* w, const S* bias, const Finish<S>& after, S* to,
                            void* workspace) {
  pack_channels(g, g.results, w, bias, ChannelPieces<S>(g, workspace, 0));
  const int64_t C = g.results, rows = g.N * g.h.out, every = g.h.adjoint ? g.h.stride : 1;
  const int64_t tasks = smaller(rows, 4 * g.threads);  // so that a slow core can take fewer
  const int64_t block = kVectorsOfChannels * kLanes<T>, row_bytes = g.w.in * int64_t(sizeof(S));
  const int64_t moved = g.N * (g.h.in * g.w.in + g.h.out * g.w.out) * C * int64_t(sizeof(S));
  const bool in_order = goes_in_order<S>(g, moved), near = in_order && moved >= kNearBytes,
             ahead = in_order || g.N * g.h.in * row_bytes * C >= kAheadBytes;
  const int64_t strip = larger(1, strip_rows(g.h, row_bytes * C) / (near ? 4 : 1));
  int64_t blocks = 0;  // of a row
  for (int64_t b = 0; b < g.w.phases(); ++b) blocks += ceil_div(g.w.phase(b).count, kBlock);
  const int64_t channels = in_order ? C : block * larger(1, kRowsInL1 / (row_bytes * g.h.kernel * block));
  parallel_tasks(tasks, g.threads, [&](int64_t task, int thread) {
    const ChannelPieces<S> s(g, workspace, thread);
    const int64_t last = (task + 1) * rows / tasks;
    for (int64_t first = task * rows / tasks, end; first < last; first = end) {
      end = smaller(first + strip, last);
      Ahead next(ahead, src, g.h.in, g.h.out, g.N, row_bytes * C, end, smaller(end + strip, last),
                 (end - first) * ceil_div(C, channels) * blocks);
      for (int64_t c = 0; c < C; c += channels)
        for (int64_t row = first; row < end; ++row) {
          const int64_t n = row / g.h.out, h = row % g.h.out;
          sum_row(g, g.h.phase(h % every), h / every, c, smaller(c + channels, C), src + n * g.h.in * g.w.in * C, s,
                  after, to + row * g.w.out * C, next);
        }
    }
    if (g.stream) stream_fence();
  });
}

}  // namespace torchconv::ISA_NS
