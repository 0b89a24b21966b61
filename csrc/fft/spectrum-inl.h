// One chunk of channels of a tile: its rows' transforms, then its spectrum.
namespace torchconv::ISA_NS {

// How many rows of a tile are transformed in one call.
constexpr int64_t kRowsAtOnce = 8;

// A spectrum of one chunk of channels: [column][slot], columns a cache line further apart.
template <class T>
struct Spectrum {
  T* data;
  int64_t column;

  static int64_t column_step(int64_t rows) { return rows * 2 * kChunk<T> + kChunk<T>; }
  static int64_t size(const Transforms<T>& t) { return t.columns * column_step(t.rows); }
  Spectrum(const Transforms<T>& t, T* data) : data(data), column(column_step(t.rows)) {}
};

// The rows of one plane of an image.
template <class S>
struct PlaneOf {
  RowOf<S> row;  // row 0
  int64_t down;  // step from row to row
  int64_t height, width;

  RowOf<S> at(int64_t h) const { return {row.data + h * down, row.channel, row.pixel, row.channels}; }
};

// Transforms rows [top, top + count) of pixels [left, left + pixels), zero outside the plane and in the rest of the
// spectrum's rows. lines: kRowsAtOnce * w.size chunks.
template <class S, class T = Compute<S>>
static void transform_rows(const Transforms<T>& t, const PlaneOf<const S>& plane, int64_t top, int64_t count,
                           int64_t left, int64_t pixels, T* lines, const Spectrum<T>& s) {
  constexpr int L = kChunk<T>;
  const int64_t width = 2 * t.columns, first = smaller(larger(0, -top), count),
                last = larger(first, smaller(count, plane.height - top));
  for (int64_t j = 0; j < t.columns; ++j) {
    T* column = s.data + j * s.column;
    for (int64_t i = 0; i < 2 * first; ++i) zero_chunk(column + i * L);
    for (int64_t i = 2 * last; i < 2 * t.rows; ++i) zero_chunk(column + i * L);
  }
  for (int64_t i = 0; i < kRowsAtOnce; ++i)
    for (int64_t q = pixels; q < width; ++q) zero_chunk(lines + (i * width + q) * L);
  for (int64_t y = first; y < last; y += kRowsAtOnce) {
    const int64_t rows = smaller(kRowsAtOnce, last - y);
    for (int64_t i = 0; i < rows; ++i)
      load_row<S>(plane.at(top + y + i), left, left + pixels, plane.width, lines + i * width * L);
    t.w->real(rows, {lines, L, 0, width * L}, {s.data + y * 2 * L, s.column, L, 2 * L});
  }
}

// f(re, im, x_re, x_im, y_re, y_im) for all vectors of a column's slots; pairs count as two real numbers.
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
