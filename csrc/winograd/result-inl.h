// Sums of products -> pixels of the result, with bias, residual and activation.
namespace torchconv::ISA_NS::winograd {

// y, or grad_x: tile (i, j) is m x m pixels from (i * m, j * m) on.
template <class S>
struct Result {
  S* data;
  const S* bias;       // of the first channel; null if there is none
  int64_t n, c, h, w;  // strides
  int64_t P, Q, channels;
  Layout layout;
  Finish<S> finish;
};
template <class S>
TORCHCONV_INLINE Result<S> result_of(const Gather& g, S* data, const S* bias, const Finish<S>& finish) {
  return {data, bias, g.dst_n, g.dst_c, g.dst_h, g.dst_w, g.h.count, g.w.count, g.outputs, g.layout, finish};
}

// rows x columns pixels of a chunk of channels, at `to`; rows of `pixels` are row_stride chunks apart.
template <class S, class T = Compute<S>>
static void write_pixels(const Result<S>& y, S* to, int64_t c0, int64_t rows, int64_t columns, const T* pixels,
                         int64_t row_stride) {
  constexpr int L = kChunk<T>, n = kLanes<T>;
  const int64_t channels = smaller(L, y.channels - c0);
  if (y.layout == Layout::nhwc) {
    for (int v = 0; v < channels; v += n) {
      const int lanes = int(smaller(n, channels - v));
      const Vector<T> bias = y.bias ? load_part(y.bias + c0 + v, lanes) : Vector<T>{};
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j)
          finish(y.finish, to + i * y.h + j * y.w + v, load(pixels + (i * row_stride + j) * L + v), bias, lanes, false);
    }
    return;
  }
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; j += L)
      turn_out(pixels + (i * row_stride + j) * L, L, smaller(L, columns - j), channels,
               [&](int64_t c, int64_t q, Vector<T> v, int lanes) {
                 const Vector<T> bias = (y.bias ? T(y.bias[c0 + c]) : T(0)) - Vector<T>{};
                 finish(y.finish, to + c * y.c + i * y.h + j + q, v, bias, lanes, false);
               });
}

// The panel of channels from c0 on, as PixelLines takes it.
template <class S>
TORCHCONV_INLINE Source<S> as_source(const Result<S>& y, const Tiles& tiles, int64_t c0) {
  const int64_t channels = smaller(kColumns<Compute<S>>, y.channels - c0);
  return {y.data + c0 * y.c, y.n, y.c, y.h, y.w, y.P, y.Q, channels, tiles.h.m, tiles.w.m, 0, 0, y.layout};
}

// The panel of channels from c0 on of tiles [first, last); sums[product * product_stride + tile * kColumns + lane].
template <class S, class T = Compute<S>>
static void finish_tiles(const Result<S>& y, const Transform<T>& transform, const Tiles& tiles, int64_t first,
                         int64_t last, int64_t c0, const T* sums, int64_t product_stride) {
  constexpr int L = kChunk<T>;
  alignas(64) T pixels[kStripPixels * L];
  const int64_t most = y.layout == Layout::nchw ? kStripTiles : 1;
  const Strides of_products{tiles.w.n() * product_stride, product_stride};
  for (int64_t t = first, end; t < last; t = end) {
    end = end_of_row(tiles, t, smaller(t + most, last));
    const Place at = place(tiles, t);
    const int64_t p = at.i * tiles.h.m, q = at.j * tiles.w.m, columns = (end - t) * tiles.w.m;
    const int64_t height = smaller(tiles.h.m, y.P - p), width = smaller(columns, y.Q - q);
    S* to = y.data + at.n * y.n + c0 * y.c + p * y.h + q * y.w;
    // Nothing to add and no edge: straight to where the pixels belong.
    const bool plain =
        y.layout == Layout::nhwc && y.finish.nothing && !y.bias && height == tiles.h.m && width == tiles.w.m;
    for (int64_t c = 0; c < smaller(kColumns<T>, y.channels - c0); c += L) {
      if constexpr (kComputedAsStored<S>)
        if (plain && c0 + c + L <= y.channels) {
          transform(sums + (t - first) * kColumns<T> + c, of_products, to + c, {y.h, y.w});
          continue;
        }
      for (int64_t i = t; i < end; ++i)
        transform(sums + (i - first) * kColumns<T> + c, of_products, pixels + (i - t) * tiles.w.m * L,
                  {columns * L, L});
      write_pixels(y, to + c * y.c, c0 + c, height, width, pixels, columns);
    }
  }
}

}  // namespace torchconv::ISA_NS::winograd
