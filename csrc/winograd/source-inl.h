// Images -> transformed tiles, in the format that the micro-kernels read:
//   to[product * product_stride + channel chunk * chunk_stride + tile * L + lane]
// From channels_last a tile is read where it stands. From NCHW, and where a tile reaches into the padding, its pixels
// are first put into a strip of whole chunks.
namespace torchconv::ISA_NS::winograd {

// x, or grad_y: tile (i, j) is in_h x in_w pixels from (i * step_h + start_h, j * step_w + start_w) on.
template <class S>
struct Source {
  const S* data;
  int64_t n, c, h, w;  // strides
  int64_t H, W, channels;
  int64_t step_h, step_w, start_h, start_w;
  Layout layout;
};

// What a Gather reads, and what it writes, as a source.
template <class S>
TORCHCONV_INLINE Source<S> source_of(const Gather& g, const Tiles& tiles, const S* data) {
  return {data,       g.src_n,   g.src_c,   g.src_h,       g.src_w,       g.h.source, g.w.source,
          g.channels, tiles.h.m, tiles.w.m, tiles.h.start, tiles.w.start, g.layout};
}
template <class S>
TORCHCONV_INLINE Source<S> destination_as_source(const Gather& g, const Tiles& tiles, const S* data) {
  return {data,      g.dst_n,   g.dst_c,   g.dst_h, g.dst_w, g.h.count, g.w.count,
          g.outputs, tiles.h.m, tiles.w.m, 0,       0,       g.layout};
}

constexpr int64_t kStripTiles = 8;  // NCHW: so many neighbours in a row are read together
constexpr int64_t kStripPixels = kMostSide * (kStripTiles * kMostSide);

// Rows h0.. and columns w0.. of one chunk of channels: to[(row * columns + column) * L + lane], zero outside.
template <class S, class T = Compute<S>>
static void read_strip(const Source<S>& s, const S* image, int64_t c0, int64_t h0, int64_t w0, int64_t rows,
                       int64_t columns, T* to) {
  constexpr int L = kChunk<T>, n = kLanes<T>;
  const int64_t channels = smaller(L, s.channels - c0);
  const int64_t first = smaller(larger(-w0, 0), columns), last = larger(first, smaller(columns, s.W - w0));
  for (int64_t i = 0; i < rows; ++i, to += columns * L) {
    const bool inside = h0 + i >= 0 && h0 + i < s.H;
    for (int64_t j = 0; j < (inside ? first : columns); ++j) zero_chunk(to + j * L);
    if (!inside) continue;
    for (int64_t j = last; j < columns; ++j) zero_chunk(to + j * L);
    const S* row = image + c0 * s.c + (h0 + i) * s.h + (w0 + first) * s.w;
    if (s.layout == Layout::nchw) {
      for (int64_t j = first; j < last; j += L)
        turn_in(to + j * L, L, row + (j - first), s.c, channels, smaller(L, last - j));
    } else {
      for (int64_t j = first; j < last; ++j, row += s.w)
        for (int v = 0; v < L; v += n)
          store(to + j * L + v, v < channels ? load_part(row + v, int(smaller(n, channels - v))) : Vector<T>{});
    }
  }
}

// Strides between products are an odd number of cache lines, or tiles of many products fall on the same sets.
template <class T>
TORCHCONV_INLINE int64_t odd_lines(int64_t elements) {
  return (ceil_div(elements, kChunk<T>) | 1) * kChunk<T>;
}

template <class T>
struct Transformed {
  T* data;
  int64_t product_stride, chunk_stride;
};

// Chunks of channels [c0, c1) of the tiles [first, last) of one row, at most kStripTiles; the first goes to to.data.
template <class S, class T = Compute<S>>
static void transform_strip(const Source<S>& s, const Transform<T>& transform, const Tiles& tiles, int64_t first,
                            int64_t last, int64_t c0, int64_t c1, Transformed<T> to) {
  constexpr int L = kChunk<T>;
  alignas(64) T strip[kStripPixels * L];
  const Place at = place(tiles, first);
  const S* image = s.data + at.n * s.n;
  const int64_t h0 = at.i * s.step_h + s.start_h, w0 = at.j * s.step_w + s.start_w;
  const int64_t rows = transform.in_h, columns = (last - first - 1) * s.step_w + transform.in_w;
  const Strides in_product{transform.out_w * to.product_stride, to.product_stride};
  const bool inside = h0 >= 0 && w0 >= 0 && h0 + rows <= s.H && w0 + columns <= s.W;
  for (int64_t c = c0; c < c1; ++c) {
    T* out = to.data + c * to.chunk_stride;
    if constexpr (kComputedAsStored<S>)
      if (s.layout == Layout::nhwc && inside && (c + 1) * L <= s.channels) {
        const S* pixel = image + h0 * s.h + w0 * s.w + c * L;
        for (int64_t t = 0; t < last - first; ++t) {
          const S* at = pixel + t * s.step_w * s.w;
          // The pixels that the next tile has and this one has not. From L3 they would arrive one by one: 1.2x of a
          // layer of 64 channels at 56x56.
          for (int64_t i = 0; i < rows; ++i)
            for (int64_t j = 0; j < s.step_w; ++j) __builtin_prefetch(at + i * s.h + (transform.in_w + j) * s.w);
          transform(at, {s.h, s.w}, out + t * L, in_product);
        }
        continue;
      }
    read_strip(s, image, c * L, h0, w0, rows, columns, strip);
    for (int64_t t = 0; t < last - first; ++t)
      transform(strip + t * s.step_w * L, {columns * L, L}, out + t * L, in_product);
  }
}

// Where the tiles end that are neighbours of tile t, in its row, or `last`.
TORCHCONV_INLINE int64_t end_of_row(const Tiles& tiles, int64_t t, int64_t last) {
  return smaller(last, t - t % tiles.w.tiles + tiles.w.tiles);
}

// Lines to fetch while products are multiplied; those beyond the most are fetched at once.
struct LineList {
  static constexpr int kMost = 128;
  Line lines[kMost];
  int count = 0;

