// Images of groups with several channels: for every slot of the spectrum a matrix product over the input channels.
namespace torchconv::ISA_NS {

// A block of tiles stays in the L2 cache while one column is multiplied; so does a part of the weights.
constexpr int64_t kTilesInL2 = 384 << 10, kWeightsInL2 = 256 << 10;

// A task is a block of tiles and a range of the output chunks; a range's tasks follow each other, and a thread
// transforms the rows of its weights once.
template <class T>
static Shares share_out(const Images& g) {
  constexpr int64_t L = kChunk<T>, slot = 2 * L * int64_t(sizeof(T));
  const int64_t threads = g.threads, tiles = g.tiles(), sources = ceil_div(g.sources, L),
                results = ceil_div(g.results, L);
  const auto cut = [&](int64_t ranges, int64_t tiles_of_thread, int64_t blocks_of_range) {
    const int64_t spectrum = g.h.size * g.w.size / 2 * slot * larger(sources, ceil_div(results, ranges));
    int64_t most = larger(kTileRows, smaller(64, kTilesInL2 / (g.h.size * sources * slot)));
    most = smaller(most, larger(fft::kFewTiles, fft::kMostBlock / spectrum));
    return cut_blocks(g.N, g.h.tiles, g.w.tiles, smaller(most, larger(fft::kFewTiles, tiles_of_thread)),
                      blocks_of_range);
  };
  const auto own = [&](int64_t ranges) {
    return cut(ranges, ceil_div(tiles * g.groups * ranges, threads), g.groups == 1 ? ceil_div(threads, ranges) : 1);
  };
  const double channels = double(g.sources), in = double(sources), taps = double(g.h.taps) / double(g.h.size);
  const auto effort = [&](const Blocks& b, int64_t range) {
    return column_effort(double(b.tiles()), in, double(range), channels);
  };
  const auto busiest = [&](const Blocks& b, int64_t ranges) {
    const int64_t range = ceil_div(results, ranges), sets = g.groups * ranges, tasks = sets * b.count();
    const int64_t row_weights = smaller(threads, tasks) * RowWeights<T>(g, range, nullptr).size * int64_t(sizeof(T));
    if (tasks < threads || (threads > 1 && row_weights > fft::kMostRowWeights)) return 1e30;
    return double(ceil_div(tasks, threads)) * effort(b, range) +
           double(ceil_div(sets, threads)) * double(range) * channels * taps;
  };
  const Blocks shared = cut(1, tiles, 1);
  const double of_shared = double(g.groups) *
                           (double(shared.count()) * effort(shared, results) + double(results) * channels * taps) /
                           double(threads);
  return choose_shares(shared, of_shared, smaller(threads, results), own, busiest);
}

template <class T>
struct DensePlan {
  Shares shares;
  int64_t source_chunks, result_chunks, depth;      // depth: input channels whose weights are in L2 together
  int64_t height;                                   // rows of an image in a block
  int64_t column;                                   // stride of the rows' spectra, from column to column
  int64_t tile_slot, weight_slot, product_slot;     // strides from slot to slot
  int64_t row_weights;                              // numbers, of a range of a group
  int64_t spectra, tiles, weights, products, line;  // numbers
  int64_t per_thread;

