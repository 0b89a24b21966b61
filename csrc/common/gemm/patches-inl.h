// Implicit im2col: the patches around a block of pixels, straight from the image into the packed
// panels of the micro-kernel. The patch matrix has a row per pixel and a column per (tap, channel).
namespace torchconv::ISA_NS {

// Depth of one block: a column panel of 512 floats (1,024 in bfloat16) by 32 takes 64 KiB of L2. 256 was 2% slower on
// 3x3 layers.
// No block has more columns, or more pixels, than this.
template <class T>
constexpr int64_t kDepthBlock = 2048 / sizeof(T);

// A destination pixel of the grid: where its patch starts, and where its result goes.
struct Pixel {
  int64_t source;   // offset of its image
  int64_t d, h, w;  // source position before a tap's offset is added
  int64_t target;   // offset of channel 0 of the result
};

// f(i, end, at) for each row of the grid in [first, first + count): pixels [i, end) of these, of which the first is at.
template <class F>
TORCHCONV_INLINE void for_each_row(const Gather& g, int64_t first, int64_t count, const F& f) {
  const int64_t plane = g.w.count * g.h.count;
  int64_t q = first % g.w.count, p = first / g.w.count % g.h.count, o = first / plane % g.d.count,
          n = first / g.image();
  const auto target = [](const Axis& a, int64_t i) { return a.dst_first + i * a.dst_every; };
  for (int64_t i = 0, end; i < count; i = end, q = 0) {
    end = smaller(count, i + g.w.count - q);
    f(i, end,
      Pixel{n * g.src_n, o * g.d.step, p * g.h.step, q * g.w.step,
            n * g.dst_n + target(g.d, o) * g.dst_d + target(g.h, p) * g.dst_h + target(g.w, q) * g.dst_w});
    if (++p < g.h.count) continue;
    p = 0;
    if (++o == g.d.count) o = 0, ++n;
  }
}

TORCHCONV_INLINE void locate_pixels(const Gather& g, int64_t first, int64_t count, Pixel* out) {
  const int64_t every = g.w.dst_every * g.dst_w;
  for_each_row(g, first, count, [&](int64_t i, int64_t end, Pixel at) {
    for (; i < end; ++i, at.w += g.w.step, at.target += every) out[i] = at;
  });
}

// Where their results go, alone: of thin 1x1 layers it takes 5% less time.
TORCHCONV_INLINE void locate_targets(const Gather& g, int64_t first, int64_t count, int64_t* out) {
  const int64_t every = g.w.dst_every * g.dst_w;
  for_each_row(g, first, count, [&](int64_t i, int64_t end, const Pixel& at) {
    for (int64_t target = at.target; i < end; ++i, target += every) out[i] = target;
  });
}

TORCHCONV_INLINE bool inside(int64_t i, int64_t size) { return uint64_t(i) < uint64_t(size); }
// Where a tap reads, relative to its pixel.
struct Offset {
  int64_t d, h, w;
};
TORCHCONV_INLINE Offset offset_of(const Gather& g, int64_t tap) {
  const int64_t s = tap % g.w.taps, r = tap / g.w.taps % g.h.taps, t = tap / g.w.taps / g.h.taps;
  return {g.d.offset + t * g.d.delta, g.h.offset + r * g.h.delta, g.w.offset + s * g.w.delta};
}

// Lanes [first, last) of a chunk: lane l comes from src[from + l * step].
struct Piece {
  int64_t from;
  int first, last;
  uint32_t lanes;  // the same as a mask
};
TORCHCONV_INLINE Piece make_piece(int64_t from, int64_t first, int64_t last) {
  return {from, int(first), int(last), (uint32_t(1) << last) - (uint32_t(1) << first)};
}

// One chunk out of `count` pieces, zero elsewhere.
template <class T, class S>
TORCHCONV_INLINE void gather_lanes(T* to, const S* src, const Piece* pieces, int count, int64_t step) {
#if TORCHCONV_ISA >= 2
  constexpr int L = kChunk<T>;
  if (count == 0) return zero_chunk(to);
  if (step == 1) {
    if (pieces[0].lanes == (1u << L) - 1) return copy_chunk(to, src + pieces[0].from);
    Vector<T> v = load_packed<T>(src + pieces[0].from, pieces[0].lanes);
    for (int i = 1; i < count; ++i) v = load_packed<T>(v, src + pieces[i].from, pieces[i].lanes);
    return store_packed(to, v);
  }
  if (step == 2) {
    Vector<T> v{};
    for (int i = 0; i < count; ++i) {
      // Every second of 2L elements, of which only those wanted are touched.
      const uint64_t wanted = every_second_bit(pieces[i].lanes);
      const S* from = src + pieces[i].from;
      v = blend_evens(v, load_packed<T>(from, uint32_t(wanted) & ((1u << L) - 1)),
                      load_packed<T>(from + L, uint32_t(wanted >> L)), pieces[i].lanes);
    }
    return store_packed(to, v);
  }
#endif
  zero_chunk(to);
  for (int i = 0; i < count; ++i)
    for (int l = pieces[i].first; l < pieces[i].last; ++l) to[l] = T(src[pieces[i].from + l * step]);
}

// ---- channels_last: channels are contiguous, so rows are pixels and lanes are columns (tap, channel) ----

// Channels in whole chunks: each tap of each pixel is a few cache lines to copy.
template <class T, class S>
static void patches_nhwc_chunks(const Gather& g, const S* src, const Pixel* pixels, int64_t rows, int64_t k0,
                                int64_t k1, T* to) {
  constexpr int L = kChunk<T>;
  const int64_t C = g.channels, height = whole_steps<T>(rows);
  for (int64_t tap = k0 / C; tap * C < k1; ++tap) {
    const Offset to_tap = offset_of(g, tap);
    const int64_t first = larger(k0 - tap * C, 0), last = smaller(k1 - tap * C, C);
    T* column = to + (tap * C + first - k0) * height;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t d = pixels[i].d + to_tap.d, h = pixels[i].h + to_tap.h, w = pixels[i].w + to_tap.w;
      T* line = column + i * L;
      if (inside(d, g.d.source) && inside(h, g.h.source) && inside(w, g.w.source)) {
        const S* from = src + pixels[i].source + d * g.src_d + h * g.src_h + w * g.src_w + first;
        for (int64_t c = 0; c < last - first; c += L) copy_chunk(line + c * height, from + c);
      } else {
        for (int64_t c = 0; c < last - first; c += L) zero_chunk(line + c * height);
      }
    }
  }
}

