// The register-blocked kernel under every matrix product in the library.
//
// Packed matrices are "chunked": element (i, l) stands at  base + (l / L) * stride + i * L + l % L,
// with L = kChunk lanes, one cache line. The same format serves as A (i = row, l = depth: the
// kernel broadcasts) and as B (i = depth, l = column: the kernel loads vectors), so that image
// patches copied line by line need no transposition in either role.
namespace torchconv::ISA_NS {

// kRows x kColumnChunks accumulators: 14 x 32 floats fill 28 of the 32 AVX-512 registers, 6 x 16
// fill 12 of 16 with AVX2, and leave room for one row of B and one broadcast.
constexpr int kRows = TORCHCONV_ISA == 2 ? 14 : TORCHCONV_ISA == 1 ? 6 : 2;
constexpr int kColumnChunks = TORCHCONV_ISA == 2 ? 2 : 1;
template <class T>
constexpr int kColumns = kColumnChunks * kChunk<T>;

template <class T>
struct Chunked {
  const T* data;
  int64_t stride;           // from one chunk column to the next
  int64_t row = kChunk<T>;  // from one row to the next: kChunk when packed, more for a matrix used in place
};

// c[r][0..] (rows kColumns apart) = or += sum over depth of a(r, d) * b(d, .). RowStride 0: known at run time.
template <class T, int Rows, int Chunks, int RowStride>
static __attribute__((noinline)) void micro(int64_t depth, Chunked<T> a, Chunked<T> b, T* c, bool accumulate) {
  constexpr int L = kChunk<T>, n = kLanes<T>, per = kVectorsPerChunk<T>, V = Chunks * per, third = (Rows + 2) / 3;
  const int64_t row_stride = RowStride ? RowStride : a.row;
  Vector<T> sum[Rows][V];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sum[r][v] = accumulate ? load(c + r * kColumns<T> + v * n) : Vector<T>{};
  const T* bp = b.data;
  for (int64_t left = depth, chunk = 0; left > 0; left -= L, chunk += a.stride) {
    // Every third row has a pointer; the two after it are reached by scaled indexing.
    const T* ap[third];
#pragma GCC unroll 8
    for (int i = 0; i < third; ++i) ap[i] = a.data + chunk + 3 * i * row_stride;
    int steps = left < L ? int(left) : L;
    do {
      Vector<T> bv[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) bv[v] = load(bp + (v / per) * b.stride + (v % per) * n);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) {
        const Vector<T> av = broadcast(RowStride ? ap[0] + r * RowStride : ap[r / 3] + (r % 3) * row_stride);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sum[r][v] += av * bv[v];
      }
#pragma GCC unroll 8
      for (int i = 0; i < (RowStride ? 1 : third); ++i) ++ap[i];
      bp += b.row;
    } while (--steps);
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(c + r * kColumns<T> + v * n, sum[r][v]);
}

template <class T>
using Micro = void (*)(int64_t, Chunked<T>, Chunked<T>, T*, bool);

template <class T, int Chunks, int RowStride, int... I>
TORCHCONV_INLINE Micro<T> pick_micro(int rows, integer_list<I...>) {
  static constexpr Micro<T> table[] = {micro<T, I + 1, Chunks, RowStride>...};
  return table[rows - 1];
}

// The kernel for a tile of `rows` x `chunks` chunks.
template <class T>
TORCHCONV_INLINE Micro<T> micro_for(int rows, int chunks, bool packed) {
  using Counts = typename first_integers<kRows>::type;
  if (chunks == kColumnChunks)
    return packed ? pick_micro<T, kColumnChunks, kChunk<T>>(rows, Counts())
                  : pick_micro<T, kColumnChunks, 0>(rows, Counts());
  return packed ? pick_micro<T, 1, kChunk<T>>(rows, Counts()) : pick_micro<T, 1, 0>(rows, Counts());
}

// C (rows x chunks, one column panel, rows kColumns apart) = or += A * B. Rows are shared out evenly:
// 16 rows run as 8 + 8 rather than 14 + 2. Around each tile it calls before(first_row, rows), to
// prefetch where the result will go, and done(first_row, rows).
template <class T, class Before, class Done>
TORCHCONV_INLINE void multiply_panel(int64_t rows, int chunks, int64_t depth, Chunked<T> a, Chunked<T> b, T* c,
                                     bool accumulate, const Before& before, const Done& done) {
  const int64_t tiles = (rows + kRows - 1) / kRows;
  const bool packed = a.row == kChunk<T>;
  for (int64_t t = 0, r = 0; t < tiles; ++t) {
    const int count = int((rows - r + tiles - t - 1) / (tiles - t));
    before(r, count);
    micro_for<T>(count, chunks, packed)(depth, {a.data + r * a.row, a.stride, a.row}, b, c + r * kColumns<T>,
                                        accumulate);
    done(r, count);
    r += count;
  }
}

}  // namespace torchconv::ISA_NS