  explicit DensePlan(const Images& g) : shares(share_out<T>(g)) {
    constexpr int L = kChunk<T>;
    const Blocks& blocks = shares.blocks;
    source_chunks = ceil_div(g.sources, L), result_chunks = ceil_div(g.results, L);
    const int64_t columns = g.w.size / 2, strips = blocks.images * blocks.columns, slot = 2 * L * int64_t(sizeof(T));
    const int64_t range = ceil_div(result_chunks, shares.ranges);
    depth = smaller(source_chunks, larger(1, kWeightsInL2 / (g.h.size * L * slot))) * L;
    height = (blocks.rows - 1) * g.h.step + g.h.size;
    column = strips * larger(source_chunks, range) * height * 2 * L + L;
    tile_slot = source_chunks * blocks.tiles() * 2 * L + L;
    weight_slot = depth * 2 * L + L, product_slot = blocks.tiles() * 2 * L + L;
    spectra = columns * column;
    tiles = g.h.size * tile_slot, weights = g.h.size * weight_slot, products = g.h.size * product_slot;
    // Pixels of rows; or a line and the taps of a kernel; or columns of weights.
    line = larger(larger(kRowsAtOnce * line_size(blocks.columns, g.w.step, g.w.size), g.w.size + g.h.taps * g.w.taps),
                  kColumnsAtOnce * 2 * g.h.size) *
           L;
    row_weights = RowWeights<T>(g, range, nullptr).size;
    per_thread = tiles + weights + products + line + (shares.own ? row_weights + spectra : 0);
  }
  int64_t shared(int64_t groups) const { return shares.own ? 0 : groups * row_weights + spectra; }
  int64_t numbers(const Images& g) const { return shared(g.groups) + g.threads * per_thread; }
};

// One thread's part of the workspace, and what it shares with the others where it has none of its own: the rows of the
// weights, and the spectra of the rows of a block, in which a column of the results takes the place of the source's.
template <class T>
struct DensePieces {
  T *row_weights, *spectra, *tiles, *weights, *products, *line;

