// Weights with transformed rows of some chunks of outputs: [column][chunk][input][row][slot], scaled so that no other
// step need scale. Their columns are transformed just before use, which is less to keep and to move.
namespace torchconv::ISA_NS {

using fft::Images;

// Taps of a chunk of outputs: [tap][lane].
template <class S, class T = Compute<S>>
static void load_taps(const Images& g, const S* w, int64_t outputs, T* taps) {
  constexpr int L = kChunk<T>;
  const int64_t R = g.h.taps, Q = g.w.taps;
  if (g.w_s == 1 && (R == 1 || g.w_r == Q)) {
    load_row<S>({w, g.w_out, 1, outputs}, 0, R * Q, R * Q, taps);
  } else {
    for (int64_t r = 0; r < R; ++r) load_row<S>({w + r * g.w_r, g.w_out, g.w_s, outputs}, 0, Q, Q, taps + r * Q * L);
  }
}

template <class T>
struct RowWeights {
  T* data;
  int64_t input, chunk, column;  // strides
  int64_t size;                  // numbers

  RowWeights(const Images& g, int64_t chunks, T* data) : data(data) {
    constexpr int L = kChunk<T>;
    input = g.h.taps * 2 * L, chunk = g.sources * input, column = chunks * chunk + L;
    size = g.w.size / 2 * column;
  }
};

// The taps of one row to where they are in a line.
template <class T>
TORCHCONV_INLINE void scale_taps(const Images& g, const T* taps, T* line) {
  constexpr int L = kChunk<T>, n = kLanes<T>;
  const T scale = T(1) / T(g.h.size * g.w.size);
  for (int64_t s = 0; s < g.w.taps; ++s)
    for (int v = 0; v < L; v += n) store(line + g.w.place(s) * L + v, load(taps + s * L + v) * scale);
}

// One input of one chunk of outputs; taps: h.taps * w.taps chunks; line: w.size chunks.
template <class S, class T = Compute<S>>
static void transform_weight_rows(const Images& g, const Transforms<T>& t, const S* w, int64_t outputs, T* taps,
                                  T* line, T* to, int64_t column) {
  constexpr int L = kChunk<T>;
  load_taps(g, w, outputs, taps);
  for (int64_t i = 0; i < g.w.size; ++i) zero_chunk(line + i * L);
  for (int64_t r = 0; r < g.h.taps; ++r) {
    scale_taps(g, taps + r * g.w.taps * L, line);
    t.w->real(1, {line, L}, {to + r * 2 * L, column, L});
  }
}

// How many inputs' columns are transformed at once.
constexpr int64_t kColumnsAtOnce = 8;

// One column of `inputs` inputs from their rows. lines: h.size slots for each of kColumnsAtOnce, zero where no tap is.
template <class T>
static void transform_weight_columns(const Images& g, const Transforms<T>& t, int64_t column, int64_t inputs,
                                     const T* rows, T* lines, const Series<T>& out) {
  constexpr int L = kChunk<T>;
  const int64_t taps = g.h.taps;
  for (int64_t first = 0; first < inputs; first += kColumnsAtOnce) {
    const int64_t count = smaller(kColumnsAtOnce, inputs - first);
    for (int64_t c = 0; c < count; ++c)
      for (int64_t r = 0; r < taps; ++r, rows += 2 * L) {
        T* to = lines + (c * g.h.size + g.h.place(r)) * 2 * L;
        copy_chunk(to, rows), copy_chunk(to + L, rows + L);
      }
    const Series<T> to{out.data + first * out.next, out.step, out.im, out.next};
    forward_columns<T>(t, column, count, {lines, 2 * L, L, g.h.size * 2 * L}, g.h.reach(), to);
  }
}

}  // namespace torchconv::ISA_NS