// Any number of channels. Where the taps of a kernel row are neighbours in memory too (dilation 1,
// one group) the row is one run of S * C elements: 21 instead of 7 times 3 for a 7x7 stem. Each
// chunk is put together from pieces of runs, which are the same for all pixels but for the border.
template <class T>
struct RunPieces {
  struct Source {
    Offset tap;     // the run's first
    int64_t start;  // element of the run in lane 0
  };
  int count[kDepthBlock<T> / kChunk<T>];
  Piece pieces[kDepthBlock<T> / kChunk<T>][kChunk<T>];
  Source sources[kDepthBlock<T> / kChunk<T>][kChunk<T>];
  int64_t run_taps;
  Offset least, most;  // that occur
};

template <class T>
static void find_pieces(const Gather& g, int64_t k0, int64_t k1, RunPieces<T>& out) {
  constexpr int L = kChunk<T>;
  const int64_t C = g.channels;
  out.run_taps = g.w.delta == 1 && g.src_w == C ? g.w.taps : 1;
  const int64_t length = out.run_taps * C;
  const Offset first = offset_of(g, 0), end = offset_of(g, g.taps() - 1);
  out.least = {smaller(first.d, end.d), smaller(first.h, end.h), smaller(first.w, end.w)};
  out.most = {larger(first.d, end.d), larger(first.h, end.h), larger(first.w, end.w)};
  for (int64_t k = k0, chunk = 0; k < k1; k += L, ++chunk) {
    int n = 0;
    for (int64_t at = k, end = smaller(k + L, k1); at < end; ++n) {
      const int64_t run = at / length, last = smaller(end, (run + 1) * length);
      const Offset tap = offset_of(g, run * out.run_taps);
      const int64_t start = k - run * length;
      out.pieces[chunk][n] = make_piece(tap.d * g.src_d + tap.h * g.src_h + tap.w * g.src_w + start, at - k, last - k);
      out.sources[chunk][n] = {tap, start};
      at = last;
    }
    out.count[chunk] = n;
  }
}

