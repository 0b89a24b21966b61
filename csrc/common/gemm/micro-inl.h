// The register-blocked kernel under every matrix product in the library.
//
// Packed matrices are "chunked": element (i, l) stands at  base + (l / L) * stride + i * L + l % L,
// with L = kChunk lanes, one cache line. The same format serves as A (i = row, l = depth: the
// kernel broadcasts) and as B (i = depth, l = column: the kernel loads vectors), so that image
// patches copied line by line need no transposition in either role.
//
// P is what the panels hold. In bfloat16 with BF16 instructions a multiply-add takes a step of two neighbours along the
// depth: pairs of lanes of A, as they stand, and pairs of rows of B, interleaved (pair_rows). Sums are in float.
namespace torchconv::ISA_NS {

// kRows x kColumnChunks accumulators: 14 x 32 floats fill 28 of the 32 AVX-512 registers, 6 x 16
// fill 12 of 16 with AVX2, and leave room for one row of B and one broadcast.
constexpr int kRows = TORCHCONV_ISA >= 2 ? 14 : TORCHCONV_ISA == 1 ? 6 : 2;
constexpr int kColumnChunks = TORCHCONV_ISA >= 2 ? 2 : 1;
template <class T>
constexpr int kColumns = kColumnChunks * kChunk<T>;

// One multiply-add: what it takes of A (of a row, in every lane) and of B (a vector of columns), and how much depth.
template <class P>
struct Step {
  static constexpr int depth = 1;
  TORCHCONV_INLINE Vector<P> of_row(const P* p) { return broadcast(p); }
  TORCHCONV_INLINE Vector<P> of_columns(const P* p) { return load(p); }
  TORCHCONV_INLINE Vector<P> add(Vector<P> sum, Vector<P> a, Vector<P> b) { return sum + a * b; }
};
#if TORCHCONV_ISA == 3
// The two products are added one after the other, each sum rounded to nearest even. Subnormal numbers count as zero,
// in and out.
template <>
struct Step<bf16> {
  static constexpr int depth = 2;
  TORCHCONV_INLINE __m512i of_row(const bf16* p) {
    int32_t pair;
    __builtin_memcpy(&pair, p, 4);
    __m512i v = _mm512_set1_epi32(pair);
    asm("" : "+v"(v));  // as in broadcast()
    return v;
  }
  TORCHCONV_INLINE __m512i of_columns(const bf16* p) { return _mm512_loadu_si512(p); }
  TORCHCONV_INLINE Vector<float> add(Vector<float> sum, __m512i a, __m512i b) {
    return (Vector<float>)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
  }
};
#endif
template <class P>
TORCHCONV_INLINE int64_t whole_steps(int64_t depth) {
  return round_up(depth, Step<P>::depth);
}

template <class P>
struct Chunked {
  const P* data;
  int64_t stride;           // from one chunk column to the next
  int64_t row = kChunk<P>;  // from one row to the next: kChunk when packed, more for a matrix used in place
  int64_t run = kChunk<P>;  // of A: elements along the depth that are neighbours in memory
};

// A cache line to fetch, and whether it will be written: then bit 0 is set, which no operand's address has.
using Line = const char*;
TORCHCONV_INLINE Line line_to_read(const void* p) { return (Line)p; }
TORCHCONV_INLINE Line line_to_write(const void* p) { return (Line)p + 1; }
TORCHCONV_INLINE void fetch(Line line) {
  (uintptr_t)line % 2 ? __builtin_prefetch(line, 1, 2) : __builtin_prefetch(line, 0, 2);
}

// What a tile fetches into L2 in its course. For the next panel of B, at every chunk of its depth: `lines` cache lines
// from each place, one place for each of its chunks, with distances in bytes; or of what is needed of A next, a part in
// each place. And single lines, wherever they are. One of each a step, since the tile's own loads wait behind many at
// once: tiles of 8 rows run at 222 GFLOP/s on a Zen 5 with all lines at the start of a chunk, at 250 with one a step,
// as without any; on panels from memory at 212 and 224, and at 102 without.
struct FetchAhead {
  const char* data = nullptr;
  int64_t place = 0;  // from one place to the next
  int64_t line = 0;
  int64_t chunk = 0;  // from what is fetched at one chunk of the depth to what is at the next
  int lines = 0;
  const Line *single = nullptr, *singles_end = nullptr;

