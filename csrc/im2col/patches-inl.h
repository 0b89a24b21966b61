// Implicit im2col: the patches around a block of pixels, straight from the image into the packed
// panels of the micro-kernel. The patch matrix has a row per pixel and a column per (tap, channel).
namespace torchconv::ISA_NS {

using im2col::Gather;

// A destination pixel of the grid: where its patch starts, and where its result goes.
struct Pixel {
  int64_t source;  // offset of its image
  int64_t h, w;    // source position before a tap's offset is added
  int64_t target;  // offset of channel 0 of the result
};

static void locate_pixels(const Gather& g, int64_t first, int64_t count, Pixel* out) {
  int64_t q = first % g.w.count, p = first / g.w.count % g.h.count, n = first / (g.w.count * g.h.count);
  for (int64_t i = 0; i < count; ++i) {
    out[i] = {n * g.src_n, p * g.h.step, q * g.w.step,
              n * g.dst_n + (g.h.dst_first + p * g.h.dst_every) * g.dst_h + (g.w.dst_first + q * g.w.dst_every) * g.dst_w};
    if (++q == g.w.count) {
      q = 0;
      if (++p == g.h.count) p = 0, ++n;
    }
  }
}

TORCHCONV_INLINE bool inside(int64_t i, int64_t size) { return uint64_t(i) < uint64_t(size); }
TORCHCONV_INLINE int64_t tap_h(const Gather& g, int64_t tap) { return g.h.offset + tap / g.w.taps * g.h.delta; }
TORCHCONV_INLINE int64_t tap_w(const Gather& g, int64_t tap) { return g.w.offset + tap % g.w.taps * g.w.delta; }

// ---- channels_last: channels are contiguous, so rows are pixels and lanes are columns (tap, channel) ----

// Channels in whole chunks: each tap of each pixel is a few cache lines to copy.
template <class T>
static void patches_nhwc_chunks(const Gather& g, const T* src, const Pixel* pixels, int64_t rows, int64_t k0, int64_t k1, T* to) {
  constexpr int L = kChunk<T>;
  const int64_t C = g.channels;
  for (int64_t tap = k0 / C; tap * C < k1; ++tap) {
    const int64_t dh = tap_h(g, tap), dw = tap_w(g, tap);
    const int64_t first = larger(k0 - tap * C, 0), last = smaller(k1 - tap * C, C);
    T* column = to + (tap * C + first - k0) * rows;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t h = pixels[i].h + dh, w = pixels[i].w + dw;
      T* line = column + i * L;
      if (inside(h, g.h.source) && inside(w, g.w.source)) {
        const T* from = src + pixels[i].source + h * g.src_h + w * g.src_w + first;
        for (int64_t c = 0; c < last - first; c += L) copy_chunk(line + c * rows, from + c);
      } else {
        for (int64_t c = 0; c < last - first; c += L) zero_chunk(line + c * rows);
      }
    }
  }
}

// Writes `from` (elements [valid_first, valid_last) of it, zero outside) to columns [k, k_end) of row i.
template <class T>
TORCHCONV_INLINE void copy_run(T* to, int64_t rows, int64_t i, int64_t k, int64_t k_end, const T* from, int64_t valid_first, int64_t valid_last) {
  constexpr int L = kChunk<T>;
  for (int64_t e = 0; k < k_end;) {
    const int64_t lane = k % L, count = smaller(L - lane, k_end - k);
    T* line = to + (k - lane) * rows + i * L + lane;
    if (e >= valid_first && e + count <= valid_last) {
      copy_part(line, from + e, int(count));
    } else {
      for (int64_t l = 0; l < count; ++l) line[l] = e + l >= valid_first && e + l < valid_last ? from[e + l] : T(0);
    }
    k += count, e += count;
  }
}

// Any number of channels. Where the taps of a kernel row are neighbours in memory too (dilation 1,
// one group) the row is one run of S * C elements: 21 instead of 7 times 3 for a 7x7 stem.
template <class T>
static void patches_nhwc_runs(const Gather& g, const T* src, const Pixel* pixels, int64_t rows, int64_t k0, int64_t k1, T* to) {
  const int64_t C = g.channels;
  const bool joined = g.w.delta == 1 && g.src_w == C;
  const int64_t run_taps = joined ? g.w.taps : 1, length = run_taps * C;
  for (int64_t run = k0 / length; run * length < k1; ++run) {
    const int64_t dh = tap_h(g, run * run_taps), dw = tap_w(g, run * run_taps);
    const int64_t skip = larger(k0 - run * length, 0), k = run * length + skip - k0, k_end = smaller(k1 - k0, (run + 1) * length - k0);
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t h = pixels[i].h + dh, w = pixels[i].w + dw;
      const bool row_inside = inside(h, g.h.source);
      const int64_t first = larger(-w, 0) * C - skip, last = row_inside ? smaller(run_taps, g.w.source - w) * C - skip : 0;
      copy_run(to, rows, i, k, k_end, src + pixels[i].source + h * g.src_h + w * g.src_w + skip, first, last);
    }
  }
}

