// From the rows of spectra to weights.
namespace torchconv::ISA_NS {

using fft::WeightGradient;

// Taps [tap][lane], lanes being outputs, to the weights of one input.
template <class S, class T = Compute<S>>
static void store_taps(const WeightGradient& g, const T* taps, int64_t outputs, S* to) {
  constexpr int L = kChunk<T>;
  const T zero[L] = {};
  const Finish<S> nothing({}, nullptr, nullptr);
  if (g.w_s == 1 && (g.h.taps == 1 || g.w_r == g.w.taps))
    return store_row<S>(taps, g.h.taps * g.w.taps, zero, nothing, {to, g.w_k, 1, outputs});
  for (int64_t k = 0; k < outputs; ++k)
    for (int64_t r = 0; r < g.h.taps; ++r)
      for (int64_t s = 0; s < g.w.taps; ++s)
        to[k * g.w_k + r * g.w_r + s * g.w_s] = S(taps[(r * g.w.taps + s) * L + k]);
}

// Row r of the taps from its spectrum. line: w.size chunks.
template <class T>
static void inverse_row_of_taps(const WeightGradient& g, const Transforms<T>& t, const Series<const T>& slots, T* line,
                                T* taps) {
  constexpr int L = kChunk<T>, n = kLanes<T>;
  const T scale = T(1) / T(g.h.size * g.w.size);
  t.w->inverse(1, slots, {line, L});
  for (int64_t s = 0; s < g.w.taps; ++s)
    for (int v = 0; v < L; v += n) store(taps + s * L + v, load(line + g.w.place(s) * L + v) * scale);
}

}  // namespace torchconv::ISA_NS
