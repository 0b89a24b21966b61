// The weights of one group as a packed panel, in either role. Depth index k is (tap, channel) for
// channels_last and (channel, tap) for NCHW: the order in which each layout's weights stand in memory.
namespace torchconv::ISA_NS {

TORCHCONV_INLINE int64_t offset_of_tap(const Gather& g, int64_t tap) {
  const int64_t s = tap % g.w.taps, r = tap / g.w.taps % g.h.taps, t = tap / g.w.taps / g.h.taps;
  return (g.d.first + t * g.d.every) * g.w_t + (g.h.first + r * g.h.every) * g.w_r +
         (g.w.first + s * g.w.every) * g.w_s;
}

// Visits the weights of outputs [o0, o1) and channels [c0, c1) as set(o, k, value), in the order in
// which they stand in memory so that each cache line is read once.
template <bool Nhwc, class S, class Set>
TORCHCONV_INLINE void visit_weights(const Gather& g, const S* w, int64_t o0, int64_t o1, int64_t c0, int64_t c1,
                                    const Set& set) {
  const int64_t taps = g.taps(), per_tap = Nhwc ? g.channels : 1, per_channel = Nhwc ? 1 : taps;
  const auto visit_taps = [&](int64_t o, int64_t c) {
    const S* at = w + o * g.w_out + c * g.w_in;
    int64_t tap = 0;
    for (int64_t t = 0; t < g.d.taps; ++t)
      for (int64_t r = 0; r < g.h.taps; ++r)
        for (int64_t s = 0; s < g.w.taps; ++s, ++tap)
          set(o, c * per_channel + tap * per_tap,
              at[(g.d.first + t * g.d.every) * g.w_t + (g.h.first + r * g.h.every) * g.w_r +
                 (g.w.first + s * g.w.every) * g.w_s]);
  };
  if (g.w_in < g.w_out) {
    for (int64_t o = o0; o < o1; ++o)
      for (int64_t c = c0; c < c1; ++c) visit_taps(o, c);
  } else {
    for (int64_t c = c0; c < c1; ++c)
      for (int64_t o = o0; o < o1; ++o) visit_taps(o, c);
  }
}

// Outputs that are packed at a time: a chunk, or several where outputs are neighbours in memory, to read more than a
// cache line in a row (GEMM 1024: packing 2% instead of 4% of the time).
template <class T>
TORCHCONV_INLINE int64_t outputs_at_once(const Gather& g) {
  const int64_t chunks = ceil_div(g.outputs, kChunk<T>);
  const bool wide = g.layout == Layout::nhwc && g.w_out == 1;
  return kChunk<T> * (wide ? larger(1, smaller(8, chunks / (2 * g.threads))) : 1);
}

// Whether whole chunks of outputs can be packed as B over any range of the depth, line by line: outputs are neighbours
// in memory, or channels in whole chunks.
template <class T>
TORCHCONV_INLINE bool packs_by_depth(const Gather& g) {
  constexpr int L = kChunk<T>;
  return g.w_out == 1 || (g.w_in == 1 && g.channels % L == 0);
}

// f(k, c0, c1, w of the tap) for every tap with indices of the depth in [k0, k1): from k on, they are its channels
// [c0, c1).
template <class S, class F>
TORCHCONV_INLINE void for_each_tap(const Gather& g, const S* w, int64_t k0, int64_t k1, const F& f) {
  for (int64_t tap = k0 / g.channels, k = k0; k < k1; ++tap) {
    const int64_t c0 = k - tap * g.channels, c1 = smaller(k1 - tap * g.channels, g.channels);
    f(k, c0, c1, w + offset_of_tap(g, tap));
    k += c1 - c0;
  }
}

// Outputs [o0, o1), in whole chunks, and the depth from k0 to k1, for packs_by_depth(): a chunk of outputs every
// `stride` elements of to.
template <class T, class S>
static void pack_weights_part(const Gather& g, const S* w, int64_t o0, int64_t o1, int64_t k0, int64_t k1, T* to,
                              int64_t stride) {
  constexpr int L = kChunk<T>;
  for_each_tap(g, w, k0, k1, [&](int64_t k, int64_t c0, int64_t c1, const S* tap) {
    T* at = to + (k - k0) * L;
    if (g.w_out == 1) {
      for (int64_t c = c0; c < c1; ++c, at += L)
        for (int64_t o = o0; o < o1; o += L) copy_chunk(at + (o - o0) / L * stride, tap + c * g.w_in + o);
    } else {  // tap by tap as they stand in memory
      for (int64_t o = o0; o < o1; o += L)
        for (int64_t c = c0; c < c1; c += L)
          transpose_chunk(at + (o - o0) / L * stride + (c - c0) * L, L, tap + o * g.w_out + c, g.w_out);
    }
  });
  for (int64_t o = o0; o < o1; o += L) pair_rows(to + (o - o0) / L * stride, k1 - k0);
}

// Whether the weights of an output are one run in memory, tap by tap: channels_last, with all taps in their order.
TORCHCONV_INLINE bool one_run(const Gather& g) {
  const auto whole = [](const Axis& a) { return a.every == 1 && a.first == 0; };
  return g.w_in == 1 && whole(g.d) && whole(g.h) && whole(g.w) && (g.w.taps == 1 || g.w_s == g.channels) &&
         (g.h.taps == 1 || g.w_r == g.w.taps * g.channels) &&
         (g.d.taps == 1 || g.w_t == g.h.taps * g.w.taps * g.channels);
}

// Such weights of a chunk of outputs, whatever the number of channels. 2x2, 499 to 998 channels: 5x of element by
// element.
template <class T, class S>
static void pack_runs(const Gather& g, const S* w, T* to) {
  constexpr int L = kChunk<T>;
  const int64_t depth = g.depth(), whole = depth - depth % L;
  for (int64_t k = 0; k < whole; k += L) transpose_chunk(to + k * L, L, w + k, g.w_out);
  for (int64_t o = 0; o < L; ++o)
    for (int64_t k = whole; k < depth; ++k) to[k * L + o] = T(w[o * g.w_out + k]);
  pair_rows(to, depth);
}

// As B: lanes are outputs. Outputs [o0, o1), from a whole chunk on; to[o / L][k][o % L], in steps.
template <class T, class S>
static void pack_weights_nhwc(const Gather& g, const S* w, int64_t o0, int64_t o1, T* to) {
  constexpr int L = kChunk<T>;
  const int64_t column = whole_steps<T>(g.depth()) * L;
  const int64_t whole = packs_by_depth<T>(g) ? o1 - (o1 - o0) % L : o0;
  if (whole > o0) pack_weights_part(g, w, o0, whole, 0, g.depth(), to + o0 / L * column, column);
  const bool runs = one_run(g);
  for (int64_t o = whole; o < o1; o += L) {
    T* panel = to + o / L * column;
    if (runs && o + L <= o1) {
      pack_runs(g, w + o * g.w_out, panel);
      continue;
    }
    if (o + L > o1)
      for (int64_t k = 0; k < g.depth(); ++k) zero_chunk(panel + k * L);
    for (int64_t c = 0; c < g.channels; c += L)
      visit_weights<true>(g, w, o, smaller(o + L, o1), c, smaller(c + L, g.channels),
                          [&](int64_t out, int64_t k, S value) { panel[k * L + out - o] = T(value); });
    pair_rows(panel, g.depth());
  }
}

// Whether the taps of one channel are neighbours in memory, in their order.
TORCHCONV_INLINE bool joined_taps(const Gather& g) {
  const auto whole = [](const Axis& a) { return a.every == 1 && a.first == 0; };
  return g.taps() == 1 || (whole(g.d) && whole(g.h) && whole(g.w) && g.w_s == 1 &&
                           (g.h.taps == 1 || g.w_r == g.w.taps) && (g.d.taps == 1 || g.w_t == g.h.taps * g.w.taps));
}

// As A: rows are outputs, lanes are depth. At most a chunk of outputs, [o0, o1); to[k / L][o][k % L].
template <class T, class S>
static void pack_weights_nchw(const Gather& g, const S* w, int64_t o0, int64_t o1, T* to) {
  constexpr int L = kChunk<T>;
  const int64_t depth = g.depth();
  const bool joined = joined_taps(g);
  if (joined && g.w_in == g.taps()) {  // a row of the matrix is a row in memory
    for (int64_t o = o0; o < o1; ++o)
      for (int64_t k = 0; k < depth; k += L)
        copy_part(to + k * g.outputs + o * L, w + offset_of_tap(g, 0) + o * g.w_out + k, int(smaller(L, depth - k)));
  } else if (joined && g.taps() > 1) {  // one channel's taps are neighbours
    for (int64_t c = 0; c < g.channels; ++c)
      for (int64_t o = o0; o < o1; ++o) {
        const S* from = w + o * g.w_out + c * g.w_in;
        for (int64_t tap = 0; tap < g.taps();) {
          const int64_t k = c * g.taps() + tap, count = smaller(L - k % L, g.taps() - tap);
          copy_part(to + k / L * L * g.outputs + o * L + k % L, from + tap, int(count));
          tap += count;
        }
      }
  } else if (g.taps() == 1 && g.w_out == 1 && o1 - o0 == L && depth % L == 0) {
    for (int64_t k = 0; k < depth; k += L)
      transpose_chunk(to + k * g.outputs + o0 * L, L, w + offset_of_tap(g, 0) + k * g.w_in + o0, g.w_in);
  } else {
    visit_weights<false>(g, w, o0, o1, 0, g.channels,
                         [&](int64_t o, int64_t k, S value) { to[k / L * L * g.outputs + o * L + k % L] = T(value); });
  }
  pad_lanes(to + o0 * L, L * g.outputs, o1 - o0, depth);
}

}  // namespace torchconv::ISA_NS
