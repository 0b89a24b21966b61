// The micro-kernel of the weight gradient: its sums run over tiles, so that rows are lanes of a chunk of channels.
namespace torchconv::ISA_NS::winograd {

constexpr int kOuterRows = kRows < 8 ? kRows : 8;  // of a chunk; 8 x 32 floats are 16 accumulators with AVX-512

// c[r][0..] (rows kColumns apart) = or += sum over i < depth of a[i * L + r] * b[i * L + .]. The sum of this call is
// complete before it is added: blocks of tiles lose less than one long chain.
template <class T, int Rows, int Chunks>
static __attribute__((noinline)) void outer(int64_t depth, const T* a, const T* b, int64_t b_stride, T* c,
                                            bool accumulate) {
  constexpr int L = kChunk<T>, n = kLanes<T>, per = kVectorsPerChunk<T>, V = Chunks * per;
  Vector<T> sum[Rows][V] = {};
  for (int64_t i = 0; i < depth; ++i, a += L, b += L) {
    Vector<T> bv[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) bv[v] = load(b + (v / per) * b_stride + (v % per) * n);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      const Vector<T> av = broadcast(a + r);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[r][v] += av * bv[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      T* at = c + r * kColumns<T> + v * n;
      store(at, accumulate ? load(at) + sum[r][v] : sum[r][v]);
    }
}

template <class T>
using Outer = void (*)(int64_t, const T*, const T*, int64_t, T*, bool);
template <class T, int Chunks, int... I>
TORCHCONV_INLINE Outer<T> pick_outer(int rows, integer_list<I...>) {
  static constexpr Outer<T> table[] = {outer<T, I + 1, Chunks>...};
  return table[rows - 1];
}

// All rows of a chunk.
template <class T>
static void multiply_outer(int chunks, int64_t depth, const T* a, const T* b, int64_t b_stride, T* c, bool accumulate) {
  using Counts = typename first_integers<kOuterRows>::type;
  for_each_tile(kChunk<T>, kOuterRows, [&](int64_t r, int rows) {
    const Outer<T> kernel =
        chunks == kColumnChunks ? pick_outer<T, kColumnChunks>(rows, Counts()) : pick_outer<T, 1>(rows, Counts());
    kernel(depth, a + r, b, b_stride, c + r * kColumns<T>, accumulate);
  });
}

}  // namespace torchconv::ISA_NS::winograd
