// Products of complex matrices, all tiles of one frequency at a time. Chunks of real parts stand in front of those of
// imaginary parts.
namespace torchconv::ISA_NS {

// Accumulators: 14 x 2 vectors fill 28 of the 32 registers of AVX-512, 6 x 2 fill 12 of 16.
constexpr int kTileRows = TORCHCONV_ISA >= 2 ? 14 : 6;

// c[r][lane] = or += sum over depth of a(r, d) * conj(b[d][lane]); rows of c and b are two chunks apart. So are the
// rows of a, its depth a number apart in chunks that are a_chunk apart; or (across) the other way round, in one run.
// pair: re and im are two real numbers, and their products are apart.
template <class T, int Rows, bool pair, bool across>
static __attribute__((noinline)) void multiply_rows(int64_t depth, const T* a, int64_t a_chunk, const T* b, T* c,
                                                    bool accumulate) {
  constexpr int L = kChunk<T>;
  constexpr int64_t row = across ? 1 : 2 * L, step = across ? 2 * L : 1;
  Vector<T> re[Rows], im[Rows];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
    re[r] = accumulate ? load(c + r * 2 * L) : Vector<T>{};
    im[r] = accumulate ? load(c + r * 2 * L + L) : Vector<T>{};
  }
  for (int64_t left = depth; left > 0; left -= L, a += a_chunk) {
    const T* at = a;
    int64_t count = across ? depth : smaller(left, L);
    do {
      Vector<T> b_re = load(b), b_im = load(b + L);
      keep_in_register(b_re), keep_in_register(b_im);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) {
        if (reads_in_products(Rows, r)) {
          add_product(re[r], at + r * row, b_re);
          if (!pair) subtract_product(im[r], at + r * row, b_im), add_product(re[r], at + r * row + L, b_im);
          add_product(im[r], at + r * row + L, pair ? b_im : b_re);
          continue;
        }
        const Vector<T> x = broadcast(at + r * row);
        re[r] += x * b_re;
        if (!pair) im[r] -= x * b_im;
        const Vector<T> y = broadcast(at + r * row + L);
        if (!pair) re[r] += y * b_im;
        im[r] += y * (pair ? b_im : b_re);
      }
      at += step, b += 2 * L;
    } while (--count);
    if (across) break;
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) store(c + r * 2 * L, re[r]), store(c + r * 2 * L + L, im[r]);
}

template <class T>
using MultiplyRows = void (*)(int64_t, const T*, int64_t, const T*, T*, bool);

template <class T, bool pair, bool across, int... I>
TORCHCONV_INLINE MultiplyRows<T> pick_rows(int rows, integer_list<I...>) {
  static constexpr MultiplyRows<T> table[] = {multiply_rows<T, I + 1, pair, across>...};
  return table[rows - 1];
}

// The same for any number of rows, shared out evenly, and all vectors of a chunk.
template <class T, bool across>
static void multiply(bool pair, int64_t rows, int64_t depth, const T* a, int64_t a_chunk, const T* b, T* c,
                     bool accumulate) {
  using Counts = typename first_integers<kTileRows>::type;
  const int64_t blocks = ceil_div(rows, kTileRows);
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t first = rows * i / blocks, count = rows * (i + 1) / blocks - first;
    const auto run =
        pair ? pick_rows<T, true, across>(int(count), Counts()) : pick_rows<T, false, across>(int(count), Counts());
    for (int v = 0; v < kVectorsPerChunk<T>; ++v)
      run(depth, a + first * (across ? 1 : 2 * kChunk<T>), a_chunk, b + v * kLanes<T>,
          c + first * 2 * kChunk<T> + v * kLanes<T>, accumulate);
  }
}

}  // namespace torchconv::ISA_NS
