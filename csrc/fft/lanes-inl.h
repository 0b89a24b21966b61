// Rows of images and weights to chunks, whose lanes are channels, and back.
namespace torchconv::ISA_NS {

// Where a row of an image is, from some channel on, and which of its channels a chunk has.
template <class S>
struct RowOf {
  S* data;
  int64_t channel, pixel;  // steps
  int64_t channels;        // at most a chunk
};

// to[i - begin][lane] = pixel i, for i in [begin, end); zeros outside of [0, width) and in lanes without a channel.
template <class S, class T = Compute<S>>
static void load_row(const RowOf<const S>& row, int64_t begin, int64_t end, int64_t width, T* to) {
  constexpr int L = kChunk<T>, n = kLanes<T>;
  const int64_t first = smaller(larger(begin, 0), end), last = larger(smaller(end, width), first);
  for (int64_t i = begin; i < first; ++i) zero_chunk(to + (i - begin) * L);
  for (int64_t i = last; i < end; ++i) zero_chunk(to + (i - begin) * L);
  for (int l = 0; l < L; l += n) {
    const int lanes = int(smaller(n, row.channels - l));
    T* at = to + (first - begin) * L + l;
    if (lanes <= 0) {
      for (int64_t i = first; i < last; ++i, at += L) store(at, Vector<T>{});
    } else if (row.channel == 1) {
      const S* from = row.data + l + first * row.pixel;
      for (int64_t i = first; i < last; ++i, at += L, from += row.pixel) store(at, load_part(from, lanes));
    } else if (row.pixel == 1) {
      for (int64_t i = first; i < last; i += n, at += n * L) {
        const int pixels = int(smaller(n, last - i));
        Vector<T> v[n];
#pragma GCC unroll 16
        for (int c = 0; c < n; ++c)
          v[c] = c < lanes ? load_part(row.data + (l + c) * row.channel + i, pixels) : Vector<T>{};
        transpose_registers<T>(v);
#pragma GCC unroll 16
        for (int c = 0; c < n; ++c)
          if (c < pixels) store(at + c * L, v[c]);
      }
    } else {
      for (int64_t i = first; i < last; ++i, at += L)
        for (int c = 0; c < n; ++c) at[c] = c < lanes ? T(row.data[(l + c) * row.channel + i * row.pixel]) : T(0);
    }
  }
}

// The inverse, for pixels [0, count), after the epilogue. bias: of the chunk's channels.
template <class S, class T = Compute<S>>
static void store_row(const T* from, int64_t count, const T* bias, const Finish<S>& after, const RowOf<S>& row) {
  constexpr int L = kChunk<T>, n = kLanes<T>;
  for (int l = 0; l < L; l += n) {
    const int lanes = int(smaller(n, row.channels - l));
    if (lanes <= 0) break;
    const Vector<T> biases = load(bias + l);
    if (row.channel == 1) {
      S* to = row.data + l;
      for (int64_t i = 0; i < count; ++i, to += row.pixel)
        finish(after, to, load(from + i * L + l), biases, lanes, false);
    } else {
      for (int64_t i = 0; i < count; i += n) {
        const int pixels = int(smaller(n, count - i));
        Vector<T> v[n];
#pragma GCC unroll 16
        for (int p = 0; p < n; ++p) v[p] = p < pixels ? load(from + (i + p) * L + l) + biases : Vector<T>{};
        transpose_registers<T>(v);
#pragma GCC unroll 16
        for (int c = 0; c < n; ++c)
          if (c < lanes) finish(after, row.data + (l + c) * row.channel + i, v[c], Vector<T>{}, pixels, false);
      }
    }
  }
}

// The bias of `channels` channels, with zeros behind.
template <class S, class T = Compute<S>>
TORCHCONV_INLINE void load_bias(const S* bias, int64_t channels, T* to) {
  for (int l = 0; l < kChunk<T>; ++l) to[l] = bias && l < channels ? T(bias[l]) : T(0);
}

}  // namespace torchconv::ISA_NS
