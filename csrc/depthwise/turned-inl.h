// Small NCHW maps: a block of channels at a time is turned to channels_last in the workspace, and the result turned
// back. Rows of 7 or 14 would leave lanes idle and take longer to prepare than to sum.
namespace torchconv::ISA_NS {

// Channels of a block: what the channels_last kernels take at once.
template <class T>
constexpr int64_t kTurned = kVectorsOfChannels * kLanes<T>;

// Elements of a block of maps with so many pixels, with room for whole vectors of them.
template <class T>
TORCHCONV_INLINE int64_t turned_size(int64_t pixels) {
  return (pixels + kLanes<T>)*kTurned<T>;
}

// to[pixel][channel] = from[channel][pixel], for `channels` <= kTurned; the others hold 0.
template <class S, class T = Compute<S>>
static void turn_in(const S* from, int64_t channels, int64_t pixels, T* to) {
  constexpr int L = kLanes<T>;
  for (int64_t p = 0; p < pixels; p += L) {
    const int lanes = int(smaller(L, pixels - p));
    for (int64_t c = 0; c < kTurned<T>; c += L) {
      Vector<T> v[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) v[i] = c + i < channels ? load_part(from + (c + i) * pixels + p, lanes) : Vector<T>{};
      transpose_registers<T>(v);
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) store(to + (p + i) * kTurned<T> + c, v[i]);
    }
  }
}

// to[channel][pixel] = from[pixel][channel], after finish(where it goes, vector, its lanes).
template <class S, class F, class T = Compute<S>>
static void turn_out(const T* from, int64_t channels, int64_t pixels, S* to, const F& finish) {
  constexpr int L = kLanes<T>;
  for (int64_t p = 0; p < pixels; p += L) {
    const int lanes = int(smaller(L, pixels - p));
    for (int64_t c = 0; c < channels; c += L) {
      Vector<T> v[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) v[i] = load(from + (p + i) * kTurned<T> + c);
      transpose_registers<T>(v);
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i)
        if (S* at = to + (c + i) * pixels + p; c + i < channels) store_part(at, finish(at, v[i], lanes), lanes);
    }
  }
}

}  // namespace torchconv::ISA_NS
