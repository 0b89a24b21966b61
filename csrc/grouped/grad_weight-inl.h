// Included once per instruction set by cpu_grad_weight.cpp.
// grad_w[k][c][r][s] = sum over the places of grad_y's channel k times x's channel c of the same group, under (r, s).
#include "grouped/products-inl.h"
#include "grouped/planes-inl.h"
#include "grouped/ahead-inl.h"

namespace torchconv::ISA_NS {

using grouped::Strip;
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
    x_unit = strips.source_size(u, 0), y_unit = ((strips.rows * g.w.out * u.blocks) | 1) * L;
    sums_bytes = round_up(u.count * parts * each * int64_t(sizeof(T)), 64);
    own = round_up(strips.units * (x_unit + y_unit) * int64_t(sizeof(T)), 64);
  }
  int64_t bytes(const Weights& g) const { return sums_bytes + g.threads * own; }
};

// Short rows are worked on together, so that sums stay in registers for longer.
TORCHCONV_INLINE int64_t rows_at_once(const Weights& g) { return larger(1, 56 / g.w.out); }

// A strip of grad_y of a unit at y, and of x at x.
template <class T>
static void sum_strip_of_unit(const Weights& g, const Units& u, int64_t width, const Index<T>* index, const T* x,
                              const T* y, const Strip& strip, T* sums, Ahead& next_x, Ahead& next_y) {
  constexpr int L = kLanes<T>;
  const Phase down = g.h.phase(0), across = g.w.phase(0);
  const auto run = pick_products<T>(across, spread_of<T>(u));
  const int64_t at_once = rows_at_once(g), x_step = u.planes * L, y_step = u.blocks * L;
  const int64_t x_row = width * x_step, y_row = g.w.out * y_step;
  for (int64_t from = strip.to.begin; from < strip.to.end; from += at_once) {
    next_x.fetch(), next_y.fetch();
    for (int64_t b = 0; b < u.blocks; ++b)
      for (int64_t r = 0; r < g.h.kernel; ++r) {
        const Range inside = places_inside(down, r, g.h.in);
        const int64_t first = larger(from, inside.begin),
                      last = smaller(smaller(from + at_once, strip.to.end), inside.end);
        if (first >= last) continue;
        run({x + (down.source(first, r) - strip.from.begin) * x_row, y + (first - strip.to.begin) * y_row + b * L,
             last - first, down.stride * x_row, y_row, x_step, y_step, g.w.out, across.stride, across.dil, across.taps,
             g.sources, u.sources_in_plane(), index, sums + (b * g.h.kernel + r) * g.w.kernel * g.sources * L});
      }
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
  const auto source_at = [&](int64_t unit, int64_t m, int l) { return u.source_at(unit, m, l); };
  const auto result_at = [&](int64_t unit, int64_t b, int l) { return u.result_at(unit, b, l); };
  parallel_tasks(strips.chunks * s.parts, g.threads, [&](int64_t task, int thread) {
    const int64_t chunk = task / s.parts, part = task % s.parts, last = (part + 1) * all / s.parts;
    T* at = (T*)((char*)workspace + s.sums_bytes + thread * s.own);
    const bool neighbours = !u.spread() || u.sources == u.results;
    const Planes<T> from_x{at, strips.pad, strips.width, s.x_unit, u.planes, u.together * u.sources, neighbours};
    const Planes<T> from_y{at + strips.units * s.x_unit, 0, g.w.out, s.y_unit, u.blocks, u.together * u.results, true};
    for (int64_t unit = chunk * strips.units; unit < smaller((chunk + 1) * strips.units, u.count); ++unit)
      __builtin_memset(sums_of(unit, part), 0, s.each * sizeof(T));
    for (int64_t i = part * all / s.parts; i < last; ++i) {
      const Strip strip = strips.at(g.h, u, i / strips.count, chunk, i % strips.count);
      gather(from_x, g.nhwc, x + strip.n * C * x_plane, C, g.h.in, g.w.in, strip.from, strip.units, source_at);
      gather(from_y, g.nhwc, grad_y + strip.n * K * y_plane, K, g.h.out, g.w.out, strip.to, strip.units, result_at);
      Ahead next_x, next_y;
      if (g.nhwc && i + 1 < last) {
        const Strip next = strips.at(g.h, u, (i + 1) / strips.count, chunk, (i + 1) % strips.count);
        const int64_t times = strip.units.size() * ceil_div(strip.to.size(), rows_at_once(g));
        next_x = Ahead(from_x, x + next.n * C * x_plane, g.N, C, g.h.in, g.w.in, next.from, next.units, times);
        next_y = Ahead(from_y, grad_y + next.n * K * y_plane, g.N, K, g.h.out, g.w.out, next.to, next.units, times);
      }
      for (int64_t unit = strip.units.begin; unit < strip.units.end; ++unit) {
        const int64_t j = unit - strip.units.begin;
        sum_strip_of_unit<T>(g, u, strips.width, index, from_x.to + j * s.x_unit, from_y.to + j * s.y_unit, strip,
                             sums_of(unit, part), next_x, next_y);
      }
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
