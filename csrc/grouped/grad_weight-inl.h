// Included once per instruction set by cpu_grad_weight.cpp.
// grad_w[k][c][r][s] = sum over the places of grad_y's channel k times x's channel c of the same group, under (r, s).
#include "grouped/products-inl.h"
#include "grouped/planes-inl.h"

namespace torchconv::ISA_NS {

using grouped::Weights;

template <class T>
static Units units_of(const Weights& g) {
  return Units(g.groups, g.sources, g.results, kLanes<T>, kCanSpread);
}

// Each task sums some units over some strips of images. A unit's sums, [block][tap][source][lane], are in parts, which
// are added in their order. Behind them stands what each thread has of its own: strips of x and of grad_y.
template <class S, class T = Compute<S>>
struct GradPieces {
  Strips strips;
  int64_t parts, each;     // of a unit's sums; elements of each
  int64_t x_unit, y_unit;  // elements of a unit's sources and results
  int64_t sums_bytes, own;

  GradPieces(const Weights& g, const Units& u) : strips(g.h, g.w, u, g.N, u.blocks, sizeof(T), g.threads, g.nhwc) {
    constexpr int L = kLanes<T>;
    each = u.blocks * g.taps() * g.sources * L;
    parts = g.threads == 1 ? 1 : smaller(g.N * strips.count, ceil_div(4 * g.threads, strips.chunks));
    x_unit = strips.source_size(u, 0), y_unit = strips.rows * g.w.out * u.blocks * L;
    sums_bytes = round_up(u.count * parts * each * int64_t(sizeof(T)), 64);
    own = round_up(strips.units * (x_unit + y_unit) * int64_t(sizeof(T)), 64);
  }
  int64_t bytes(const Weights& g) const { return sums_bytes + g.threads * own; }
};

// Short rows are worked on together, so that sums stay in registers for longer.
TORCHCONV_INLINE int64_t rows_at_once(const Weights& g) { return larger(1, 56 / g.w.out); }

// Rows [begin, end) of grad_y of a unit, of which `begin` stands at y, and x from row first_row on at x.
template <class T>
static void sum_rows_of_unit(const Weights& g, const Units& u, int64_t width, const Index<T>* index, const T* x,
                             int64_t first_row, const T* y, int64_t begin, int64_t end, T* sums) {
  constexpr int L = kLanes<T>;
  const Phase down = g.h.phase(0), across = g.w.phase(0);
  const auto run = pick_products<T>(across, u.spread());
  const int64_t at_once = rows_at_once(g), x_step = u.planes * L, y_step = u.blocks * L;
  const int64_t x_row = width * x_step, y_row = g.w.out * y_step;
  for (int64_t from = begin; from < end; from += at_once)
    for (int64_t b = 0; b < u.blocks; ++b)
      for (int64_t r = 0; r < g.h.kernel; ++r) {
        const Range inside = places_inside(down, r, g.h.in);
        const int64_t first = larger(from, inside.begin), last = smaller(smaller(from + at_once, end), inside.end);
        if (first >= last) continue;
        run({x + (down.source(first, r) - first_row) * x_row, y + (first - begin) * y_row + b * L, last - first,
             down.stride * x_row, y_row, x_step, y_step, g.w.out, across.stride, across.dil, across.taps, g.sources,
             u.sources_in_plane(), index, sums + (b * g.h.kernel + r) * g.w.kernel * g.sources * L});
      }
}

// One unit's weights, from the sums of all parts.
template <class S, class T = Compute<S>>
static void write_sums(const Weights& g, const Units& u, const GradPieces<S>& s, int64_t unit, const T* sums,
                       S* grad_w) {
  constexpr int L = kLanes<T>;
  for (int64_t i = 0, block = s.each / u.blocks; i < s.each; i += L) {
    Vector<T> sum = load(sums + i);
    for (int64_t part = 1; part < s.parts; ++part) sum += load(sums + part * s.each + i);
    T lane[L];
    store(lane, sum);
    const int64_t c = i / L % g.sources, tap = i % block / L / g.sources;
    const int64_t k = u.first_result(unit, i / block), lanes = u.results_in(unit, i / block);
    S* to = grad_w + k * g.w_k + c * g.w_c + tap / g.w.kernel * g.w_r + tap % g.w.kernel * g.w_s;
    for (int64_t l = 0; l < lanes; ++l) to[l * g.w_k] = S(lane[l]);
  }
}

template <class S, class T = Compute<S>>
static void run_grad_weight(const Weights& g, const S* x, const S* grad_y, S* grad_w, void* workspace) {
  const Units u = units_of<T>(g);
  const GradPieces<S> s(g, u);
  const Strips& strips = s.strips;
  Index<T> index[kLanes<T>];
  index_sources<T>(u, index);
  const int64_t C = g.groups * g.sources, K = g.groups * g.results, all = g.N * strips.count;
  const int64_t x_plane = g.h.in * g.w.in, y_plane = g.h.out * g.w.out;
  const auto sums_of = [&](int64_t unit, int64_t part) { return (T*)workspace + (unit * s.parts + part) * s.each; };
  parallel_tasks(strips.chunks * s.parts, g.threads, [&](int64_t task, int thread) {
    const int64_t first = task / s.parts * strips.units, part = task % s.parts;
    const Range units{first, smaller(first + strips.units, u.count)};
    T* at = (T*)((char*)workspace + s.sums_bytes + thread * s.own);
    const Planes<T> from_x{at,
                           strips.pad,
                           strips.width,
                           s.x_unit,
                           u.planes,
                           u.together * u.sources,
                           !u.spread() || u.sources == u.results};
    const Planes<T> from_y{at + strips.units * s.x_unit, 0, g.w.out, s.y_unit, u.blocks, u.together * u.results, true};
    for (int64_t unit = first; unit < units.end; ++unit) __builtin_memset(sums_of(unit, part), 0, s.each * sizeof(T));
    for (int64_t i = part * all / s.parts; i < (part + 1) * all / s.parts; ++i) {
      const int64_t n = i / strips.count, begin = i % strips.count * strips.rows;
      const int64_t end = smaller(begin + strips.rows, g.h.out);
      const Range rows = rows_between(g.h, begin, end);
      gather(from_x, g.nhwc, x + n * C * x_plane, C, g.h.in, g.w.in, rows, units,
             [&](int64_t unit, int64_t m, int l) { return u.source_at(unit, m, l); });
      gather(from_y, g.nhwc, grad_y + n * K * y_plane, K, g.h.out, g.w.out, Range{begin, end}, units,
             [&](int64_t unit, int64_t b, int l) { return u.result_at(unit, b, l); });
      for (int64_t unit = first; unit < units.end; ++unit)
        sum_rows_of_unit<T>(g, u, strips.width, index, from_x.to + (unit - first) * s.x_unit, rows.begin,
                            from_y.to + (unit - first) * s.y_unit, begin, end, sums_of(unit, part));
    }
  });
  const int threads = u.count * s.parts * s.each < 65536 ? 1 : g.threads;  // less is added before another thread wakes
  parallel_tasks(u.count, threads, [&](int64_t unit, int) { write_sums(g, u, s, unit, sums_of(unit, 0), grad_w); });
}

template <class S, class T = Compute<S>>
static int64_t grad_weight_workspace(const Weights& g) {
  return GradPieces<S>(g, units_of<T>(g)).bytes(g);
}

}  // namespace torchconv::ISA_NS
