// Weights of groups with several channels: for every slot a product of x's and grad_y's spectra, summed over the tiles
// of a block. The columns of the products are transformed back at once, which leaves the rows of the kernel alone.
namespace torchconv::ISA_NS {

// Columns of x and grad_y of a block, of one column of the spectrum.
constexpr int64_t kColumnsInL2 = 640 << 10, kFewestTiles = 24, kMostTiles = 128;

// A task is a group and a range of grad_y's chunks, for each of which x is transformed.
template <class T>
static Shares share_out(const WeightGradient& g) {
  constexpr int64_t L = kChunk<T>, slot = 2 * L * int64_t(sizeof(T));
  const int64_t threads = g.threads, x = ceil_div(g.C, L), y = ceil_div(g.K, L);
  const auto cut = [&](int64_t range, int64_t threads_of_block) {
    const int64_t bytes = g.h.size * (x + range) * slot;
    const int64_t most = larger(kFewestTiles, smaller(kMostTiles, kColumnsInL2 / bytes)),
                  fitting = larger(fft::kFewTiles, 2 * fft::kMostBlock * threads_of_block / (bytes * g.w.size / 2));
    return cut_blocks(g.N, g.h.tiles, g.w.tiles, smaller(most, fitting), 1);
  };
  const auto effort = [&](const Blocks& b, int64_t range) {
    return double(b.count()) * column_effort(double(b.tiles()), double(x), double(range), double(g.C));
  };
  const auto busiest = [&](const Blocks& b, int64_t ranges) {
    const int64_t tasks = g.groups * ranges;
    return tasks < threads ? 1e30 : double(ceil_div(tasks, threads)) * effort(b, ceil_div(y, ranges));
  };
  const Blocks shared = cut(y, threads);
  return choose_shares(
      shared, double(g.groups) / double(threads) * effort(shared, y), smaller(threads, y),
      [&](int64_t ranges) { return cut(ceil_div(y, ranges), 1); }, busiest);
}

template <class T>
struct DenseSums {
  Shares shares;
  int64_t x_chunks, y_chunks, height;      // y_chunks of a range
  int64_t x_column, y_column, sum_column;  // strides of the rows' spectra, from column to column
  int64_t sum_input, sum_chunk;            // strides of the sums
  int64_t x_slot, y_slot, product_slot;    // strides from slot to slot
  int64_t x, y, sums, tiles_x, tiles_y, products, line, per_thread;

  explicit DenseSums(const WeightGradient& g) : shares(share_out<T>(g)) {
    constexpr int L = kChunk<T>;
    const Blocks& blocks = shares.blocks;
    x_chunks = ceil_div(g.C, L), y_chunks = ceil_div(ceil_div(g.K, L), shares.ranges);
    const int64_t columns = g.w.size / 2, strips = blocks.images * blocks.columns, tiles = blocks.tiles();
    height = (blocks.rows - 1) * g.h.step + g.h.size;
    x_column = strips * x_chunks * height * 2 * L + L, y_column = strips * y_chunks * height * 2 * L + L;
    sum_input = g.h.taps * 2 * L, sum_chunk = g.C * sum_input, sum_column = y_chunks * sum_chunk + L;
    x_slot = x_chunks * tiles * 2 * L + L, y_slot = y_chunks * tiles * 2 * L + L, product_slot = L * 2 * L + L;
    x = columns * x_column, y = columns * y_column, sums = columns * sum_column;
    tiles_x = g.h.size * x_slot, tiles_y = g.h.size * y_slot, products = g.h.size * product_slot;
    // Pixels of rows; or columns; or a line and the taps of a kernel.
    line = larger(kRowsAtOnce * line_size(blocks.columns, g.w.step, g.w.size),
                  larger(L * 2 * g.h.size, g.w.size + g.h.taps * g.w.taps)) *
           L;
    per_thread = tiles_x + tiles_y + products + line + (shares.own ? x + y + sums : 0);
  }
  int64_t shared() const { return shares.own ? 0 : x + y + sums; }
  int64_t numbers(int64_t threads) const { return shared() + threads * per_thread; }
};

template <class T>
struct DenseSumPieces {
  T *x, *y, *sums, *tiles_x, *tiles_y, *products, *line;

