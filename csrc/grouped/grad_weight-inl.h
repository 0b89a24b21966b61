// Included once per instruction set by cpu_grad_weight.cpp.
// grad_w[k][c][r][s] = sum over the places of grad_y's channel k times x's channel c of the same group, under (r, s).
#include "grouped/products-inl.h"
#include "common/ahead-inl.h"
#include "grouped/planes-inl.h"

namespace torchconv::ISA_NS {

using grouped::Weights;

template <class S>
static Units units_of(const Weights& g) {
  constexpr int64_t L = kLanes<Compute<S>>;
  const Units u(g.groups, g.sources, g.results, L, kCanSpread, g.nhwc && kComputedAsStored<S>);
  return u.results_in_block(0) == L ? u : Units(g.groups, g.sources, g.results, L, kCanSpread, false);
}

// How the sums are cut. Each task has sums of its own, [block][tap][source][lane], which are added in their order:
// those of all units over some rows, where images are read in place, or those of one unit over some strips of images.
template <class S, class T = Compute<S>>
struct GradPieces {
  int64_t parts, each;           // sums of a unit; elements of each
  int64_t strip, strips, reach;  // rows of grad_y that are in planes at a time, and of x that they take
  int64_t sums_bytes, own, bytes;
  T* sums;
  char* thread_part;
  int64_t x_size;