// The pieces of a chunk that lie inside the image around a pixel of its border.
template <class T>
static int clip_pieces(const Gather& g, const Pixel& pixel, const RunPieces<T>& all, int64_t chunk, Piece* out) {
  int n = 0;
  for (int i = 0; i < all.count[chunk]; ++i) {
    const auto& source = all.sources[chunk][i];
    const int64_t w = pixel.w + source.tap.w;
    const Piece& piece = all.pieces[chunk][i];
    const int64_t first = larger(piece.first, larger(-w, 0) * g.channels - source.start);
    const int64_t last = smaller(piece.last, smaller(all.run_taps, g.w.source - w) * g.channels - source.start);
    const bool in_row = inside(pixel.d + source.tap.d, g.d.source) && inside(pixel.h + source.tap.h, g.h.source);
    if (in_row && first < last) out[n++] = make_piece(piece.from, first, last);
  }
  return n;
}

// One chunk column of all interior pixels; Count pieces, known so that they stay in registers.
template <int Count, class T, class S>
static void gather_column(const S* const* from, int64_t rows, const Piece* pieces, T* to) {
  Piece own[Count];
  for (int p = 0; p < Count; ++p) own[p] = pieces[p];
  for (int64_t i = 0; i < rows; ++i)
    if (from[i]) gather_lanes(to + i * kChunk<T>, from[i], own, Count, 1);
}

template <class T, class S>
static void patches_nhwc_runs(const Gather& g, const S* src, const Pixel* pixels, int64_t rows, int64_t k0, int64_t k1,
                              T* to) {
  constexpr int L = kChunk<T>;
  RunPieces<T> all;
  find_pieces(g, k0, k1, all);
  const int64_t chunks = ceil_div(k1 - k0, L), height = whole_steps<T>(rows);
  const S* interior[kDepthBlock<T>];  // where the patch starts; null at the border
  const auto whole_along = [](const Axis& a, int64_t at, int64_t least, int64_t most) {
    return at + least >= 0 && at + most < a.source;
  };
  for (int64_t i = 0; i < rows; ++i) {
    const Pixel& pixel = pixels[i];
    const S* from = src + pixel.source + pixel.d * g.src_d + pixel.h * g.src_h + pixel.w * g.src_w;
    const bool whole = whole_along(g.d, pixel.d, all.least.d, all.most.d) &&
                       whole_along(g.h, pixel.h, all.least.h, all.most.h) &&
                       whole_along(g.w, pixel.w, all.least.w, all.most.w);
    interior[i] = whole ? from : nullptr;
    for (int64_t chunk = 0; chunk < chunks && !whole; ++chunk) {
      Piece clipped[L];
      const int count = clip_pieces(g, pixel, all, chunk, clipped);
      gather_lanes(to + chunk * L * height + i * L, from, clipped, count, 1);
    }
  }
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    T* column = to + chunk * L * height;
    const Piece* pieces = all.pieces[chunk];
    switch (all.count[chunk]) {
      case 1: gather_column<1>(interior, rows, pieces, column); break;
      case 2: gather_column<2>(interior, rows, pieces, column); break;
      case 3: gather_column<3>(interior, rows, pieces, column); break;
      default:
        for (int64_t i = 0; i < rows; ++i)
          if (interior[i]) gather_lanes(column + i * L, interior[i], pieces, all.count[chunk], 1);
    }
  }
}

// Patch columns [k0, k1) of `rows` pixels as a chunked matrix (row = pixel), with room for whole steps of rows.
template <class T, class S>
static void pack_patches_nhwc(const Gather& g, const S* src, const Pixel* pixels, int64_t rows, int64_t k0, int64_t k1,
                              T* to) {
  const bool whole_chunks = g.channels % kChunk<T> == 0 && k0 % kChunk<T> == 0;
  (whole_chunks ? patches_nhwc_chunks<T, S> : patches_nhwc_runs<T, S>)(g, src, pixels, rows, k0, k1, to);
}

// ---- NCHW: pixels are contiguous, so lanes are pixels and rows are columns (tap, channel) ----

// Lanes [first, last) of a chunk that lie in one image row: neighbours in memory, step apart.
struct LaneRun {
  int first, last;
  Pixel start;

  uint32_t lanes() const { return (uint32_t(1) << last) - (uint32_t(1) << first); }
};

template <class T>
struct ChunkRuns {
  int count;
  bool consecutive;  // a full chunk whose results are neighbours in memory, whatever rows they are in
  LaneRun runs[kChunk<T>];
};

