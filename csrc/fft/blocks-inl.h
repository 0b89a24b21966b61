// Tiles are taken in blocks: of whole images, of rows of tiles of one image, or of tiles of such a row.
namespace torchconv::ISA_NS {

using fft::Axis;

struct Blocks {
  int64_t images, rows, columns;           // of a block, at most
  int64_t of_images, of_rows, of_columns;  // how many blocks

  int64_t count() const { return of_images * of_rows * of_columns; }
  int64_t tiles() const { return images * rows * columns; }
};

// Where the i-th of `parts` equal parts begins.
TORCHCONV_INLINE int64_t part(int64_t all, int64_t parts, int64_t i) { return all * i / parts; }

// Blocks of `most` tiles, where possible a multiple of `threads`.
TORCHCONV_INLINE Blocks cut_blocks(int64_t N, int64_t rows, int64_t columns, int64_t most, int64_t threads) {
  Blocks b{};
  b.of_images = N, b.of_rows = b.of_columns = 1;
  if (rows * columns <= most) {
    b.of_images = smaller(N, round_up(ceil_div(N, most / (rows * columns)), threads));
  } else if (columns <= most) {
    b.of_rows = ceil_div(rows, most / columns);
    if (N == 1) b.of_rows = smaller(rows, round_up(b.of_rows, threads));
  } else {
    b.of_rows = rows, b.of_columns = ceil_div(columns, most);
  }
  b.images = ceil_div(N, b.of_images);
  b.rows = ceil_div(rows, b.of_rows), b.columns = ceil_div(columns, b.of_columns);
  return b;
}

// Output chunks [first, last).
struct Range {
  int64_t first, last;
  int64_t size() const { return last - first; }
};
TORCHCONV_INLINE Range range_of(int64_t chunks, int64_t ranges, int64_t i) {
  return {part(chunks, ranges, i), part(chunks, ranges, i + 1)};
}

// In transforms of a column of a chunk; a product of a tile and 8 channels takes as long, and of few tiles as of 6.
TORCHCONV_INLINE double column_effort(double tiles, double sources, double results, double channels) {
  return results * channels + tiles * (sources + results) + (tiles < 6 ? 6 : tiles) * channels * results / 8;
}

// How the work is given to threads. own: a task has a range of the chunks of outputs to itself, from end to end. Else
// all threads share each block, and fetch rows from each other's caches: two threads then take as long as one where
// cores are far apart (parallel.h; 16 channels, 31x31), and 0.6 of it where they are near.
struct Shares {
  Blocks blocks;
  int64_t ranges;
  bool own;
};

// Shared blocks, or the ranges for which effort(blocks, ranges) of the busiest thread is least: those are taken unless
// they are 1.5 times the effort of a share.
template <class Cut, class Effort>
TORCHCONV_INLINE Shares choose_shares(const Blocks& shared, double effort_of_shared, int64_t most_ranges,
                                      const Cut& cut, const Effort& effort) {
  Shares best{shared, 1, false};
  double least = 1.5 * effort_of_shared;
  for (int64_t ranges = 1; ranges <= most_ranges; ++ranges) {
    const Blocks blocks = cut(ranges);
    const double found = effort(blocks, ranges);
    if (found < least) best = {blocks, ranges, true}, least = found;
  }
  return best;
}

// A block of one group.
struct Block {
  int64_t group, image, images, row, rows, column, columns;  // first ones and counts

  Block(int64_t N, const Axis& h, const Axis& w, const Blocks& b, int64_t index) {
    const int64_t c = index % b.of_columns, r = index / b.of_columns % b.of_rows,
                  n = index / b.of_columns / b.of_rows % b.of_images;
    group = index / b.count();
    image = part(N, b.of_images, n), images = part(N, b.of_images, n + 1) - image;
    row = part(h.tiles, b.of_rows, r), rows = part(h.tiles, b.of_rows, r + 1) - row;
    column = part(w.tiles, b.of_columns, c), columns = part(w.tiles, b.of_columns, c + 1) - column;
  }
  int64_t tiles() const { return images * rows * columns; }
  int64_t height(const Axis& h) const { return (rows - 1) * h.step + h.size; }
};

// f(image, first row, rows, thread) for all rows of all images of a block.
template <class F>
TORCHCONV_INLINE void parallel_rows(int64_t images, int64_t height, int threads, const F& f) {
  const int64_t pieces = ceil_div(height, kRowsAtOnce);
  parallel_tasks(images * pieces, threads, [&](int64_t task, int thread) {
    const int64_t y = task % pieces * kRowsAtOnce;
    f(task / pieces, y, smaller(kRowsAtOnce, height - y), thread);
  });
}

}  // namespace torchconv::ISA_NS
