// Rows of images to the rows of spectra, and back. Some rows at a time: their slots lie side by side, so that what a
// transform spreads over all columns stays in few pages.
namespace torchconv::ISA_NS {

constexpr int64_t kRowsAtOnce = 4;

// The rows of a chunk of planes of an image.
template <class S>
struct PlaneOf {
  RowOf<S> row;  // row 0
  int64_t down;  // step from row to row
  int64_t height, width;

  RowOf<S> at(int64_t h, int64_t w) const {
    return {row.data + h * down + w * row.pixel, row.channel, row.pixel, row.channels};
  }
};

// Tiles side by side: the i-th has `pixels` pixels from first + i * step on, and zeros behind them.
struct Strips {
  int64_t count, first, step, pixels;
};

// Of one row, at most, for transforms of `size`.
TORCHCONV_INLINE int64_t line_size(int64_t strips, int64_t step, int64_t size) {
  return larger((strips - 1) * step + size, size);
}

// Some rows of one strip, all inside the plane.
template <class S, class T = Compute<S>>
static void transform_strip(const Transforms<T>& t, const PlaneOf<const S>& plane, int64_t top, int64_t rows,
                            int64_t left, int64_t pixels, T* lines, const Series<T>& out) {
  constexpr int L = kChunk<T>;
  const int64_t size = 2 * t.columns;
  if constexpr (kComputedAsStored<S>)
    if (pixels == size && plane.row.channel == 1 && plane.row.channels == L && left >= 0 && left + size <= plane.width)
      return t.w->real(rows, {plane.at(top, left).data, plane.row.pixel, 0, plane.down}, out);
  for (int64_t r = 0; r < rows; ++r) {
    T* line = lines + r * size * L;
    load_row<S>(plane.at(top + r, 0), left, left + pixels, plane.width, line);
    for (int64_t i = pixels; i < size; ++i) zero_chunk(line + i * L);
  }
  t.w->real(rows, {lines, L, 0, size * L}, out);
}

// Rows [top, top + count) of all strips. lines: kRowsAtOnce times line_size() chunks. out: the first row's slots of the
// first strip; strips are out.next apart.
template <class S, class T = Compute<S>>
static void transform_rows(const Transforms<T>& t, const PlaneOf<const S>& plane, int64_t top, int64_t count,
                           const Strips& strips, T* lines, const Series<T>& out) {
  constexpr int L = kChunk<T>;
  const int64_t size = 2 * t.columns, first = smaller(larger(0, -top), count),
                last = larger(first, smaller(count, plane.height - top));
  const auto at = [&](int64_t row, int64_t strip) {
    return Series<T>{out.data + strip * out.next + row * 2 * L, out.step, L, 2 * L};
  };
  for (int64_t i = 0; i < strips.count; ++i)
    zero_slots(t.columns, first, at(0, i)), zero_slots(t.columns, count - last, at(last, i));
  for (int64_t y = first; y < last; y += kRowsAtOnce) {
    const int64_t rows = smaller(kRowsAtOnce, last - y);
    if (plane.row.channel == 1 || strips.pixels < size) {
      for (int64_t i = 0; i < strips.count; ++i)
        transform_strip(t, plane, top + y, rows, strips.first + i * strips.step, strips.pixels, lines, at(y, i));
      continue;
    }
    const int64_t pitch = line_size(strips.count, strips.step, size);
    for (int64_t r = 0; r < rows; ++r)
      load_row<S>(plane.at(top + y + r, 0), strips.first, strips.first + pitch, plane.width, lines + r * pitch * L);
    for (int64_t i = 0; i < strips.count; ++i)
      t.w->real(rows, {lines + i * strips.step * L, L, 0, pitch * L}, at(y, i));
  }
}

// The inverse, of which each strip leaves what is not a result behind its pixels, where the next one puts its own.
template <class S, class T = Compute<S>>
static void write_rows(const Transforms<T>& t, const Series<const T>& in, const PlaneOf<S>& plane, int64_t top,
                       int64_t count, const Strips& strips, T* lines, const T* bias, const Finish<S>& after) {
  constexpr int L = kChunk<T>;
  const int64_t pitch = line_size(strips.count, strips.step, 2 * t.columns);
  const int64_t last = smaller(count, plane.height - top),
                pixels = smaller(strips.count * strips.step, plane.width - strips.first);
  for (int64_t y = 0; y < last; y += kRowsAtOnce) {
    const int64_t rows = smaller(kRowsAtOnce, last - y);
    for (int64_t i = 0; i < strips.count; ++i)
      t.w->inverse(rows, {in.data + i * in.next + y * 2 * L, in.step, L, 2 * L},
                   {lines + i * strips.step * L, L, 0, pitch * L});
    for (int64_t r = 0; r < rows; ++r)
      store_row<S>(lines + r * pitch * L, pixels, bias, after, plane.at(top + y + r, strips.first));
  }
}

}  // namespace torchconv::ISA_NS
