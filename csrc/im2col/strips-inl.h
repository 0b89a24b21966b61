// In channels_last patches need not be packed. A strip is the rows of an image that a few rows of the result read, with
// the padding around them, and the channels of one group. In it the taps of a kernel row and their channels are one
// run, and the runs of neighbouring pixels are a step apart: the micro-kernel reads them in place as the rows of A, one
// kernel row after the other.
namespace torchconv::ISA_NS {

using im2col::strip_elements, im2col::strip_height, im2col::strip_width;

template <class P>
TORCHCONV_INLINE bool uses_strips(const Gather& g) {
  return Step<P>::depth == 1 && im2col::fits_strips(g, sizeof(P));
}

// Rows of the result per strip: about eight strips for each thread, of a size that stays in L2.
static int64_t strip_rows(const Gather& g, int64_t threads) {
  const int64_t least = im2col::least_strip_rows(g);
  int64_t rows = larger(least, smaller(g.h.count, ceil_div(g.groups * g.N * g.h.count, 8 * threads)));
  while (rows > least && strip_elements(g, rows) > im2col::kStripElements) --rows;
  return rows;
}

// Pixels [first, last) of a row, of g.channels each, one after the other.
template <class S, class T = Compute<S>>
TORCHCONV_INLINE void load_pixels(const Gather& g, const S* row, int64_t first, int64_t last, T* to) {
  constexpr int L = kChunk<T>;
  const bool joined = g.src_w == g.channels;
  const int64_t runs = joined ? 1 : last - first, length = joined ? (last - first) * g.channels : g.channels;
  const S* from = row + first * g.src_w;
  for (int64_t i = 0; i < runs; ++i, from += g.src_w, to += length)
    for (int64_t e = 0; e < length; e += L) copy_part(to + e, from + e, int(smaller(L, length - e)));
}

// Rows h0, h0 + 1, ... of an image, `rows` of them.
template <class S, class T = Compute<S>>
static void load_strip(const Gather& g, const S* image, int64_t h0, int64_t rows, T* to) {
  const int64_t C = g.channels, width = strip_width(g);
  const int64_t first = smaller(larger(-g.w.offset, 0), width);
  const int64_t last = larger(smaller(width, g.w.source - g.w.offset), first);
  for (int64_t i = 0; i < rows; ++i, to += width * C) {
    const bool inside = h0 + i >= 0 && h0 + i < g.h.source;
    for (int64_t e = 0; e < (inside ? first : width) * C; ++e) to[e] = T(0);
    if (!inside) continue;
    load_pixels(g, image + (h0 + i) * g.src_h + g.w.offset * g.src_w, first, last, to + first * C);
    for (int64_t e = last * C; e < width * C; ++e) to[e] = T(0);
  }
}

// The rows of x that the strip after the one of result rows [p0, p1) reads and this one has not, in the course of so
// many tiles. First layers of stride 2 on 224x224, whose images are far: 1.2x. Of groups, whose rows have gaps, none:
// tried without a gain.
template <class S>
TORCHCONV_INLINE FetchAhead fetch_strip(const Gather& g, const S* image, int64_t p0, int64_t p1, int64_t tiles) {
  constexpr int64_t line = 64;
  if (g.src_w != g.channels) return {};
  const S* from = image + (p1 * g.h.step + g.h.offset + strip_height(g, 1) - g.h.step) * g.src_h;
  const int64_t bytes = (p1 - p0) * g.h.step * g.src_h * int64_t(sizeof(S));
  const int64_t lines = ceil_div(bytes, line * kColumnChunks * tiles * g.h.taps);  // a tile's chunks are rows of taps
  return {(const char*)from, lines * line, line, lines * line * kColumnChunks, int(lines)};
}

// Rows [p0, p1) of the result of image n.
template <class S, class T = Compute<S>>
static void task_strip(const Gather& g, const Operands<S>& op, int64_t n, int64_t p0, int64_t p1, bool past_caches,
                       bool by_rows, T* strip) {
  constexpr int L = kChunk<T>;
  const int64_t row = strip_width(g) * g.channels, run = g.w.taps * g.channels, next = g.w.step * g.channels;
  load_strip(g, op.src + n * g.src_n, p0 * g.h.step + g.h.offset, strip_height(g, p1 - p0), strip);
  // A panel of weights stays in L2 for all of the strip; or all of them do.
  const int64_t outputs = by_rows ? g.outputs : kColumns<T>, tiles = (p1 - p0) * ceil_div(g.w.count, kRows);
  int64_t targets[kRows];
  for (int64_t o = 0; o < g.outputs; o += outputs) {
    const Chunked<T> patches{strip, g.h.delta * row, next, run}, weights{op.packed + o * g.depth(), g.depth() * L};
    // Put together once: a tile that reads what has just been stored field by field waits for all of the stores
    // (3 to 32 channels, 3x3: 1.07x).
    TileProduct<S> tile{op,          targets,
                        o,           smaller(o + outputs, g.outputs),
                        g.depth(),   patches,
                        weights,     nullptr,
                        past_caches, o == 0 ? fetch_strip(g, op.src + n * g.src_n, p0, p1, tiles) : FetchAhead{}};
    for (int64_t p = p0; p < p1; ++p) {
      const int64_t target = n * g.dst_n + (g.h.dst_first + p * g.h.dst_every) * g.dst_h + g.w.dst_first * g.dst_w;
      for_each_tile(g.w.count, kRows, [&](int64_t q, int count) {
        for (int i = 0; i < count; ++i) targets[i] = target + (q + i) * g.w.dst_every * g.dst_w;
        tile.a.data = strip + (p - p0) * g.h.step * row + q * next;
        multiply_and_store<S>(count, tile);
        tile.ahead.data += tile.ahead.chunk * g.h.taps;
      });
    }
  }
}

}  // namespace torchconv::ISA_NS
