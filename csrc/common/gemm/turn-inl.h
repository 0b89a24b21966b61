// grad_y as a chunked matrix with the two roles of its dimensions exchanged.
namespace torchconv::ISA_NS {

// As A: grad_y of some pixels and of channels [o0, o1), turned into [pixel chunk][channel][lane = pixel].
template <class T, class S>
static void turn_nhwc(const Gather& g, const S* grad_y, const Pixel* pixels, int64_t count, int64_t o0, int64_t o1,
                      T* to) {
  constexpr int L = kChunk<T>;
  const int64_t rows = o1 - o0;
  for (int64_t m = 0; m < count; m += L)
    for (int64_t o = 0; o < rows; o += L) {
      const Pixel* pixel = pixels + m;
      const S* from = grad_y + o0 + o;
      T* at = to + m * rows + o * L;
      const bool whole = m + L <= count && o + L <= rows;
      // Each pixel is another row, and no stream to the hardware prefetcher: 1.05x to 1.1x of 64 to 256 channels at
      // 56x56.
      if (m + 2 * L <= count)
        for (int l = 0; l < L; ++l) __builtin_prefetch(from + pixel[L + l].target);
      if (whole && pixel[L - 1].target - pixel[0].target == (L - 1) * g.dst_w) {
        transpose_chunk(at, L, from + pixel[0].target, g.dst_w);
      } else if (whole) {  // of several rows of a rectangle
        S square[L * L];
        for (int l = 0; l < L; ++l) copy_part(square + l * L, from + pixel[l].target, L);
        transpose_chunk(at, L, square, L);
      } else {
        for (int64_t i = 0; i < smaller(L, rows - o); ++i)
          for (int64_t l = 0; l < smaller(L, count - m); ++l) at[i * L + l] = T(from[pixel[l].target + i]);
      }
    }
  pad_lanes(to, rows * L, rows, count);
}

// The same from NCHW, into [channel chunk][pixel][lane = channel], with room for whole steps of pixels; lanes
// beyond the channels are zero.
template <class T, class S>
static void turn_nchw(const Gather& g, const S* grad_y, int64_t m0, int64_t count, int64_t o0, int64_t o1, T* to) {
  constexpr int L = kChunk<T>;
  const int64_t plane = g.image();
  for (int64_t o = o0; o < o1; o += L)
    for (int64_t m = 0; m < count; m += L) {
      const int64_t n = (m0 + m) / plane, pq = (m0 + m) % plane;
      T* at = to + (o - o0) * whole_steps<T>(count) + m * L;
      if (pq + L <= plane && m + L <= count && o + L <= o1) {
        transpose_chunk(at, L, grad_y + n * g.dst_n + o * g.dst_c + pq, g.dst_c);
        continue;
      }
      for (int64_t l = 0; l < smaller(L, count - m); ++l) {
        const int64_t at_pixel = (m0 + m + l) / plane * g.dst_n + (m0 + m + l) % plane;
        for (int64_t i = 0; i < L; ++i) at[l * L + i] = o + i < o1 ? T(grad_y[at_pixel + (o + i) * g.dst_c]) : T(0);
      }
    }
}

}  // namespace torchconv::ISA_NS
