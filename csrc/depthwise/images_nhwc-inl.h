// channels_last: lanes are channels, and a block is kBlock places of a row. Weights are packed tap by tap, all channels
// of a tap side by side.
namespace torchconv::ISA_NS {

using depthwise::Images;

// The source's rows around one row of the result, and a block of places in it.
template <class S, class T = Compute<S>>
struct ChannelBlock {
  const OuterTap<S, T>* rows;
  int64_t row_taps;
  int64_t src_at, w_at;  // of the first channel
  InnerTaps inner;
  int64_t channels;
  const T* bias;
  S* to;
  int64_t places, to_step;
  bool stream;
};

// All channels of a block. The last vectors overlap those before them, so that none is partial.
template <int J, int Stride, class S, class T = Compute<S>>
static void sum_channels(const ChannelBlock<S>& b) {
  constexpr int V = kChannelVectors, L = kLanes<T>;
  for (int64_t from = 0; from < b.channels; from += V * L) {
    const int64_t c = smaller(from, b.channels - V * L);
    Vector<T> sum[kBlock][V];
    sum_taps<J, Stride, V, true>(b.rows, b.row_taps, b.src_at + c, b.w_at + c, b.inner, L, sum);
#pragma GCC unroll 16
    for (int u = 0; u < kBlock; ++u) {
      if (u >= b.places) break;
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v)
        finish(b.to + u * b.to_step + c + v * L, sum[u][v], load(b.bias + c + v * L), L, b.stream);
    }
  }
}

// Fewer channels than that.
template <class S, class T = Compute<S>>
static void sum_few_channels(const ChannelBlock<S>& b) {
  constexpr int L = kLanes<T>;
  for (int64_t c = 0; c < b.channels; c += L) {
    const int lanes = int(smaller(L, b.channels - c));
    Vector<T> sum[kBlock][1];
    sum_taps<0, 0, 1, true>(b.rows, b.row_taps, b.src_at + c, b.w_at + c, b.inner, lanes, sum);
    for (int u = 0; u < kBlock && u < b.places; ++u)
      finish(b.to + u * b.to_step + c, sum[u][0], load_part(b.bias + c, lanes), lanes, b.stream);
  }
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

template <class S, class T = Compute<S>>
static void pack_channels(const Images& g, const S* w, const S* bias, const ChannelPieces<S>& s) {
  const int64_t chunk = 64, tasks = ceil_div(g.results, chunk);
  const int threads = g.taps() * g.results < 16384 ? 1 : g.threads;  // fewer are packed before another thread wakes
  parallel_tasks(tasks, threads, [&](int64_t task, int) {
    const int64_t end = smaller((task + 1) * chunk, g.results);
    for (int64_t r = 0, tap = 0; r < g.h.kernel; ++r)
      for (int64_t t = 0; t < g.w.kernel; ++t, ++tap) {
        const S* from = w + r * g.w_r + t * g.w_s;
        T* to = s.w + tap * g.results;
        for (int64_t c = task * chunk; c < end; ++c) to[c] = T(from[c * g.w_k]);
      }
    for (int64_t c = task * chunk; c < end; ++c) s.bias[c] = bias ? T(bias[c]) : T(0);
  });
}

// One row of the result: t-th place of phase f along H, image src.
template <class S, class T = Compute<S>>
static void sum_row(const Images& g, const Phase& f, int64_t t, const S* src, const ChannelPieces<S>& s,
                    OuterTap<S, T>* rows, S* to) {
  const int64_t C = g.results;
  const Range inside = depthwise::taps_inside(f, t, g.h.in);
  for (int64_t i = inside.begin; i < inside.end; ++i)
    rows[i - inside.begin] = {src + f.source(t, i) * g.w.in * C, s.w + (f.tap + i * f.tap_step) * g.w.kernel * C};
  for (int64_t b = 0; b < g.w.phases(); ++b) {
    const Phase across = g.w.phase(b);
    ChannelBlock<S> block{rows,   inside.size(), 0, across.tap * C,   {},      C,
                          s.bias, nullptr,       0, across.every * C, g.stream};
    const auto run =
        C < kChannelVectors * kLanes<T>
            ? sum_few_channels<S>
            : with_taps(
                  across.taps, across.stride, across.dil,
                  [](auto j, auto stride) { return sum_channels<decltype(j)::value, decltype(stride)::value, S>; });
    // The last block overlaps the one before, so that it is whole.
    for (int64_t from = 0; from < across.count; from += kBlock) {
      const int64_t q = larger(0, smaller(from, across.count - kBlock)), at = across.source(q, 0);
      block.inner = {C, -at, g.w.in - at, across.stride, across.dil, across.taps, across.tap_step * C};
      block.src_at = at * C;
      block.to = to + (across.begin + q * across.every) * C, block.places = smaller(kBlock, across.count - q);
      run(block);
    }
  }
}

template <class S, class T = Compute<S>>
static void run_images_nhwc(const Images& g, const S* src, const S* w, const S* bias, S* to, void* workspace) {
  pack_channels(g, w, bias, ChannelPieces<S>(g, workspace, 0));
  const int64_t rows = g.N * g.h.out, every = g.h.adjoint ? g.h.stride : 1;
  const int64_t tasks = smaller(rows, 4 * g.threads);  // so that a slow core can take fewer
  parallel_tasks(tasks, g.threads, [&](int64_t task, int thread) {
    const ChannelPieces<S> s(g, workspace, thread);
    for (int64_t row = task * rows / tasks; row < (task + 1) * rows / tasks; ++row) {
      const int64_t n = row / g.h.out, h = row % g.h.out;
      sum_row(g, g.h.phase(h % every), h / every, src + n * g.h.in * g.w.in * g.results, s, s.rows,
              to + row * g.w.out * g.results);
    }
    if (g.stream) stream_fence();
  });
}

}  // namespace torchconv::ISA_NS