  // Keeps what falls to rows [r, r + count) of `rows`.
  void keep_share(int64_t r, int64_t count, int64_t rows) {
    if (count >= rows) return;
    const int64_t first = lines * r / rows, singles = singles_end - single;
    data += first * line, lines = int(lines * (r + count) / rows - first);
    singles_end = single + singles * (r + count) / rows, single += singles * r / rows;
  }
  FetchAhead share(int64_t r, int64_t count, int64_t rows) const {
    FetchAhead part = *this;
    part.keep_share(r, count, rows);
    return part;
  }
};
// A panel of packed columns, or of a matrix used in place; none if it has no data.
template <class P>
TORCHCONV_INLINE FetchAhead fetch_panel(Chunked<P> panel) {
  constexpr int64_t item = sizeof(P), step = Step<P>::depth;
  if (!panel.data) return {};
  return {(const char*)panel.data,
          panel.stride * item,
          step * panel.row * item,
          kChunk<P> * panel.row * item,
          int(kChunk<P> / step),
          nullptr,
          nullptr};
}

// A chunk column of B, row by row -> in steps: pairs of rows interleaved, with a row of zeros if their number is odd.
template <class P>
TORCHCONV_INLINE void pair_rows(P* column, int64_t rows) {
#if TORCHCONV_ISA == 3
  if constexpr (Step<P>::depth == 2) {
    constexpr int L = kChunk<P>;
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    if (rows % 2) zero_chunk(column + rows * L);
    for (P* pair = column; pair < column + rows * L; pair += 2 * L)
      _mm512_storeu_si512(pair, _mm512_permutexvar_epi16(order, _mm512_loadu_si512(pair)));
  }
#endif
}

// The last step of A, chunk by chunk, if the depth ends within it: a lane of zeros.
template <class P>
TORCHCONV_INLINE void pad_lanes(P* a, int64_t stride, int64_t rows, int64_t depth) {
  constexpr int L = kChunk<P>;
  if (depth % Step<P>::depth)
    for (int64_t i = 0; i < rows; ++i) a[depth / L * stride + i * L + depth % L] = P{};
}

// A tile of sums: Rows by Chunks chunks.
template <class P, int Rows, int Chunks>
using TileSums = Vector<Compute<P>>[Rows][Chunks * kVectorsPerChunk<P>];

// sum[r][.] += sum over depth of a(r, d) * b(d, .). RowStride 0: known at run time.
template <class P, int Rows, int Chunks, int RowStride>
TORCHCONV_INLINE void add_products(TileSums<P, Rows, Chunks>& sum, int64_t depth, const Chunked<P>& a,
                                   const Chunked<P>& b, const FetchAhead& ahead) {
  constexpr int n = kLanes<P>, per = kVectorsPerChunk<P>, V = Chunks * per, third = (Rows + 2) / 3;
  const int64_t row_stride = RowStride ? RowStride : a.row;
  const P* bp = b.data;
  const char* next = ahead.data;
  const Line *single = ahead.single, *const singles_end = ahead.singles_end;
  for (int64_t left = depth, chunk = 0; left > 0; left -= a.run, chunk += a.stride) {
    // Every third row has a pointer; the two after it are reached by scaled indexing.
    const P* ap[third];
#pragma GCC unroll 8
    for (int i = 0; i < third; ++i) ap[i] = a.data + chunk + 3 * i * row_stride;
    const char* fetched = next;
    int lines = ahead.lines;
    const auto fetch_line = [&] {
#pragma GCC unroll 2
      for (int j = 0; j < Chunks; ++j) __builtin_prefetch(fetched + j * ahead.place, 0, 2);
      fetched += ahead.line, --lines;
    };
    next += ahead.chunk;
    int64_t steps = ceil_div(smaller(left, a.run), Step<P>::depth);
    do {
      decltype(Step<P>::of_columns(bp)) bv[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v)
        bv[v] = Step<P>::of_columns(bp + (v / per) * b.stride + (v % per) * n * Step<P>::depth);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) {
        const P* at = RowStride ? ap[0] + r * RowStride : ap[r / 3] + (r % 3) * row_stride;
        if constexpr (Step<P>::depth == 1)
          if (reads_in_products(Rows, r)) {
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) add_product(sum[r][v], at, bv[v]);
            continue;
          }
        const auto av = Step<P>::of_row(at);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sum[r][v] = Step<P>::add(sum[r][v], av, bv[v]);
      }
#pragma GCC unroll 8
      for (int i = 0; i < (RowStride ? 1 : third); ++i) ap[i] += Step<P>::depth;
      bp += Step<P>::depth * b.row;
      if (lines > 0) fetch_line();
      if (single != singles_end) fetch(*single++);
    } while (--steps);
    while (lines > 0) fetch_line();
  }
  while (single != singles_end) fetch(*single++);
}

// Between a tile of sums and memory, where its rows are kColumns apart.
template <class P, int Rows, int Chunks, class T = Compute<P>>
TORCHCONV_INLINE void zero_tile(TileSums<P, Rows, Chunks>& sum) {
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < Chunks * kVectorsPerChunk<P>; ++v) sum[r][v] = Vector<T>{};
}
template <class P, int Rows, int Chunks, class T = Compute<P>>
TORCHCONV_INLINE void store_tile(T* c, const TileSums<P, Rows, Chunks>& sum) {
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < Chunks * kVectorsPerChunk<P>; ++v) store(c + r * kColumns<T> + v * kLanes<P>, sum[r][v]);
}