// Patch columns [k0, k1) of `rows` pixels as a chunked matrix (row = pixel).
template <class T>
static void pack_patches_nhwc(const Gather& g, const T* src, const Pixel* pixels, int64_t rows, int64_t k0, int64_t k1, T* to) {
  const bool whole_chunks = g.channels % kChunk<T> == 0 && k0 % kChunk<T> == 0;
  (whole_chunks ? patches_nhwc_chunks<T> : patches_nhwc_runs<T>)(g, src, pixels, rows, k0, k1, to);
}

// ---- NCHW: pixels are contiguous, so lanes are pixels and rows are columns (tap, channel) ----

// Lanes [first, last) of a chunk that lie in one image row: neighbours in memory, step apart.
struct LaneRun {
  int first, last;
  Pixel start;
};

template <class T>
struct ChunkRuns {
  int count;
  LaneRun runs[kChunk<T>];
};

// Splits pixels into chunks, and those into image rows.
template <class T>
static void split_runs(const Pixel* pixels, int64_t count, ChunkRuns<T>* out) {
  for (int64_t i = 0; i < count; ++i) {
    const int l = int(i % kChunk<T>);
    ChunkRuns<T>& chunk = out[i / kChunk<T>];
    if (l == 0) chunk.count = 0;
    const bool continues = l && pixels[i].source == pixels[i - 1].source && pixels[i].h == pixels[i - 1].h && pixels[i].w > pixels[i - 1].w;
    if (!continues) chunk.runs[chunk.count++] = {l, l, pixels[i]};
    chunk.runs[chunk.count - 1].last = l + 1;
  }
}

// A piece of a chunk for one tap: lane l comes from src[from + l * step].
struct Piece {
  int64_t from;
  int first, last;
};

template <class T>
TORCHCONV_INLINE int split_pieces(const Gather& g, const ChunkRuns<T>& runs, int64_t tap, Piece* pieces) {
  const int64_t dh = tap_h(g, tap), dw = tap_w(g, tap), step = g.w.step, W = g.w.source;
  int count = 0;
  for (int i = 0; i < runs.count; ++i) {
    const LaneRun& run = runs.runs[i];
    const int64_t h = run.start.h + dh, w = run.start.w + dw;
    if (!inside(h, g.h.source)) continue;
    const int64_t first = run.first + (w < 0 ? (-w + step - 1) / step : 0);
    const int64_t last = w < W ? smaller(run.last, run.first + (W - 1 - w) / step + 1) : 0;
    if (first < last) pieces[count++] = {run.start.source + h * g.src_h + w - run.first * step, int(first), int(last)};
  }
  return count;
}

template <class T>
TORCHCONV_INLINE void gather_lanes(T* to, const T* src, const Piece* pieces, int count, int64_t step) {
#if TORCHCONV_ISA == 2
  constexpr int L = kChunk<T>;
  Vector<T> v{};
  if (step == 1) {
    for (int i = 0; i < count; ++i) v = load_masked(v, src + pieces[i].from, lane_mask<T>(pieces[i].first, pieces[i].last));
    return store(to, v);
  }
  if (step == 2) {
    for (int i = 0; i < count; ++i) {
      // Every second of 2L elements, of which only those wanted are touched.
      const uint32_t lanes = lane_mask<T>(pieces[i].first, pieces[i].last);
      const uint64_t wanted = every_second_bit(lanes);
      const T* from = src + pieces[i].from;
      v = blend_evens(v, load_masked(from, uint32_t(wanted) & ((1u << L) - 1)), load_masked(from + L, uint32_t(wanted >> L)), lanes);
    }
    return store(to, v);
  }
#endif
  zero_chunk(to);
  for (int i = 0; i < count; ++i)
    for (int l = pieces[i].first; l < pieces[i].last; ++l) to[l] = src[pieces[i].from + l * step];
}

// Patch columns [k0, k1) of `chunks` chunks of pixels as a chunked matrix (row = column of the patch).
// Columns stand in the order (channel, tap), as the weights of an NCHW convolution do.
template <class T>
static void pack_patches_nchw(const Gather& g, const T* src, const ChunkRuns<T>* runs, int64_t chunks, int64_t k0, int64_t k1, T* to) {
  constexpr int L = kChunk<T>;
  const int64_t taps = g.taps();
  for (int64_t i = 0; i < chunks; ++i) {
    T* rows = to + i * L * (k1 - k0) - k0 * L;
    for (int64_t tap = 0; tap < taps; ++tap) {
      Piece pieces[L];
      const int count = split_pieces<T>(g, runs[i], tap, pieces);
      const int64_t first = ceil_div(larger(k0 - tap, 0), taps), last = ceil_div(larger(k1 - tap, 0), taps);
      for (int64_t c = first; c < last; ++c) gather_lanes(rows + (c * taps + tap) * L, src + c * g.src_c, pieces, count, g.w.step);
    }
  }
}

}  // namespace torchconv::ISA_NS
