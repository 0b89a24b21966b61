// Images of small NCHW maps: turned, summed as channels_last, and turned back.
namespace torchconv::ISA_NS {

// The problem that one block of channels of one image is.
template <class T>
static Images turned_block(const Images& g) {
  Images block = g;
  block.N = 1, block.sources = block.results = kTurned<T>;
  block.threads = 1, block.stream = false;
  return block;
}

template <class S, class T = Compute<S>>
struct TurnedPieces {
  T *src, *to;
  void* channels;  // for ChannelPieces
  int64_t bytes;

  TurnedPieces(const Images& g, void* workspace, int thread) {
    const int64_t src_size = turned_size<T>(g.h.in * g.w.in), to_size = turned_size<T>(g.h.out * g.w.out);
    bytes = (src_size + to_size) * int64_t(sizeof(T)) + ChannelPieces<T>(turned_block<T>(g), nullptr, 0).bytes;
    src = (T*)((char*)workspace + thread * bytes), to = src + src_size, channels = to + to_size;
  }
};

template <class S, class T = Compute<S>>
static void run_images_turned(const Images& g, const S* src, const S* w, const S* bias, const Finish<S>& after, S* to,
                              void* workspace) {
  const Finish<T> later({}, nullptr, nullptr);  // once turned back
  const Images block = turned_block<T>(g);
  const int64_t blocks = ceil_div(g.results, kTurned<T>), units = blocks * g.N, tasks = smaller(units, 4 * g.threads);
  const int64_t src_plane = g.h.in * g.w.in, to_plane = g.h.out * g.w.out, every = g.h.adjoint ? g.h.stride : 1;
  parallel_tasks(tasks, g.threads, [&](int64_t task, int thread) {
    const TurnedPieces<S> s(g, workspace, thread);
    const ChannelPieces<T> channels(block, s.channels, 0);
    int64_t packed = -1;
    Ahead none;
    for (int64_t unit = task * units / tasks; unit < (task + 1) * units / tasks; ++unit) {
      const int64_t c = unit / g.N * kTurned<T>, n = unit % g.N, count = smaller(kTurned<T>, g.results - c);
      if (packed != c) pack_channels(block, count, w + c * g.w_k, bias ? bias + c : nullptr, channels);
      packed = c;
      turn_in(src + (n * g.results + c) * src_plane, count, src_plane, s.src);
      for (int64_t h = 0; h < g.h.out; ++h)
        sum_row<T>(block, g.h.phase(h % every), h / every, 0, kTurned<T>, s.src, channels, later,
                   s.to + h * g.w.out * kTurned<T>, none);
      turn_out(s.to, count, to_plane, to + (n * g.results + c) * to_plane,
               [&](const S* at, Vector<T> sum, int lanes) { return finished(after, at, sum, lanes); });
    }
  });
}

}  // namespace torchconv::ISA_NS
