// Weights -> transformed weights, and transformed gradients -> the gradient of the weights. A panel is kColumns
// outputs:
//   panel[product * product_stride + chunk of outputs * chunk_stride + channel * L + lane = output]
namespace torchconv::ISA_NS::winograd {

constexpr int64_t kMostTaps = 25;

// The weights of one group.
template <class S>
struct Weights {
  S* data;
  int64_t out, in, r, s;  // strides
  int64_t R, S_, outputs, channels;
  bool flipped;  // the taps are met from the last to the first

  int64_t taps() const { return R * S_; }
  int64_t tap(int64_t i) const { return i / S_ * r + i % S_ * s; }
  // Whether the taps of one channel are neighbours in memory, and whether the channels of one output are, too.
  bool joined_taps() const { return (S_ == 1 || s == 1) && (R == 1 || r == S_); }
  bool joined_channels() const { return joined_taps() && in == taps(); }
  bool neighbouring_outputs() const { return joined_taps() && out == taps(); }
};
template <class S>
TORCHCONV_INLINE Weights<S> weights_of(const Gather& g, S* data) {
  return {data, g.w_out, g.w_in, g.w_r, g.w_s, g.h.taps, g.w.taps, g.outputs, g.channels, g.h.delta < 0};
}

// v[0..Count), one after the other, dealt out in turn to as many; Count = 2^i 3^j.
template <int Count, class T>
TORCHCONV_INLINE void deal(Vector<T>* v) {
  if constexpr (Count > 1) {
    using Lanes = typename first_integers<kLanes<T>>::type;
    constexpr int ways = Count % 2 ? 3 : 2, each = Count / ways;
    Vector<T> parts[ways][each];
#pragma GCC unroll 4
    for (int i = 0; i < each; ++i) {
      const Vector<T>* from = v + ways * i;
      if constexpr (ways == 2) {
        parts[0][i] = pick_pairs<T, 0>(from[0], from[1], Lanes());
        parts[1][i] = pick_pairs<T, 1>(from[0], from[1], Lanes());
      } else {
        parts[0][i] = pick_threes<T, 0>(from[0], from[1], from[2], Lanes());
        parts[1][i] = pick_threes<T, 1>(from[0], from[1], from[2], Lanes());
        parts[2][i] = pick_threes<T, 2>(from[0], from[1], from[2], Lanes());
      }
    }
#pragma GCC unroll 4
    for (int part = 0; part < ways; ++part) {
      deal<each, T>(parts[part]);
#pragma GCC unroll 4
      for (int i = 0; i < each; ++i) v[ways * i + part] = parts[part][i];
    }
  }
}
// A channel's taps of a chunk of outputs that follow each other in memory: to[tap * L + lane = output]. Of a transposed
// 4x4 layer of 512 to 256 channels at 4x4 in phases, whose kernels have 4, it was a quarter of the time by turn_in().
template <int Taps, class S, class T = Compute<S>>
static void deal_taps(const S* from, T* to) {
  constexpr int n = kLanes<T>;
  for (int o = 0; o < kChunk<T>; o += n) {
    Vector<T> v[Taps];
#pragma GCC unroll 9
    for (int t = 0; t < Taps; ++t) v[t] = load(from + o * Taps + t * n);
    deal<Taps, T>(v);
#pragma GCC unroll 9
    for (int t = 0; t < Taps; ++t) store(to + t * kChunk<T> + o, v[t]);
  }
}

template <class S, class T = Compute<S>>
TORCHCONV_INLINE auto pick_deal(int64_t taps) -> void (*)(const S*, T*) {
  return taps == 2   ? deal_taps<2, S>
         : taps == 3 ? deal_taps<3, S>
         : taps == 4 ? deal_taps<4, S>
         : taps == 9 ? deal_taps<9, S>
                     : nullptr;
}

// A chunk of outputs from o0 on, and `count` <= L channels from c0 on: to[(channel * taps + tap) * L + lane = output].
// The channels that follow are fetched: each output is another row in memory, out of the hardware prefetcher's sight
// (256 channels at 14x14: 1.1x of the layer).
template <class S, class T = Compute<S>>
static void read_weights(const Weights<const S>& w, int64_t o0, int64_t c0, int64_t count, T* to) {
  constexpr int L = kChunk<T>;
  const int64_t outputs = smaller(L, w.outputs - o0), taps = w.taps();
  const S* from = w.data + o0 * w.out + c0 * w.in;
  if (w.joined_channels()) {
    for (int64_t e = 0; e < count * taps; e += L) {
      for (int64_t o = 0; o < outputs; ++o) __builtin_prefetch(from + o * w.out + count * taps + e);
      turn_in(to + e * L, L, from + e, w.out, outputs, smaller(L, count * taps - e));
    }
  } else if (const auto deal = w.neighbouring_outputs() && outputs == L ? pick_deal<S>(taps) : nullptr) {
    for (int64_t c = 0; c < count; ++c) {
      for (int64_t t = 0; t < taps; ++t) __builtin_prefetch(from + (c + L) * w.in + t * L);
      deal(from + c * w.in, to + c * taps * L);
    }
  } else if (w.joined_taps() && w.taps() > 1) {
    for (int64_t c = 0; c < count; ++c)
      for (int64_t e = 0; e < taps; e += L)
        turn_in(to + (c * taps + e) * L, L, from + c * w.in + e, w.out, outputs, smaller(L, taps - e));
  } else if (w.in == 1) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t o = 0; o < outputs; ++o) __builtin_prefetch(from + o * w.out + w.tap(tap) + count);
      turn_in(to + tap * L, taps * L, from + w.tap(tap), w.out, outputs, count);
    }
  } else {
    T* lanes = to;
    for (int64_t c = 0; c < count; ++c)
      for (int64_t r = 0; r < w.R; ++r)
        for (int64_t s = 0; s < w.S_; ++s, lanes += L) {
          const S* at = from + c * w.in + r * w.r + s * w.s;
          __builtin_prefetch(at + L * w.in);  // here each channel is another row: 1.1x of 512 channels at 14x14
          if (w.out == 1 && outputs == L)
            copy_chunk(lanes, at);
          else
            for (int64_t l = 0; l < L; ++l) lanes[l] = l < outputs ? T(at[l * w.out]) : T(0);
        }
  }
}

