// Depthwise weights: the products of the spectra of x and grad_y, summed over all tiles and transformed back once.
namespace torchconv::ISA_NS {

template <class T>
struct DepthwiseSums {
  T *x, *y, *x_column, *y_column, *lines, *taps;
  int64_t spectrum, size, splits;

  DepthwiseSums(const WeightGradient& g, const Transforms<T>& t, T* workspace, int64_t thread) {
    constexpr int L = kChunk<T>;
    const int64_t slots = t.rows * 2 * L, line = kRowsAtOnce * g.w.size * L;
    spectrum = Spectrum<T>::size(t), splits = image_splits(ceil_div(g.K, L), g.N, g.threads);
    size = 2 * spectrum + 2 * slots + line + g.h.taps * g.w.taps * L;
    x = workspace + thread * size, y = x + spectrum, x_column = y + spectrum, y_column = x_column + slots,
    lines = y_column + slots, taps = lines + line;
  }
  // The sums of a task: behind all threads' parts.
  T* sums(const WeightGradient& g, T* workspace, int64_t task) const {
    return workspace + g.threads * size + task * spectrum;
  }
  int64_t numbers(const WeightGradient& g) const {
    return g.threads * size + ceil_div(g.K, kChunk<T>) * splits * spectrum;
  }
};

template <class S, class T = Compute<S>>
static void sum_images(const WeightGradient& g, const Transforms<T>& t, const S* x, const S* grad_y, int64_t c,
                       int64_t first, int64_t last, const DepthwiseSums<T>& s, T* sums) {
  constexpr int L = kChunk<T>;
  const int64_t channels = smaller(L, g.K - c);
  const Spectrum<T> of_x(t, s.x), of_y(t, s.y), all(t, sums);
  for (int64_t i = 0; i < s.spectrum; i += L) zero_chunk(sums + i);
  for (int64_t n = first; n < last; ++n)
    for (int64_t i = 0; i < g.h.tiles * g.w.tiles; ++i) {
      const int64_t row = i / g.w.tiles * g.h.step, column = i % g.w.tiles * g.w.step;
      const RowOf<const S> x_rows{x + n * g.x_n + c * g.x_c, g.x_c, g.x_w, channels};
      const RowOf<const S> y_rows{grad_y + n * g.y_n + c * g.y_c, g.y_c, g.y_w, channels};
      transform_rows<S>(t, {x_rows, g.x_h, g.h.in, g.w.in}, row - g.h.pad, g.h.size, {1, column - g.w.pad, 0, g.w.size},
                        s.lines, of_x.rows());
      transform_rows<S>(t, {y_rows, g.y_h, g.h.out, g.w.out}, row, g.h.step, {1, column, 0, g.w.step}, s.lines,
                        of_y.rows());
      for (int64_t j = 0; j < t.columns; ++j)
        zero_slots<T>(t.rows - g.h.step, 1, {of_y.data + j * of_y.column + g.h.step * 2 * L, 2 * L, L});
      for (int64_t j = 0; j < t.columns; ++j) {
        forward_columns<T>(t, j, 1, {of_x.data + j * of_x.column, 2 * L, L}, t.rows, {s.x_column, 2 * L, L});
        forward_columns<T>(t, j, 1, {of_y.data + j * of_y.column, 2 * L, L}, g.h.step, {s.y_column, 2 * L, L});
        add_products(t, j, s.x_column, s.y_column, all.data + j * all.column);
      }
    }
}

template <class S, class T = Compute<S>>
static void grad_weight_depthwise(const WeightGradient& g, const S* x, const S* grad_y, S* grad_w, void* workspace) {
  constexpr int L = kChunk<T>;
  const Transforms<T> t(g.isa, g.h.size, g.w.size);
  T* numbers = (T*)workspace;
  const DepthwiseSums<T> plan(g, t, numbers, 0);
  const int64_t chunks = ceil_div(g.K, L);
  parallel_tasks(chunks * plan.splits, g.threads, [&](int64_t task, int thread) {
    const DepthwiseSums<T> s(g, t, numbers, thread);
    const int64_t split = task % s.splits;
    sum_images<S>(g, t, x, grad_y, task / s.splits * L, part(g.N, s.splits, split), part(g.N, s.splits, split + 1), s,
                  s.sums(g, numbers, task));
  });
  parallel_tasks(chunks, g.threads, [&](int64_t chunk, int thread) {
    const DepthwiseSums<T> s(g, t, numbers, thread);
    const Spectrum<T> sums(t, s.sums(g, numbers, chunk * s.splits)), rows(t, s.x);
    for (int64_t split = 1; split < s.splits; ++split)
      for (int64_t i = 0; i < s.spectrum; i += kLanes<T>)
        store(sums.data + i, load(sums.data + i) + load(sums.data + split * s.spectrum + i));
    for (int64_t j = 0; j < t.columns; ++j)
      inverse_columns<T>(t, j, 1, {sums.data + j * sums.column, 2 * L, L}, {rows.data + j * rows.column, 2 * L, L});
    for (int64_t r = 0; r < g.h.taps; ++r)
      inverse_row_of_taps<T>(g, t, {rows.data + g.h.place(r) * 2 * L, rows.column, L}, s.lines,
                             s.taps + r * g.w.taps * L);
    store_taps<S>(g, s.taps, smaller(L, g.K - chunk * L), grad_w + chunk * L * g.w_k);
  });
}

}  // namespace torchconv::ISA_NS
