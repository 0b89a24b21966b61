// In channels_last: a tile of pixels times panels of outputs, each stored straight from the registers that summed it.
namespace torchconv::ISA_NS {

template <class S>
struct TileProduct {
  const Operands<S>& op;
  const int64_t* targets;  // of its rows: where in the result channel 0 goes
  int64_t o, outputs;      // outputs [o, outputs), panel by panel
  int64_t depth;
  Chunked<Packed<S>> a, b;   // b: the panel of output o, with the next ones after it
  const Compute<S>* before;  // the sums so far, of a single panel, rows kColumns apart; null: none
  bool past_caches;
  FetchAhead ahead;  // in the course of all panels
};

// Of the v-th vector of a tile of outputs from o on: the lanes that count.
template <class S>
TORCHCONV_INLINE int lanes_of(const TileProduct<S>& p, int64_t o, int v) {
  constexpr int n = kLanes<Compute<S>>;
  return int(smaller(larger(p.outputs - o - v * n, 0), n));
}

// f(sum, offset in the result, lanes that count) for each vector of such a tile.
template <class S, int Rows, int V, class F>
TORCHCONV_INLINE void for_each_sum(Vector<Compute<S>> (&sum)[Rows][V], const TileProduct<S>& p, int64_t o, const F& f) {
  constexpr int n = kLanes<Compute<S>>;
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) f(sum[r][v], p.targets[r] + o + v * n, lanes_of(p, o, v));
}

template <class S, int Rows, int V, class T = Compute<S>>
TORCHCONV_INLINE void add_bias(Vector<T> (&sum)[Rows][V], const TileProduct<S>& p, int64_t o) {
  constexpr int n = kLanes<T>;
  Vector<T> bias[V];
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) bias[v] = load_part(p.op.bias + o + v * n, lanes_of(p, o, v));
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sum[r][v] += bias[v];
}

// Activations beyond a clamp, from memory: once for all sizes of tiles.
template <class S, class T = Compute<S>>
static __attribute__((noinline)) void activate_all(const Epilogue& epilogue, T* sums, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes<T>) store(sums + i, activate<T>(epilogue, load(sums + i)));
}
template <class S, int Rows, int V, class T = Compute<S>>
TORCHCONV_INLINE void activate_tile(Vector<T> (&sum)[Rows][V], const TileProduct<S>& p, int64_t o) {
  constexpr int n = kLanes<T>;
  const Vector<T> zero{}, six = 6 - zero;
  const Activation activation = p.op.epilogue.activation;
  if (activation == Activation::relu || activation == Activation::relu6)
    for_each_sum<S>(sum, p, o, [&](Vector<T>& s, int64_t, int) { s = s < zero ? zero : s; });
  if (activation == Activation::relu6)
    for_each_sum<S>(sum, p, o, [&](Vector<T>& s, int64_t, int) { s = s > six ? six : s; });
  if (activation <= Activation::relu6) return;
  T sums[Rows * V * n];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store(sums + (r * V + v) * n, sum[r][v]);
  activate_all<S>(p.op.epilogue, sums, Rows * V * n);
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sum[r][v] = load(sums + (r * V + v) * n);
}

// From sums of outputs from o on to results.
template <class S, int Rows, int V, class T = Compute<S>>
TORCHCONV_INLINE void finish_tile(Vector<T> (&sum)[Rows][V], const TileProduct<S>& p, int64_t o) {
  const S* residual = p.op.residual;
  S* dst = p.op.dst;
  const bool whole = p.outputs - o >= V * kLanes<T>;
  if (p.op.bias) add_bias<S>(sum, p, o);
  if (residual && whole)
    for_each_sum<S>(sum, p, o, [&](Vector<T>& s, int64_t at, int) { s += load(residual + at); });
  else if (residual)
    for_each_sum<S>(sum, p, o, [&](Vector<T>& s, int64_t at, int lanes) { s += load_part(residual + at, lanes); });
  if (p.op.epilogue.activation != Activation::none) activate_tile<S>(sum, p, o);
  if (!whole)
    for_each_sum<S>(sum, p, o, [&](Vector<T>& s, int64_t at, int lanes) { store_part(dst + at, s, lanes); });
  else if (p.past_caches)
    for_each_sum<S>(sum, p, o, [&](Vector<T>& s, int64_t at, int) {
      stream_aligned(dst + at) ? stream(dst + at, s) : store(dst + at, s);
    });
  else
    for_each_sum<S>(sum, p, o, [&](Vector<T>& s, int64_t at, int) { store(dst + at, s); });
}

// The lines that a tile's results and residual are in, while it is multiplied. All at the start: one row a step makes
// the steps longer, 0.92x of a layer of 128 to 512 channels at 28x28.
template <class S, int Rows, int Chunks>
TORCHCONV_INLINE void fetch_results(const TileProduct<S>& p, int64_t o) {
  for (int r = 0; r < Rows; ++r)
    for (int c = 0; c < Chunks; ++c) {
      const int64_t at = p.targets[r] + o + c * kChunk<Compute<S>>;
      if (!p.past_caches) __builtin_prefetch(p.op.dst + at, 1);
      if (p.op.residual) __builtin_prefetch(p.op.residual + at);
    }
}

template <class S, int Rows, int Chunks, int RowStride>
static __attribute__((noinline)) void multiply_and_store(const TileProduct<S>& p) {
  using P = Packed<S>;
  constexpr int64_t panel = kColumns<Compute<S>>;
  Chunked<P> b = p.b;
  for (int64_t o = p.o; o < p.outputs; o += panel, b.data += kColumnChunks * b.stride) {
    const FetchAhead ahead = p.ahead.share(o - p.o, panel, round_up(p.outputs - p.o, panel));
    if constexpr (Chunks > 1)
      if (p.outputs - o <= kChunk<P>)
        return multiply_and_store<S, Rows, 1, RowStride>(
            {p.op, p.targets, o, p.outputs, p.depth, p.a, b, p.before, p.past_caches, ahead});
    fetch_results<S, Rows, Chunks>(p, o);
    TileSums<P, Rows, Chunks> sum;
    zero_tile<P, Rows, Chunks>(sum);
    add_products<P, Rows, Chunks, RowStride>(sum, p.depth, p.a, b, ahead);
    if (p.before) add_tile<P, Rows, Chunks>(sum, p.before);
    finish_tile<S>(sum, p, o);
  }
}

template <class S>
using TileKernel = void (*)(const TileProduct<S>&);
template <class S, int Chunks, int RowStride, int... I>
TORCHCONV_INLINE TileKernel<S> pick_tile(int rows, integer_list<I...>) {
  static constexpr TileKernel<S> table[] = {multiply_and_store<S, I + 1, Chunks, RowStride>...};
  return table[rows - 1];
}
template <class S, int RowStride>
TORCHCONV_INLINE TileKernel<S> pick_tile(int rows, int64_t outputs) {
  using Counts = typename first_integers<kRows>::type;
  return outputs <= kChunk<Packed<S>> ? pick_tile<S, 1, RowStride>(rows, Counts())
                                      : pick_tile<S, kColumnChunks, RowStride>(rows, Counts());
}

// Tiles of `rows` pixels.
template <class S>
TORCHCONV_INLINE void multiply_and_store(int rows, const TileProduct<S>& p) {
  constexpr int L = kChunk<Packed<S>>;
  const int64_t outputs = p.outputs - p.o;
  (p.a.row == L ? pick_tile<S, L>(rows, outputs) : pick_tile<S, 0>(rows, outputs))(p);
}

}  // namespace torchconv::ISA_NS