  GradPieces(const Weights& g, const Units& u, void* workspace) {
    constexpr int L = kLanes<T>;
    each = u.blocks * g.taps() * g.sources * L;
    strip = g.h.out, strips = 1, reach = 0, own = 0, x_size = 0;
    if (u.in_place) {
      parts = smaller(g.N * g.h.out, g.threads == 1 ? 1 : 4 * g.threads);  // so that a slow core can take fewer
    } else {
      const int64_t row_bytes = (g.w.in * u.planes + g.w.out * u.blocks) * L * int64_t(sizeof(T));
      strip = smaller(g.h.out, larger(1, kStripInL2 / row_bytes));
      strips = ceil_div(g.h.out, strip);
      reach = smaller(g.h.in, (strip - 1) * g.h.stride + (g.h.kernel - 1) * g.h.dil + 1);
      x_size = planes_size<T>(reach * g.w.in, u.planes);
      own = round_up((x_size + planes_size<T>(strip * g.w.out, u.blocks)) * int64_t(sizeof(T)), 64);
      parts = g.threads == 1 ? 1 : smaller(g.N * strips, ceil_div(4 * g.threads, u.units));
    }
    sums_bytes = round_up(u.units * parts * each * int64_t(sizeof(T)), 64), bytes = sums_bytes + g.threads * own;
    sums = (T*)workspace, thread_part = (char*)workspace + sums_bytes;
  }
  T* sums_of(int64_t unit, int64_t part) const { return sums + (unit * parts + part) * each; }
  T* x_of(int thread) const { return (T*)(thread_part + thread * own); }
};

// A unit's channels: those in the first place of row 0, and how far apart places and rows are.
template <class T>
struct UnitImage {
  const T* at;
  int64_t step, row;
};

// Rows [begin, end) of grad_y of one image. Blocks of y are y_block apart, or as far as their channels where that is 0.
template <class T>
static void sum_rows_of_unit(const Weights& g, const Units& u, const Index<T>* index, const UnitImage<T>& x,
                             const UnitImage<T>& y, int64_t y_block, int64_t begin, int64_t end, T* sums) {
  constexpr int L = kLanes<T>;
  const Phase down = g.h.phase(0), across = g.w.phase(0);
  const auto run = pick_products<T>(across, u.spread());
  for (int64_t b = 0; b < u.blocks; ++b)
    for (int64_t r = 0; r < g.h.kernel; ++r, sums += g.w.kernel * g.sources * L) {
      const Range inside = places_inside(down, r, g.h.in);
      const int64_t first = larger(begin, inside.begin), last = smaller(end, inside.end);
      if (first >= last) continue;
      const int64_t y_at = y_block ? b * y_block : u.first_result(0, b);
      run({x.at + down.source(first, r) * x.row + across.first * x.step, y.at + first * y.row + y_at, last - first,
           down.stride * x.row, y.row, x.step, -across.first, g.w.in - across.first, y.step, g.w.out, across.stride,
           across.dil, across.taps, g.sources, u.spread() ? g.results : g.sources, index, sums});
    }
}

// Short rows are worked on together, so that sums stay in registers for longer.
TORCHCONV_INLINE int64_t rows_at_once(const Weights& g) { return larger(1, 56 / g.w.out); }

// channels_last whose vectors are multiplied where they are: some rows of all units.
template <class S, class T = Compute<S>>
static void add_in_place(const Weights& g, const Units& u, const GradPieces<S>& s, const Index<T>* index, const T* x,
                         const T* grad_y) {
  const int64_t C = g.groups * g.sources, K = g.groups * g.results, rows = g.N * g.h.out;
  const int64_t row_bytes = g.w.in * int64_t(sizeof(S)), strip = larger(1, kStripInL2 / (row_bytes * C));
  const int64_t chunk = larger(1, kRowsInL1 / (row_bytes * g.h.kernel * u.planes * kLanes<T>));  // of units
  const int64_t at_once = rows_at_once(g), x_row = g.w.in * C, y_row = g.w.out * K;
  parallel_tasks(s.parts, g.threads, [&](int64_t part, int) {
    for (int64_t unit = 0; unit < u.units; ++unit) __builtin_memset(s.sums_of(unit, part), 0, s.each * sizeof(T));
    const int64_t end = (part + 1) * rows / s.parts;
    for (int64_t row = part * rows / s.parts, next; row < end; row = next) {
      const int64_t n = row / g.h.out, p = row % g.h.out;
      next = smaller(smaller(row + strip, end), (n + 1) * g.h.out);
      const int64_t after = smaller(next + strip, end),
                    pieces = ceil_div(next - row, at_once) * ceil_div(u.units, chunk);
      Ahead next_x(x, g.h.in, g.h.out, g.N, row_bytes * C, next, after, pieces);
      Ahead next_y(grad_y, 1, 1, g.N * g.h.out, y_row * int64_t(sizeof(S)), next, after, pieces);
      for (int64_t begin = 0; begin < u.units; begin += chunk)
        for (int64_t q = p; q < p + next - row; q += at_once) {
          next_x.fetch(), next_y.fetch();
          for (int64_t unit = begin; unit < smaller(begin + chunk, u.units); ++unit)
            sum_rows_of_unit<T>(g, u, index, {x + n * g.h.in * x_row + u.first_source(unit), C, x_row},
                                {grad_y + n * g.h.out * y_row + u.first_result(unit, 0), K, y_row}, 0, q,
                                smaller(q + at_once, p + next - row), s.sums_of(unit, part));
        }
    }
  });
}

// All others: some strips of images of one unit, in planes.
template <class S, class T = Compute<S>>
static void add_planes(const Weights& g, const Units& u, const GradPieces<S>& s, const Index<T>* index, const S* x,
                       const S* grad_y) {
  constexpr int L = kLanes<T>;
  const int64_t C = g.groups * g.sources, K = g.groups * g.results, strips = g.N * s.strips;
  const int64_t x_plane = g.h.in * g.w.in, y_plane = g.h.out * g.w.out, x_step = u.planes * L, y_step = u.blocks * L;
  parallel_tasks(u.units * s.parts, g.threads, [&](int64_t task, int thread) {
    const int64_t unit = task / s.parts, part = task % s.parts;
    T *sums = s.sums_of(unit, part), *x_planes = s.x_of(thread), *y_planes = x_planes + s.x_size;
    __builtin_memset(sums, 0, s.each * sizeof(T));
    for (int64_t i = part * strips / s.parts; i < (part + 1) * strips / s.parts; ++i) {
      const int64_t n = i / s.strips, begin = i % s.strips * s.strip, end = smaller(begin + s.strip, g.h.out);
      const Range rows = rows_between(g.h, begin, end);
      gather_planes(
          g.nhwc, x + n * C * x_plane, rows.begin * g.w.in, rows.size() * g.w.in, x_plane, C, u.planes,
          [&](int64_t m, int l) { return u.source_at(unit, m, l); }, x_planes);
      gather_planes(
          g.nhwc, grad_y + n * K * y_plane, begin * g.w.out, (end - begin) * g.w.out, y_plane, K, u.blocks,
          [&](int64_t b, int l) { return u.result_at(unit, b, l); }, y_planes);
      sum_rows_of_unit<T>(g, u, index, {x_planes - rows.begin * g.w.in * x_step, x_step, g.w.in * x_step},
                          {y_planes - begin * g.w.out * y_step, y_step, g.w.out * y_step}, L, begin, end, sums);
    }
  });
}

// One unit's weights, from the sums of all parts. What overlaps the unit before is that one's to write.
template <class S, class T = Compute<S>>
static void write_sums(const Weights& g, const Units& u, const GradPieces<S>& s, int64_t unit, S* grad_w) {
  constexpr int L = kLanes<T>;
  const int64_t own = unit * u.together * g.results, lanes = u.results_in_block(unit);
  for (int64_t i = 0, block = s.each / u.blocks; i < s.each; i += L) {
    Vector<T> sum = load(s.sums_of(unit, 0) + i);
    for (int64_t part = 1; part < s.parts; ++part) sum += load(s.sums_of(unit, part) + i);
    T lane[L];
    store(lane, sum);
    const int64_t c = i / L % g.sources, tap = i % block / L / g.sources, k = u.first_result(unit, i / block);
    S* to = grad_w + c * g.w_c + tap / g.w.kernel * g.w_r + tap % g.w.kernel * g.w_s;
    for (int64_t l = larger(0, own - k); l < lanes; ++l) to[(k + l) * g.w_k] = S(lane[l]);
  }
}

template <class S, class T = Compute<S>>
static void run_grad_weight(const Weights& g, const S* x, const S* grad_y, S* grad_w, void* workspace) {
  const Units u = units_of<S>(g);
  const GradPieces<S> s(g, u, workspace);
  Index<T> index[kLanes<T>];
  index_sources<T>(u, index);
  if (u.in_place)
    add_in_place<S>(g, u, s, index, (const T*)x, (const T*)grad_y);
  else
    add_planes<S>(g, u, s, index, x, grad_y);
  const int threads = u.units * s.parts * s.each < 65536 ? 1 : g.threads;  // less is added before another thread wakes
  parallel_tasks(u.units, threads, [&](int64_t unit, int) { write_sums(g, u, s, unit, grad_w); });
}

template <class S, class T = Compute<S>>
static int64_t grad_weight_workspace(const Weights& g) {
  return GradPieces<S>(g, units_of<S>(g), nullptr).bytes;
}

}  // namespace torchconv::ISA_NS