  void add(Line line) {
    if (count < kMost)
      lines[count++] = line;
    else
      fetch(line);
  }
};

// The pixels that tiles [first, last) begin with, step_h x step_w each, part by part: runs of neighbours in memory,
// which are the channels of a pixel or the pixels of a channel's row.
template <bool Write, class S>
class PixelLines {
 public:
  PixelLines(const Source<S>& s, const Tiles& tiles, int64_t first, int64_t last)
      : s_(s), tiles_(tiles), last_(last), end_(first) {
    if (first >= last) return;
    const int64_t rows = (last - 1) / tiles.w.tiles - first / tiles.w.tiles + 1;
    runs_ = s.step_h * (nhwc() ? (last - first) * s.step_w : rows * s.channels);
    next_row();
  }

  // The runs up to the end of the step-th of `steps` parts.
  void add_to(LineList& list, int64_t step, int64_t steps) {
    constexpr int64_t line = 64 / sizeof(S);
    for (const int64_t upto = runs_ * (step + 1) / steps; done_ < upto; ++done_) {
      const S* from = corner_ + h_ * s_.h + i_ * (nhwc() ? s_.w : s_.c);
      for (int64_t e = 0; e < length_; e += line) list.add(Write ? line_to_write(from + e) : line_to_read(from + e));
      if (++i_ < in_row_) continue;
      i_ = 0;
      if (++h_ == s_.step_h && end_ < last_) next_row();
    }
  }

 private:
  bool nhwc() const { return s_.layout == Layout::nhwc; }
  void next_row() {
    const int64_t t = end_;
    end_ = end_of_row(tiles_, t, last_);
    const Place at = place(tiles_, t);
    corner_ = s_.data + at.n * s_.n + (at.i * s_.step_h + s_.start_h) * s_.h + (at.j * s_.step_w + s_.start_w) * s_.w;
    const int64_t pixels = (end_ - t) * s_.step_w;
    in_row_ = nhwc() ? pixels : s_.channels, length_ = nhwc() ? s_.channels : pixels;
    h_ = i_ = 0;
  }

  const Source<S> s_;
  const Tiles& tiles_;
  const int64_t last_;
  int64_t runs_ = 0, done_ = 0;
  int64_t end_;                // of the tiles that are neighbours in a row
  const S* corner_ = nullptr;  // their first pixel
  int64_t in_row_ = 0, length_ = 0, h_ = 0, i_ = 0;
};

// Tiles [first, last) of all images.
template <class S, class T = Compute<S>>
static void transform_tiles(const Source<S>& s, const Transform<T>& transform, const Tiles& tiles, int64_t first,
                            int64_t last, int64_t c0, int64_t c1, Transformed<T> to) {
  const int64_t most = s.layout == Layout::nchw ? kStripTiles : 1;
  for (int64_t t = first, end; t < last; t = end) {
    end = end_of_row(tiles, t, smaller(t + most, last));
    transform_strip(s, transform, tiles, t, end, c0, c1,
                    {to.data + (t - first) * kChunk<T>, to.product_stride, to.chunk_stride});
  }
}

}  // namespace torchconv::ISA_NS::winograd
