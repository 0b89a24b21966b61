// Depthwise images: a tile at a time, all of its spectrum, which the products leave in place.
namespace torchconv::ISA_NS {

// One thread's part of the workspace.
template <class T>
struct DepthwisePieces {
  T *weights, *tile, *column, *lines, *taps;
  int64_t size;

  DepthwisePieces(const Images& g, const Transforms<T>& t, T* workspace, int64_t thread) {
    constexpr int L = kChunk<T>;
    const int64_t spectrum = Spectrum<T>::size(t), slots = t.rows * 2 * L, line = kRowsAtOnce * g.w.size * L;
    size = 2 * spectrum + slots + line + g.h.taps * g.w.taps * L;
    weights = workspace + thread * size, tile = weights + spectrum, column = tile + spectrum, lines = column + slots,
    taps = lines + line;
  }
};

// The spectrum of one chunk of kernels. Its rows are put where the tile's go later.
template <class S, class T = Compute<S>>
static void transform_kernels(const Images& g, const Transforms<T>& t, const S* w, int64_t channels,
                              const DepthwisePieces<T>& s) {
  constexpr int L = kChunk<T>;
  const Spectrum<T> rows(t, s.tile), out(t, s.weights);
  for (int64_t i = 0; i < t.columns * rows.column; i += L) zero_chunk(rows.data + i);
  load_taps(g, w, channels, s.taps);
  for (int64_t i = 0; i < g.w.size; ++i) zero_chunk(s.lines + i * L);
  for (int64_t r = 0; r < g.h.taps; ++r) {
    scale_taps<T>(g, s.taps + r * g.w.taps * L, s.lines);
    t.w->real(1, {s.lines, L}, {rows.data + g.h.place(r) * 2 * L, rows.column, L});
  }
  for (int64_t j = 0; j < t.columns; ++j)
    forward_columns<T>(t, j, 1, {rows.data + j * rows.column, 2 * L, L}, g.h.reach(),
                       {out.data + j * out.column, 2 * L, L});
}

template <class S, class T = Compute<S>>
static void run_depthwise(const Images& g, const S* src, const S* w, const S* bias, const Finish<S>& after, S* dst,
                          void* workspace) {
  constexpr int L = kChunk<T>;
  const Transforms<T> t(g.isa, g.h.size, g.w.size);
  const int64_t chunks = ceil_div(g.results, L), splits = image_splits(chunks, g.N, g.threads);
  parallel_tasks(chunks * splits, g.threads, [&](int64_t task, int thread) {
    const int64_t c = task / splits * L, split = task % splits, channels = smaller(L, g.results - c);
    const DepthwisePieces<T> s(g, t, (T*)workspace, thread);
    const Spectrum<T> tile(t, s.tile), kernels(t, s.weights);
    T biases[L];
    load_bias<S>(bias ? bias + c : nullptr, channels, biases);
    transform_kernels<S>(g, t, w + c * g.w_out, channels, s);
    const int64_t per_image = g.h.tiles * g.w.tiles;
    for (int64_t i = part(g.N, splits, split) * per_image; i < part(g.N, splits, split + 1) * per_image; ++i) {
      const int64_t n = i / per_image, y = i % per_image / g.w.tiles * g.h.step, x = i % g.w.tiles * g.w.step;
      const RowOf<const S> from{src + n * g.src_n + c * g.src_c, g.src_c, g.src_w, channels};
      const RowOf<S> to{dst + n * g.dst_n + c * g.dst_c, g.dst_c, g.dst_w, channels};
      transform_rows<S>(t, {from, g.src_h, g.h.in, g.w.in}, y - g.h.pad, g.h.size, {1, x - g.w.pad, 0, g.w.size},
                        s.lines, tile.rows());
      for (int64_t j = 0; j < t.columns; ++j) {
        const Series<T> rows{tile.data + j * tile.column, 2 * L, L}, slots{s.column, 2 * L, L};
        forward_columns<T>(t, j, 1, {rows.data, 2 * L, L}, t.rows, slots);
        multiply_in_place(t, j, s.column, kernels.data + j * kernels.column);
        inverse_columns<T>(t, j, 1, {s.column, 2 * L, L}, rows);
      }
      write_rows<S>(t, {tile.data, tile.column}, {to, g.dst_h, g.h.out, g.w.out}, y, g.h.step, {1, x, g.w.step, 0},
                    s.lines, biases, after);
    }
  });
}

}  // namespace torchconv::ISA_NS
