// One chunk of channels of a tile: its rows' transforms, then its spectrum.
namespace torchconv::ISA_NS {

// A spectrum of one chunk of channels: [column][slot], columns a cache line further apart.
template <class T>
struct Spectrum {
  T* data;
  int64_t column;

  static int64_t column_step(int64_t rows) { return rows * 2 * kChunk<T> + kChunk<T>; }
  static int64_t size(const Transforms<T>& t) { return t.columns * column_step(t.rows); }
  Spectrum(const Transforms<T>& t, T* data) : data(data), column(column_step(t.rows)) {}
  Series<T> rows() const { return {data, column, kChunk<T>}; }
};

// f(where it stands) for all vectors of a column's slots, or f_of_pair for pairs of real numbers.
template <class T, class F, class P>
TORCHCONV_INLINE void for_each_product(const Transforms<T>& t, int64_t column, const F& f, const P& f_of_pair) {
  constexpr int L = kChunk<T>;
  for (int64_t slot = 0; slot < t.rows; ++slot)
    for (int v = 0; v < L; v += kLanes<T>)
      if (Transforms<T>::is_pair(t, column, slot))
        f_of_pair(slot * 2 * L + v);
      else
        f(slot * 2 * L + v);
}

// x = x * conj(y), slot by slot.
template <class T>
static void multiply_in_place(const Transforms<T>& t, int64_t column, T* x, const T* y) {
  constexpr int L = kChunk<T>;
  for_each_product(
      t, column,
      [&](int64_t i) __attribute__((always_inline)) {
        const Vector<T> x_re = load(x + i), x_im = load(x + i + L), y_re = load(y + i), y_im = load(y + i + L);
        store(x + i, x_re * y_re + x_im * y_im), store(x + i + L, x_im * y_re - x_re * y_im);
      },
      [&](int64_t i) __attribute__((always_inline)) {
        store(x + i, load(x + i) * load(y + i)), store(x + i + L, load(x + i + L) * load(y + i + L));
      });
}
// sum += x * conj(y).
template <class T>
static void add_products(const Transforms<T>& t, int64_t column, const T* x, const T* y, T* sum) {
  constexpr int L = kChunk<T>;
  for_each_product(
      t, column,
      [&](int64_t i) __attribute__((always_inline)) {
        const Vector<T> x_re = load(x + i), x_im = load(x + i + L), y_re = load(y + i), y_im = load(y + i + L);
        store(sum + i, load(sum + i) + x_re * y_re + x_im * y_im);
        store(sum + i + L, load(sum + i + L) + x_im * y_re - x_re * y_im);
      },
      [&](int64_t i) __attribute__((always_inline)) {
        store(sum + i, load(sum + i) + load(x + i) * load(y + i));
        store(sum + i + L, load(sum + i + L) + load(x + i + L) * load(y + i + L));
      });
}

// Task (chunk of channels, some of the images): few chunks for many threads, or else all images.
TORCHCONV_INLINE int64_t image_splits(int64_t chunks, int64_t N, int64_t threads) {
  return threads == 1 || chunks >= 4 * threads ? 1 : smaller(N, ceil_div(2 * threads, chunks));
}

}  // namespace torchconv::ISA_NS