  DenseSumPieces(const DenseSums<T>& plan, T* workspace, int thread) {
    T* own = workspace + plan.shared() + thread * plan.per_thread;
    x = plan.shares.own ? own : workspace, y = x + plan.x, sums = y + plan.y;
    tiles_x = plan.shares.own ? sums + plan.sums : own;
    tiles_y = tiles_x + plan.tiles_x, products = tiles_y + plan.tiles_y, line = products + plan.products;
  }
};

// `count` rows of image n of a block of x, for all its x-tiles and channels.
template <class S, class T = Compute<S>>
static void transform_x_rows(const WeightGradient& g, const DenseSums<T>& plan, const Transforms<T>& t, const Block& b,
                             const DenseSumPieces<T>& s, const S* x, int64_t n, int64_t y, int64_t count) {
  constexpr int L = kChunk<T>;
  const int64_t strip = plan.height * 2 * L;
  const Strips strips{b.columns, b.column * g.w.step - g.w.pad, g.w.step, g.w.size};
  for (int64_t c = 0; c < plan.x_chunks; ++c) {
    const RowOf<const S> row{x + (b.image + n) * g.x_n + (b.group * g.C + c * L) * g.x_c, g.x_c, g.x_w,
                             smaller(L, g.C - c * L)};
    transform_rows<S>(
        t, {row, g.x_h, g.h.in, g.w.in}, b.row * g.h.step - g.h.pad + y, count, strips, s.line,
        {s.x + (n * b.columns * plan.x_chunks + c) * strip + y * 2 * L, plan.x_column, L, plan.x_chunks * strip});
  }
}

// The same of a range of grad_y.
template <class S, class T = Compute<S>>
static void transform_y_rows(const WeightGradient& g, const DenseSums<T>& plan, const Transforms<T>& t, const Block& b,
                             const Range& range, const DenseSumPieces<T>& s, const S* grad_y, int64_t n, int64_t y,
                             int64_t count) {
  constexpr int L = kChunk<T>;
  const int64_t strip = plan.height * 2 * L;
  const Strips strips{b.columns, b.column * g.w.step, g.w.step, g.w.step};
  for (int64_t k = 0; k < range.size(); ++k) {
    const int64_t channel = (range.first + k) * L;
    const RowOf<const S> row{grad_y + (b.image + n) * g.y_n + (b.group * g.K + channel) * g.y_c, g.y_c, g.y_w,
                             smaller(L, g.K - channel)};
    transform_rows<S>(
        t, {row, g.y_h, g.h.out, g.w.out}, b.row * g.h.step + y, count, strips, s.line,
        {s.y + (n * b.columns * plan.y_chunks + k) * strip + y * 2 * L, plan.y_column, L, plan.y_chunks * strip});
  }
}

// Columns of grad_y, whose tiles' rows do not overlap and are followed by zeros.
template <class T>
static void transform_y_columns(const WeightGradient& g, const DenseSums<T>& plan, const Transforms<T>& t,
                                const Block& b, const Range& range, const DenseSumPieces<T>& s, int64_t j) {
  constexpr int L = kChunk<T>;
  const int64_t tiles = b.tiles(), strip = plan.height * 2 * L;
  T* line = s.line;
  for (int64_t i = 2 * g.h.step; i < 2 * g.h.size; ++i) zero_chunk(line + i * L);
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t n = tile / (b.rows * b.columns), y = tile / b.columns % b.rows, q = tile % b.columns;
    for (int64_t k = 0; k < range.size(); ++k) {
      const T* rows =
          s.y + j * plan.y_column + ((n * b.columns + q) * plan.y_chunks + k) * strip + y * g.h.step * 2 * L;
      for (int64_t i = 0; i < 2 * g.h.step; ++i) copy_chunk(line + i * L, rows + i * L);
      forward_columns<T>(t, j, 1, {line, 2 * L, L}, g.h.step, {s.tiles_y + (k * tiles + tile) * 2 * L, plan.y_slot, L});
    }
  }
}

template <class T>
static void sum_column(const WeightGradient& g, const DenseSums<T>& plan, const Transforms<T>& t, const Block& b,
                       const Range& range, const DenseSumPieces<T>& s, int64_t j, bool first) {
  constexpr int L = kChunk<T>, lanes = kLanes<T>;
  const int64_t tiles = b.tiles(), strip = plan.height * 2 * L;
  for (int64_t n = 0, i = 0; n < b.images; ++n)
    for (int64_t y = 0; y < b.rows; ++y, i += b.columns)
      for (int64_t c = 0; c < plan.x_chunks; ++c)
        forward_columns<T>(
            t, j, b.columns,
            {s.x + j * plan.x_column + (n * b.columns * plan.x_chunks + c) * strip + y * g.h.step * 2 * L, 2 * L, L,
             plan.x_chunks * strip},
            t.rows, {s.tiles_x + (c * tiles + i) * 2 * L, plan.x_slot, L, 2 * L});
  transform_y_columns(g, plan, t, b, range, s, j);
  for (int64_t k = 0; k < range.size(); ++k)
    for (int64_t c = 0; c < plan.x_chunks; ++c) {
      const int64_t channels = smaller(L, g.C - c * L);
      for (int64_t slot = 0; slot < t.rows; ++slot)
        multiply<T, true>(
            Transforms<T>::is_pair(t, j, slot), channels, tiles, s.tiles_x + slot * plan.x_slot + c * tiles * 2 * L, 0,
            s.tiles_y + slot * plan.y_slot + k * tiles * 2 * L, s.products + slot * plan.product_slot, false);
      inverse_columns<T>(t, j, channels, {s.products, plan.product_slot, L, 2 * L},
                         {s.line, 2 * L, L, g.h.size * 2 * L});
      T* sums = s.sums + j * plan.sum_column + k * plan.sum_chunk + c * L * plan.sum_input;
      for (int64_t i = 0; i < channels; ++i)
        for (int64_t r = 0; r < g.h.taps; ++r, sums += 2 * L)
          for (int v = 0; v < 2 * L; v += lanes) {
            const Vector<T> found = load(s.line + (i * g.h.size + g.h.place(r)) * 2 * L + v);
            store(sums + v, first ? found : load(sums + v) + found);
          }
    }
}