// Channels [c0, c1) of the panel of outputs from o0 on; channel c0 goes to to.data.
template <class S, class T = Compute<S>>
static void transform_weights(const Weights<const S>& w, const Transform<T>& transform, int64_t o0, int64_t c0,
                              int64_t c1, Transformed<T> to) {
  constexpr int L = kChunk<T>;
  alignas(64) T taps[L * kMostTaps * L];
  const int64_t last_tap = w.flipped ? (w.taps() - 1) * L : 0, sign = w.flipped ? -1 : 1;
  for (int64_t o = o0; o < smaller(o0 + kColumns<T>, w.outputs); o += L, to.data += to.chunk_stride)
    for (int64_t c = c0; c < c1; c += L) {
      const int64_t count = smaller(L, c1 - c);
      read_weights(w, o, c, count, taps);
      for (int64_t i = 0; i < count; ++i)
        transform(taps + i * w.taps() * L + last_tap, {sign * w.S_ * L, sign * L}, to.data + (c - c0 + i) * L,
                  {transform.out_w * to.product_stride, to.product_stride});
    }
}

// The gradient of a chunk of outputs from o0 on and of up to L channels from c0 on, as read_weights() has them.
template <class S, class T = Compute<S>>
static void write_weights(const Weights<S>& w, int64_t o0, int64_t c0, const T* from) {
  constexpr int L = kChunk<T>;
  const int64_t outputs = smaller(L, w.outputs - o0), count = smaller(L, w.channels - c0), taps = w.taps();
  S* to = w.data + o0 * w.out + c0 * w.in;
  if (w.joined_channels()) {
    for (int64_t e = 0; e < count * taps; e += L)
      turn_out(from + e * L, L, smaller(L, count * taps - e), outputs,
               [&](int64_t o, int64_t i, Vector<T> v, int n) { store_part(to + o * w.out + e + i, v, n); });
  } else if (w.in == 1) {
    for (int64_t tap = 0; tap < taps; ++tap)
      turn_out(from + tap * L, taps * L, count, outputs,
               [&](int64_t o, int64_t c, Vector<T> v, int n) { store_part(to + o * w.out + w.tap(tap) + c, v, n); });
  } else {
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t c = 0; c < count; ++c)
        for (int64_t tap = 0; tap < taps; ++tap)
          to[o * w.out + c * w.in + w.tap(tap)] = S(from[(c * taps + tap) * L + o]);
  }
}

}  // namespace torchconv::ISA_NS::winograd
