// Images of groups with several channels: for every slot of the spectrum a matrix product over the input channels.
namespace torchconv::ISA_NS {

// A block of tiles stays in the L2 cache while one column is multiplied; so does a part of the weights.
constexpr int64_t kTilesInL2 = 384 << 10, kWeightsInL2 = 256 << 10;

// How many tiles a block has at most, and whether threads have blocks of their own.
TORCHCONV_INLINE Blocks cut_blocks(const Images& g, int64_t bytes_per_tile, int64_t bytes_per_spectrum) {
  const int64_t threads = g.threads, tiles = g.tiles() * g.groups;
  const bool own = threads == 1 || tiles >= 8 * threads || g.groups % threads == 0;
  int64_t most = larger(kTileRows, smaller(64, kTilesInL2 / bytes_per_tile));
  most = smaller(most, larger(fft::kFewTiles, fft::kMostBlock / bytes_per_spectrum));
  if (own) most = smaller(most, larger(fft::kFewTiles, ceil_div(tiles, threads)));
  Blocks b = cut_blocks(g.N, g.h.tiles, g.w.tiles, most, own && g.groups == 1 ? threads : 1);
  b.own = own && b.count() * g.groups >= threads;
  return b;
}

template <class T>
struct DensePlan {
  Blocks blocks;
  int64_t source_chunks, result_chunks, depth;      // depth: input channels whose weights are in L2 together
  int64_t height;                                   // rows of an image in a block
  int64_t column;                                   // stride of the rows' spectra, from column to column
  int64_t tile_slot, weight_slot, product_slot;     // strides from slot to slot
  int64_t spectra, tiles, weights, products, line;  // numbers
  int64_t per_thread, all_weights;

  explicit DensePlan(const Images& g) {
    constexpr int L = kChunk<T>;
    source_chunks = ceil_div(g.sources, L), result_chunks = ceil_div(g.results, L);
    const int64_t slot = 2 * L * int64_t(sizeof(T)), spectrum = g.h.size * g.w.size / 2 * slot;
    blocks = cut_blocks(g, g.h.size * source_chunks * slot, spectrum * (source_chunks + result_chunks));
    const int64_t columns = g.w.size / 2, strips = blocks.images * blocks.columns;
    depth = smaller(source_chunks, larger(1, kWeightsInL2 / (g.h.size * 2 * L * L * int64_t(sizeof(T))))) * L;
    height = (blocks.rows - 1) * g.h.step + g.h.size;
    column = strips * larger(source_chunks, result_chunks) * height * 2 * L + L;
    tile_slot = source_chunks * blocks.tiles() * 2 * L + L;
    weight_slot = depth * 2 * L + L, product_slot = blocks.tiles() * 2 * L + L;
    spectra = columns * column;
    tiles = g.h.size * tile_slot, weights = g.h.size * weight_slot, products = g.h.size * product_slot;
    // Pixels of rows; or a line and the taps of a kernel; or columns of weights.
    line = larger(larger(kRowsAtOnce * line_size(blocks.columns, g.w.step, g.w.size), g.w.size + g.h.taps * g.w.taps),
                  kColumnsAtOnce * 2 * g.h.size) *
           L;
    per_thread = tiles + weights + products + line;
    all_weights = g.groups * RowWeights<T>(g, nullptr).size;
  }
  int64_t numbers(int64_t threads) const {
    return all_weights + (blocks.own ? threads : 1) * spectra + threads * per_thread;
  }
};

// One thread's part of the workspace, and the spectra of the rows of a block, its own or shared. A column of the
// results takes the place of that of the source.
template <class T>
struct DensePieces {
  T *spectra, *tiles, *weights, *products, *line;

