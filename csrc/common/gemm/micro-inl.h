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

// What a tile fetches into L2 of the next panel of B, a bit at every chunk of its depth (at once, its own loads would
// wait behind): from each chunk column, `lines` of every kChunk rows.
template <class T>
struct Ahead {
  Chunked<T> panel{nullptr, 0};
  int lines = 0;
};
// The share of rows [r, r + count) of `rows` in fetching a panel; none if it has no data.
template <class T>
TORCHCONV_INLINE Ahead<T> share_of(Chunked<T> panel, int64_t r, int count, int64_t rows) {
  const int64_t first = kChunk<T> * r / rows;
  if (!panel.data) return {};
  return {{panel.data + first * panel.row, panel.stride, panel.row}, int(kChunk<T> * (r + count) / rows - first)};
}

// c[r][0..] (rows kColumns apart) = or += sum over depth of a(r, d) * b(d, .). RowStride 0: known at run time.
template <class T, int Rows, int Chunks, int RowStride>
static __attribute__((noinline)) void micro(int64_t depth, Chunked<T> a, Chunked<T> b, T* c, bool accumulate,
                                            Ahead<T> ahead) {
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
    for (int i = 0; i < ahead.lines; ++i)
#pragma GCC unroll 2
      for (int j = 0; j < Chunks; ++j)
        __builtin_prefetch(ahead.panel.data + j * ahead.panel.stride + i * ahead.panel.row, 0, 2);
    ahead.panel.data += L * ahead.panel.row;
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
using Micro = void (*)(int64_t, Chunked<T>, Chunked<T>, T*, bool, Ahead<T>);

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

// The most rows of A in a tile. Used in place with rows a multiple of 4 KiB apart, all of them fall on one L1 set of
// 8 ways: 14 rows run at 91 GFLOP/s on a Zen 4, 8 rows as fast as packed ones (116).
template <class T>
TORCHCONV_INLINE int64_t tile_rows(Chunked<T> a) {
  return a.row * int64_t(sizeof(T)) % 4096 == 0 ? smaller(kRows, 8) : kRows;
}

// f(first_row, rows) for each tile of at most `most`. Shared out evenly: 16 run as 8 + 8 rather than 14 + 2.
template <class F>
TORCHCONV_INLINE void for_each_tile(int64_t rows, int64_t most, const F& f) {
  const int64_t tiles = ceil_div(rows, most);
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t first = rows * t / tiles;
    f(first, int(rows * (t + 1) / tiles - first));
  }
}

// C (a tile of kRows at most, its rows kColumns apart) = or += A * B.
template <class T>
TORCHCONV_INLINE void multiply_tile(int rows, int chunks, int64_t depth, Chunked<T> a, Chunked<T> b, T* c,
                                    bool accumulate, Ahead<T> ahead = {}) {
  micro_for<T>(rows, chunks, a.row == kChunk<T>)(depth, a, b, c, accumulate, ahead);
}

// The same for a panel of any number of rows.
template <class T>
TORCHCONV_INLINE void multiply_panel(int64_t rows, int chunks, int64_t depth, Chunked<T> a, Chunked<T> b, T* c,
                                     bool accumulate) {
  for_each_tile(rows, tile_rows(a), [&](int64_t r, int count) {
    multiply_tile<T>(count, chunks, depth, {a.data + r * a.row, a.stride, a.row}, b, c + r * kColumns<T>, accumulate);
  });
}

}  // namespace torchconv::ISA_NS
