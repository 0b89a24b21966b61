// Transposition of up to a chunk by a chunk between rows in memory and chunks of lanes.
namespace torchconv::ISA_NS::winograd {

// to[j * to_stride + i] = from[i * from_stride + j] for i < rows and j < columns; lanes beyond the rows are zero.
template <class T, class S>
static void turn_in(T* to, int64_t to_stride, const S* from, int64_t from_stride, int64_t rows, int64_t columns) {
  constexpr int n = kLanes<T>;
  for (int64_t i0 = 0; i0 < kChunk<T>; i0 += n)
    for (int64_t j0 = 0; j0 < columns; j0 += n) {
      const int width = int(smaller(n, columns - j0));
      const S* at = from + i0 * from_stride + j0;
      Vector<T> v[n];
      if (rows - i0 >= n) {
#pragma GCC unroll 16
        for (int i = 0; i < n; ++i) v[i] = load_part(at + i * from_stride, width);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < n; ++i) v[i] = i < rows - i0 ? load_part(at + i * from_stride, width) : Vector<T>{};
      }
      transpose_registers<T>(v);
#pragma GCC unroll 16
      for (int j = 0; j < n; ++j)
        if (j < width) store(to + (j0 + j) * to_stride + i0, v[j]);
    }
}

// The way back: out(j, i, v, count) takes from[i * from_stride + j], from[(i + 1) * from_stride + j], ..., `count` of
// them, for i < rows and j < columns.
template <class T, class Out>
TORCHCONV_INLINE void turn_out(const T* from, int64_t from_stride, int64_t rows, int64_t columns, const Out& out) {
  constexpr int n = kLanes<T>;
  for (int64_t i0 = 0; i0 < rows; i0 += n)
    for (int64_t j0 = 0; j0 < columns; j0 += n) {
      const int count = int(smaller(n, rows - i0));
      Vector<T> v[n];
#pragma GCC unroll 16
      for (int i = 0; i < n; ++i) v[i] = i < count ? load(from + (i0 + i) * from_stride + j0) : Vector<T>{};
      transpose_registers<T>(v);
#pragma GCC unroll 16
      for (int j = 0; j < n; ++j)
        if (j < columns - j0) out(j0 + j, i0, v[j], count);
    }
}

}  // namespace torchconv::ISA_NS::winograd