  DensePieces(const DensePlan<T>& plan, T* workspace, int threads, int thread) {
    T* blocks = workspace + plan.all_weights;
    spectra = blocks + (plan.blocks.own ? thread : 0) * plan.spectra;
    tiles = blocks + (plan.blocks.own ? threads : 1) * plan.spectra + thread * plan.per_thread;
    weights = tiles + plan.tiles, products = weights + plan.weights, line = products + plan.products;
  }
};

template <class S>
struct Dense {
  using T = Compute<S>;
  static constexpr int L = kChunk<T>;
  const Images& g;
  const DensePlan<T>& plan;
  const Transforms<T>& t;
  const S *src, *w, *bias;
  const Finish<S>& after;
  S* dst;
  T* row_weights;
};

// Where the rows of image n and x-tile q of a block start, for chunk c of `chunks`.
template <class T>
TORCHCONV_INLINE int64_t strip_at(const DensePlan<T>& plan, const Block& b, int64_t n, int64_t q, int64_t chunks,
                                  int64_t c) {
  return ((n * b.columns + q) * chunks + c) * plan.height * 2 * kChunk<T>;
}

template <class S, class T = Compute<S>>
static void transform_all_weight_rows(const Dense<S>& d, T* workspace, int threads) {
  constexpr int L = kChunk<T>;
  const Images& g = d.g;
  const RowWeights<T> all(g, d.row_weights);
  const int64_t chunks = d.plan.result_chunks, parts = d.plan.source_chunks, per_group = chunks * parts;
  parallel_tasks(g.groups * per_group, threads, [&](int64_t task, int thread) {
    const int64_t group = task / per_group, k = task % per_group / parts, c0 = task % parts * L;
    T* line = DensePieces<T>(d.plan, workspace, threads, thread).line;
    T* taps = line + g.w.size * L;
    for (int64_t c = c0; c < smaller(c0 + L, g.sources); ++c)
      transform_weight_rows<S>(g, d.t, d.w + group * g.w_group + k * L * g.w_out + c * g.w_in,
                               smaller(L, g.results - k * L), taps, line,
                               all.data + group * all.size + k * all.chunk + c * all.input, all.column);
  });
}

// `count` rows of image n of a block, counted from the block's first row, for all its x-tiles and channels.
template <class S, class T = Compute<S>>
static void transform_source_rows(const Dense<S>& d, const Block& b, const DensePieces<T>& s, int64_t n, int64_t y,
                                  int64_t count) {
  constexpr int L = kChunk<T>;
  const Images& g = d.g;
  const DensePlan<T>& plan = d.plan;
  const Strips strips{b.columns, b.column * g.w.step - g.w.pad, g.w.step, g.w.size};
  for (int64_t c = 0; c < plan.source_chunks; ++c) {
    const int64_t channel = b.group * g.sources + c * L;
    const RowOf<const S> row{d.src + (b.image + n) * g.src_n + channel * g.src_c, g.src_c, g.src_w,
                             smaller(L, g.sources - c * L)};
    transform_rows<S>(d.t, {row, g.src_h, g.h.in, g.w.in}, b.row * g.h.step - g.h.pad + y, count, strips, s.line,
                      {s.spectra + strip_at(plan, b, n, 0, plan.source_chunks, c) + y * 2 * L, plan.column, L,
                       plan.source_chunks * plan.height * 2 * L});
  }
}

template <class S, class T = Compute<S>>
static void multiply_column(const Dense<S>& d, const Block& b, const DensePieces<T>& s, int64_t j) {
  constexpr int L = kChunk<T>;
  const Images& g = d.g;
  const DensePlan<T>& plan = d.plan;
  const int64_t tiles = b.tiles();
  // Rows of tiles: f(where the first one's rows start, if a tile has `chunks` chunks; its number).
  const auto for_each_row = [&](int64_t chunks, const auto& f) {
    for (int64_t n = 0; n < b.images; ++n)
      for (int64_t y = 0; y < b.rows; ++y)
        f(strip_at(plan, b, n, 0, chunks, 0) + y * g.h.step * 2 * L, (n * b.rows + y) * b.columns);
  };
  const int64_t strip = plan.height * 2 * L;
  for_each_row(plan.source_chunks, [&](int64_t from, int64_t i) {
    for (int64_t c = 0; c < plan.source_chunks; ++c)
      forward_columns<T>(d.t, j, b.columns,
                         {s.spectra + j * plan.column + from + c * strip, 2 * L, L, plan.source_chunks * strip},
                         g.h.size, {s.tiles + (c * tiles + i) * 2 * L, plan.tile_slot, L, 2 * L});
  });
  const RowWeights<T> all(g, d.row_weights);
  for (int64_t i = 0; i < kColumnsAtOnce * 2 * g.h.size; ++i) zero_chunk(s.line + i * L);
  for (int64_t k = 0; k < plan.result_chunks; ++k) {
    const T* rows = all.data + b.group * all.size + j * all.column + k * all.chunk;
    for (int64_t c = 0; c < g.sources; c += plan.depth) {
      const int64_t depth = smaller(plan.depth, g.sources - c);
      transform_weight_columns<T>(g, d.t, j, depth, rows + c * all.input, s.line,
                                  {s.weights, plan.weight_slot, L, 2 * L});
      for (int64_t slot = 0; slot < d.t.rows; ++slot)
        multiply<T, false>(Transforms<T>::is_pair(d.t, j, slot), tiles, depth,
                           s.tiles + slot * plan.tile_slot + c / L * tiles * 2 * L, tiles * 2 * L,
                           s.weights + slot * plan.weight_slot, s.products + slot * plan.product_slot, c > 0);
    }
    // Each tile leaves what is not a result behind its rows, where the next one puts its own.
    for_each_row(plan.result_chunks, [&](int64_t to, int64_t i) {
      inverse_columns<T>(d.t, j, b.columns, {s.products + i * 2 * L, plan.product_slot, L, 2 * L},
                         {s.spectra + j * plan.column + to + k * strip, 2 * L, L, plan.result_chunks * strip});
    });
  }
}

// `count` rows of the results of image n of a block.
template <class S, class T = Compute<S>>
static void write_result_rows(const Dense<S>& d, const Block& b, const DensePieces<T>& s, int64_t n, int64_t y,
                              int64_t count) {
  constexpr int L = kChunk<T>;
  const Images& g = d.g;
  const DensePlan<T>& plan = d.plan;
  const Strips strips{b.columns, b.column * g.w.step, g.w.step, 0};
  for (int64_t k = 0; k < plan.result_chunks; ++k) {
    const int64_t channel = b.group * g.results + k * L, channels = smaller(L, g.results - k * L);
    T bias[L];
    load_bias<S>(d.bias ? d.bias + channel : nullptr, channels, bias);
    const RowOf<S> row{d.dst + (b.image + n) * g.dst_n + channel * g.dst_c, g.dst_c, g.dst_w, channels};
    write_rows<S>(d.t,
                  {s.spectra + strip_at(plan, b, n, 0, plan.result_chunks, k) + y * 2 * L, plan.column, L,
                   plan.result_chunks * plan.height * 2 * L},
                  {row, g.dst_h, g.h.out, g.w.out}, b.row * g.h.step + y, count, strips, s.line, bias, d.after);
  }
}

template <class S, class T = Compute<S>>
static void run_dense(const Images& g, const S* src, const S* w, const S* bias, const Finish<S>& after, S* dst,
                      void* workspace) {
  const DensePlan<T> plan(g);
  const Transforms<T> t(g.isa, g.h.size, g.w.size);
  T* numbers = (T*)workspace;
  const Dense<S> d{g, plan, t, src, w, bias, after, dst, numbers};
  transform_all_weight_rows(d, numbers, g.threads);
  const int64_t blocks = plan.blocks.count() * g.groups;
  const auto pieces = [&](int thread) { return DensePieces<T>(plan, numbers, g.threads, thread); };
  if (plan.blocks.own) {
    parallel_tasks(blocks, g.threads, [&](int64_t task, int thread) {
      const Block b(g.N, g.h, g.w, plan.blocks, task);
      const DensePieces<T> s = pieces(thread);
      for (int64_t n = 0; n < b.images; ++n) transform_source_rows(d, b, s, n, 0, b.height(g.h));
      for (int64_t j = 0; j < t.columns; ++j) multiply_column(d, b, s, j);
      for (int64_t n = 0; n < b.images; ++n) write_result_rows(d, b, s, n, 0, b.rows * g.h.step);
    });
    return;
  }
  for (int64_t i = 0; i < blocks; ++i) {
    const Block b(g.N, g.h, g.w, plan.blocks, i);
    const int64_t height = b.height(g.h), results = b.rows * g.h.step;
    parallel_rows(b.images, height, g.threads, [&](int64_t n, int64_t y, int64_t count, int thread) {
      transform_source_rows(d, b, pieces(thread), n, y, count);
    });
    parallel_tasks(t.columns, g.threads, [&](int64_t j, int thread) { multiply_column(d, b, pieces(thread), j); });
    parallel_rows(b.images, results, g.threads, [&](int64_t n, int64_t y, int64_t count, int thread) {
      write_result_rows(d, b, pieces(thread), n, y, count);
    });
  }
}

}  // namespace torchconv::ISA_NS