// Splits pixels into chunks, and those into image rows.
template <class T>
static void split_runs(const Pixel* pixels, int64_t count, ChunkRuns<T>* out) {
  for (int64_t i = 0; i < count; ++i) {
    const int l = int(i % kChunk<T>);
    ChunkRuns<T>& chunk = out[i / kChunk<T>];
    if (l == 0) chunk.count = 0;
    const bool continues = l && pixels[i].source == pixels[i - 1].source && pixels[i].d == pixels[i - 1].d &&
                           pixels[i].h == pixels[i - 1].h && pixels[i].w > pixels[i - 1].w;
    if (!continues) chunk.runs[chunk.count++] = {l, l, pixels[i]};
    chunk.runs[chunk.count - 1].last = l + 1;
    chunk.consecutive = l == kChunk<T> - 1 && pixels[i].target - pixels[i - l].target == l;
  }
}

template <class T>
TORCHCONV_INLINE int split_pieces(const Gather& g, const ChunkRuns<T>& runs, int64_t tap, Piece* pieces) {
  const Offset to_tap = offset_of(g, tap);
  const int64_t step = g.w.step, W = g.w.source;
  int count = 0;
  for (int i = 0; i < runs.count; ++i) {
    const LaneRun& run = runs.runs[i];
    const int64_t d = run.start.d + to_tap.d, h = run.start.h + to_tap.h, w = run.start.w + to_tap.w;
    if (!inside(d, g.d.source) || !inside(h, g.h.source)) continue;
    const int64_t first = run.first + (w < 0 ? (-w + step - 1) / step : 0);
    const int64_t last = w < W ? smaller(run.last, run.first + (W - 1 - w) / step + 1) : 0;
    if (first < last)
      pieces[count++] = make_piece(run.start.source + d * g.src_d + h * g.src_h + w - run.first * step, first, last);
  }
  return count;
}

// Whether the pixels of a panel are B as they stand: of a pointwise problem, all in one image, and not so far apart
// from channel to channel that they share a few sets of the caches. ResNet-50's 1x1 layers: 1.08x of packing every
// panel.
template <class S, class T = Compute<S>>
TORCHCONV_INLINE bool panel_in_place(const Gather& g, const Pixel* pixels, int64_t count) {
  return kComputedAsStored<S> && is_pointwise(g) && count >= kColumns<T> &&
         pixels[0].source == pixels[kColumns<T> - 1].source && g.src_c * int64_t(sizeof(T)) % 4096 != 0;
}

// Patch columns [k0, k1) of `chunks` chunks of pixels as a chunked matrix (row = column of the patch), with room for
// whole steps of rows. Columns stand in the order (channel, tap), as the weights of an NCHW convolution do.
template <class T, class S>
static __attribute__((noinline)) void pack_patches_nchw(const Gather& g, const S* src,
                                                        const ChunkRuns<Compute<T>>* runs, int64_t chunks, int64_t k0,
                                                        int64_t k1, T* to) {
  constexpr int L = kChunk<T>;
  const int64_t taps = g.taps(), depth = whole_steps<T>(k1 - k0);
  for (int64_t tap = 0; tap < taps; ++tap) {
    Piece pieces[kDepthBlock<T> / L][L];
    int count[kDepthBlock<T> / L];
    int64_t ahead[kDepthBlock<T> / L];
    for (int64_t i = 0; i < chunks; ++i) {
      count[i] = split_pieces(g, runs[i], tap, pieces[i]);
      ahead[i] = count[i] ? pieces[i][0].from : 0;
    }
    const int64_t first = ceil_div(larger(k0 - tap, 0), taps), last = ceil_div(larger(k1 - tap, 0), taps);
    // Chunks are neighbours in memory: a channel's part of the block is read in one go.
    for (int64_t c = first; c < last; ++c) {
      T* row = to + (c * taps + tap - k0) * L;
      if (tap == 0)  // each channel is another page, out of the hardware prefetcher's sight
        for (int64_t i = 0; i < chunks; ++i) __builtin_prefetch(src + (c + 8) * g.src_c + ahead[i]);
      for (int64_t i = 0; i < chunks; ++i)
        gather_lanes(row + i * L * depth, src + c * g.src_c, pieces[i], count[i], g.w.step);
    }
  }
}

}  // namespace torchconv::ISA_NS