  DensePieces(const DensePlan<T>& plan, T* workspace, int64_t groups, int thread) {
    T* own = workspace + plan.shared(groups) + thread * plan.per_thread;
    const int64_t of_rows = plan.row_weights * (plan.shares.own ? 1 : groups);
    row_weights = plan.shares.own ? own : workspace, spectra = row_weights + of_rows;
    tiles = plan.shares.own ? spectra + plan.spectra : own;
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
};

// Where the rows of image n and x-tile q of a block start, for chunk c of `chunks`.
template <class T>
TORCHCONV_INLINE int64_t strip_at(const DensePlan<T>& plan, const Block& b, int64_t n, int64_t q, int64_t chunks,
                                  int64_t c) {
  return ((n * b.columns + q) * chunks + c) * plan.height * 2 * kChunk<T>;
}

// The rows of input channels [c0, c1), for one chunk of outputs, the k-th of `all`.
template <class S, class T = Compute<S>>
static void transform_weight_chunk(const Dense<S>& d, int64_t group, int64_t chunk, int64_t c0, int64_t c1, T* line,
                                   const RowWeights<T>& all, int64_t k) {
  constexpr int L = kChunk<T>;
  const Images& g = d.g;
  for (int64_t c = c0; c < c1; ++c)
    transform_weight_rows<S>(g, d.t, d.w + group * g.w_group + chunk * L * g.w_out + c * g.w_in,
                             smaller(L, g.results - chunk * L), line + g.w.size * L, line,
                             all.data + k * all.chunk + c * all.input, all.column);
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

// all: the rows of the weights of this range of outputs.
template <class S, class T = Compute<S>>
static void multiply_column(const Dense<S>& d, const Block& b, const DensePieces<T>& s, const RowWeights<T>& all,
                            const Range& range, int64_t j) {
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
  for (int64_t i = 0; i < kColumnsAtOnce * 2 * g.h.size; ++i) zero_chunk(s.line + i * L);
  for (int64_t k = 0; k < range.size(); ++k) {
    const T* rows = all.data + j * all.column + k * all.chunk;
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
    for_each_row(range.size(), [&](int64_t to, int64_t i) {
      inverse_columns<T>(d.t, j, b.columns, {s.products + i * 2 * L, plan.product_slot, L, 2 * L},
                         {s.spectra + j * plan.column + to + k * strip, 2 * L, L, range.size() * strip});
    });
  }
}

// `count` rows of the results of image n of a block.
template <class S, class T = Compute<S>>
static void write_result_rows(const Dense<S>& d, const Block& b, const DensePieces<T>& s, const Range& range, int64_t n,
                              int64_t y, int64_t count) {
  constexpr int L = kChunk<T>;
  const Images& g = d.g;
  const DensePlan<T>& plan = d.plan;
  const Strips strips{b.columns, b.column * g.w.step, g.w.step, 0};
  for (int64_t k = range.first; k < range.last; ++k) {
    const int64_t channel = b.group * g.results + k * L, channels = smaller(L, g.results - k * L);
    T bias[L];
    load_bias<S>(d.bias ? d.bias + channel : nullptr, channels, bias);
    const RowOf<S> row{d.dst + (b.image + n) * g.dst_n + channel * g.dst_c, g.dst_c, g.dst_w, channels};
    write_rows<S>(d.t,
                  {s.spectra + strip_at(plan, b, n, 0, range.size(), k - range.first) + y * 2 * L, plan.column, L,
                   range.size() * plan.height * 2 * L},
                  {row, g.dst_h, g.h.out, g.w.out}, b.row * g.h.step + y, count, strips, s.line, bias, d.after);
  }
}

// A thread's own block of tiles and range of outputs, from end to end.
template <class S, class T = Compute<S>>
static void run_own(const Dense<S>& d, T* workspace) {
  const Images& g = d.g;
  const DensePlan<T>& plan = d.plan;
  const int64_t blocks = plan.shares.blocks.count(), ranges = plan.shares.ranges;
  parallel_runs(g.groups * ranges * blocks, g.threads, [&](int64_t task, int64_t previous, int thread) {
    const int64_t set = task / blocks, i = set % ranges;
    const Block b(g.N, g.h, g.w, plan.shares.blocks, set / ranges * blocks + task % blocks);
    const Range range = range_of(plan.result_chunks, ranges, i);
    const DensePieces<T> s(plan, workspace, g.groups, thread);
    const RowWeights<T> rows(g, range.size(), s.row_weights);
    if (previous < 0 || previous / blocks != set)
      for (int64_t k = range.first; k < range.last; ++k)
        transform_weight_chunk(d, b.group, k, 0, g.sources, s.line, rows, k - range.first);
    for (int64_t n = 0; n < b.images; ++n) transform_source_rows(d, b, s, n, 0, b.height(g.h));
    for (int64_t j = 0; j < d.t.columns; ++j) multiply_column(d, b, s, rows, range, j);
    for (int64_t n = 0; n < b.images; ++n) write_result_rows(d, b, s, range, n, 0, b.rows * g.h.step);
  });
}

// All threads do each block together.
template <class S, class T = Compute<S>>
static void run_shared(const Dense<S>& d, T* workspace) {
  constexpr int L = kChunk<T>;
  const Images& g = d.g;
  const DensePlan<T>& plan = d.plan;
  const Range all{0, plan.result_chunks};
  const auto pieces = [&](int thread) { return DensePieces<T>(plan, workspace, g.groups, thread); };
  const auto rows_of = [&](int64_t group) {
    return RowWeights<T>(g, all.size(), pieces(0).row_weights + group * plan.row_weights);
  };
  const int64_t parts = plan.source_chunks, per_group = all.size() * parts;
  parallel_tasks(g.groups * per_group, g.threads, [&](int64_t task, int thread) {
    const int64_t group = task / per_group, k = task % per_group / parts, c0 = task % parts * L;
    transform_weight_chunk(d, group, k, c0, smaller(c0 + L, g.sources), pieces(thread).line, rows_of(group), k);
  });
  for (int64_t i = 0; i < plan.shares.blocks.count() * g.groups; ++i) {
    const Block b(g.N, g.h, g.w, plan.shares.blocks, i);
    const RowWeights<T> rows = rows_of(b.group);
    parallel_rows(b.images, b.height(g.h), g.threads, [&](int64_t n, int64_t y, int64_t count, int thread) {
      transform_source_rows(d, b, pieces(thread), n, y, count);
    });
    parallel_tasks(d.t.columns, g.threads,
                   [&](int64_t j, int thread) { multiply_column(d, b, pieces(thread), rows, all, j); });
    parallel_rows(b.images, b.rows * g.h.step, g.threads, [&](int64_t n, int64_t y, int64_t count, int thread) {
      write_result_rows(d, b, pieces(thread), all, n, y, count);
    });
  }
}

template <class S, class T = Compute<S>>
static void run_dense(const Images& g, const S* src, const S* w, const S* bias, const Finish<S>& after, S* dst,
                      void* workspace) {
  const DensePlan<T> plan(g);
  const Transforms<T> t(g.isa, g.h.size, g.w.size);
  const Dense<S> d{g, plan, t, src, w, bias, after, dst};
  (plan.shares.own ? run_own<S> : run_shared<S>)(d, (T*)workspace);
}

}  // namespace torchconv::ISA_NS