// Writes what input channels [c0, c1) and chunk k of a range have summed up.
template <class S, class T = Compute<S>>
static void finish_sums(const WeightGradient& g, const DenseSums<T>& plan, const Transforms<T>& t, int64_t group,
                        const Range& range, const DenseSumPieces<T>& s, int64_t k, int64_t c0, int64_t c1, S* grad_w) {
  constexpr int L = kChunk<T>;
  const int64_t output = (range.first + k) * L;
  T* taps = s.line + g.w.size * L;
  for (int64_t c = c0; c < c1; ++c) {
    const T* sums = s.sums + k * plan.sum_chunk + c * plan.sum_input;
    for (int64_t r = 0; r < g.h.taps; ++r)
      inverse_row_of_taps<T>(g, t, {sums + r * 2 * L, plan.sum_column, L}, s.line, taps + r * g.w.taps * L);
    store_taps<S>(g, taps, smaller(L, g.K - output), grad_w + group * g.w_group + output * g.w_k + c * g.w_c);
  }
}

// All threads do each block together.
template <class S, class T = Compute<S>>
static void grad_weight_shared(const WeightGradient& g, const DenseSums<T>& plan, const Transforms<T>& t, const S* x,
                               const S* grad_y, S* grad_w, T* workspace) {
  constexpr int L = kChunk<T>;
  const Range all{0, plan.y_chunks};
  const auto pieces = [&](int thread) { return DenseSumPieces<T>(plan, workspace, thread); };
  for (int64_t group = 0; group < g.groups; ++group) {
    for (int64_t i = 0; i < plan.shares.blocks.count(); ++i) {
      const Block b(g.N, g.h, g.w, plan.shares.blocks, group * plan.shares.blocks.count() + i);
      parallel_rows(b.images, b.height(g.h), g.threads, [&](int64_t n, int64_t y, int64_t count, int thread) {
        transform_x_rows<S>(g, plan, t, b, pieces(thread), x, n, y, count);
      });
      parallel_rows(b.images, b.rows * g.h.step, g.threads, [&](int64_t n, int64_t y, int64_t count, int thread) {
        transform_y_rows<S>(g, plan, t, b, all, pieces(thread), grad_y, n, y, count);
      });
      parallel_tasks(t.columns, g.threads,
                     [&](int64_t j, int thread) { sum_column<T>(g, plan, t, b, all, pieces(thread), j, i == 0); });
    }
    parallel_tasks(plan.y_chunks * plan.x_chunks, g.threads, [&](int64_t task, int thread) {
      const int64_t first = task % plan.x_chunks * L;
      finish_sums<S>(g, plan, t, group, all, pieces(thread), task / plan.x_chunks, first, smaller(first + L, g.C),
                     grad_w);
    });
  }
}

template <class S, class T = Compute<S>>
static void grad_weight_dense(const WeightGradient& g, const S* x, const S* grad_y, S* grad_w, void* workspace) {
  const Transforms<T> t(g.isa, g.h.size, g.w.size);
  const DenseSums<T> plan(g);
  if (!plan.shares.own) return grad_weight_shared<S>(g, plan, t, x, grad_y, grad_w, (T*)workspace);
  const int64_t ranges = plan.shares.ranges;
  parallel_tasks(g.groups * ranges, g.threads, [&](int64_t task, int thread) {
    const int64_t group = task / ranges;
    const Range range = range_of(ceil_div(g.K, kChunk<T>), ranges, task % ranges);
    const DenseSumPieces<T> s(plan, (T*)workspace, thread);
    for (int64_t i = 0; i < plan.shares.blocks.count(); ++i) {
      const Block b(g.N, g.h, g.w, plan.shares.blocks, group * plan.shares.blocks.count() + i);
      for (int64_t n = 0; n < b.images; ++n) {
        transform_x_rows<S>(g, plan, t, b, s, x, n, 0, b.height(g.h));
        transform_y_rows<S>(g, plan, t, b, range, s, grad_y, n, 0, b.rows * g.h.step);
      }
      for (int64_t j = 0; j < t.columns; ++j) sum_column<T>(g, plan, t, b, range, s, j, i == 0);
    }
    for (int64_t k = 0; k < range.size(); ++k) finish_sums<S>(g, plan, t, group, range, s, k, 0, g.C, grad_w);
  });
}

}  // namespace torchconv::ISA_NS