// Onto the sums of the blocks of depth before, which are not taken up at the start: the chains of rounded sums are
// shorter so. Weight gradients of 17,000 pixels err by 5e-7 rather than 2e-6 to 3e-6, 18,000 products 5e-7 rather than
// 6e-6.
template <class P, int Rows, int Chunks, class T = Compute<P>>
TORCHCONV_INLINE void add_tile(TileSums<P, Rows, Chunks>& sum, const T* c) {
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < Chunks * kVectorsPerChunk<P>; ++v) sum[r][v] += load(c + r * kColumns<T> + v * kLanes<P>);
}

// c[r][0..] (rows kColumns apart) = or += sum over depth of a(r, d) * b(d, .). By reference: copies of what has just
// been put together field by field wait for the stores of all fields.
template <class P, int Rows, int Chunks, int RowStride>
static __attribute__((noinline)) void micro(int64_t depth, const Chunked<P>& a, const Chunked<P>& b, Compute<P>* c,
                                            bool accumulate, const FetchAhead& ahead) {
  TileSums<P, Rows, Chunks> sum;
  zero_tile<P, Rows, Chunks>(sum);
  add_products<P, Rows, Chunks, RowStride>(sum, depth, a, b, ahead);
  if (accumulate) add_tile<P, Rows, Chunks>(sum, c);
  store_tile<P, Rows, Chunks>(c, sum);
}

template <class P>
using Micro = void (*)(int64_t, const Chunked<P>&, const Chunked<P>&, Compute<P>*, bool, const FetchAhead&);

template <class P, int Chunks, int RowStride, int... I>
TORCHCONV_INLINE Micro<P> pick_micro(int rows, integer_list<I...>) {
  static constexpr Micro<P> table[] = {micro<P, I + 1, Chunks, RowStride>...};
  return table[rows - 1];
}

// The kernel for a tile of `rows` x `chunks` chunks.
template <class P>
TORCHCONV_INLINE Micro<P> micro_for(int rows, int chunks, bool packed) {
  using Counts = typename first_integers<kRows>::type;
  if (chunks == kColumnChunks)
    return packed ? pick_micro<P, kColumnChunks, kChunk<P>>(rows, Counts())
                  : pick_micro<P, kColumnChunks, 0>(rows, Counts());
  return packed ? pick_micro<P, 1, kChunk<P>>(rows, Counts()) : pick_micro<P, 1, 0>(rows, Counts());
}

// Rows of so many elements fall on one L1 set, of 8 or 12 ways.
template <class P>
TORCHCONV_INLINE bool rows_collide(int64_t row) {
  return row * int64_t(sizeof(P)) % 4096 == 0;
}
// The most rows of A in a tile. Of those that collide 14 run at 91 GFLOP/s on a Zen 4, 8 as fast as packed ones (116).
template <class P>
TORCHCONV_INLINE int64_t tile_rows(Chunked<P> a) {
  return rows_collide<P>(a.row) ? smaller(kRows, 8) : kRows;
}

// f(first_row, rows) for each tile of at most `most`. Shared out evenly: 16 run as 8 + 8 rather than 14 + 2.
template <class F>
TORCHCONV_INLINE void for_each_tile(int64_t rows, int64_t most, const F& f) {
  const int64_t tiles = ceil_div(rows, most), each = tiles ? rows / tiles : 0, longer = rows - tiles * each;
  for (int64_t t = 0, first = 0, count; t < tiles; ++t, first += count) f(first, int(count = each + (t < longer)));
}

// C (a tile of kRows at most, its rows kColumns apart) = or += A * B.
template <class P>
TORCHCONV_INLINE void multiply_tile(int rows, int chunks, int64_t depth, const Chunked<P>& a, const Chunked<P>& b,
                                    Compute<P>* c, bool accumulate, const FetchAhead& ahead = {}) {
  micro_for<P>(rows, chunks, a.row == kChunk<P>)(depth, a, b, c, accumulate, ahead);
}

// The same for a panel of any number of rows.
template <class P>
TORCHCONV_INLINE void multiply_panel(int64_t rows, int chunks, int64_t depth, Chunked<P> a, Chunked<P> b, Compute<P>* c,
                                     bool accumulate, const FetchAhead& ahead = {}) {
  for_each_tile(rows, tile_rows(a), [&](int64_t r, int count) {
    multiply_tile<P>(count, chunks, depth, {a.data + r * a.row, a.stride, a.row, a.run}, b, c + r * kColumns<P>,
                     accumulate, ahead.share(r, count, rows));
  });
}

}  // namespace torchconv::ISA_NS
