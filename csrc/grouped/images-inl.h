// Included once per instruction set by images.cpp.
#include "grouped/sums-inl.h"
#include "common/ahead-inl.h"
#include "grouped/planes-inl.h"

namespace torchconv::ISA_NS {

using grouped::Images;

template <class S>
static Units units_of(const Images& g) {
  return Units(g.groups, g.sources, g.results, kLanes<Compute<S>>, kCanSpread, g.nhwc && kComputedAsStored<S>);
}

// What all threads read: weights, [unit][block][tap][source][lane], and the bias, [unit][block][lane]; and what each
// thread has of its own: rows under a kernel, a strip of the source, and a strip of the result that is to be turned.
template <class S, class T = Compute<S>>
struct ImagePieces {
  T *w, *bias;
  SourceRow<T>* rows;
  T *src, *to;
  int64_t block;         // elements of one block's weights
  int64_t strip, reach;  // rows of the result that are worked on at a time, and of the source that they take
  int64_t packed_bytes, bytes;

  ImagePieces(const Images& g, const Units& u, void* workspace, int thread) {
    constexpr int L = kLanes<T>;
    const auto line = [](int64_t elements) { return round_up(elements * int64_t(sizeof(T)), 64); };
    block = g.taps() * g.sources * L;
    packed_bytes = line(u.units * u.blocks * block);
    const int64_t bias_bytes = line(u.units * u.blocks * L), rows_bytes = round_up(g.h.kernel * int64_t(sizeof(*rows)), 64);
    strip = g.h.out, reach = 0;
    int64_t src_bytes = 0, to_bytes = 0;
    if (!u.in_place) {
      const int64_t row_bytes = (g.w.in * u.planes + (g.nhwc ? 0 : g.w.out * u.blocks)) * L * int64_t(sizeof(T));
      const int64_t every = g.h.adjoint ? g.h.stride : 1;
      strip = smaller(g.h.out, round_up(larger(1, kStripInL2 / row_bytes), every));
      reach = smaller(g.h.in, g.h.adjoint ? (strip + (g.h.kernel - 1) * g.h.dil) / g.h.stride + 3
                                          : (strip - 1) * g.h.stride + (g.h.kernel - 1) * g.h.dil + 1);
      src_bytes = line(planes_size<T>(reach * g.w.in, u.planes));
      if (!g.nhwc) to_bytes = line(planes_size<T>(strip * g.w.out, u.blocks));
    }
    const int64_t own = rows_bytes + src_bytes + to_bytes, shared = bias_bytes + (g.packed ? 0 : packed_bytes);
    bytes = shared + g.threads * own;
    bias = (T*)workspace, w = (T*)((char*)workspace + bias_bytes);
    rows = (SourceRow<T>*)((char*)workspace + shared + thread * own);
    src = (T*)((char*)rows + rows_bytes), to = (T*)((char*)src + src_bytes);
  }
};

// The weights of unit `unit`, in the order of ImagePieces. Lanes without a result hold zeros.
template <class S, class T = Compute<S>>
static void pack_unit(const Images& g, const Units& u, int64_t unit, const S* w, T* to) {
  constexpr int L = kLanes<T>;
  const int64_t lanes = u.results_in_block(unit);
  for (int64_t b = 0; b < u.blocks; ++b) {
    int64_t from[L];
    for (int64_t l = 0, k = u.first_result(unit, b); l < lanes; ++l, ++k)
      from[l] = k / g.results * g.w_group + k % g.results * g.w_result;
    for (int64_t r = 0; r < g.h.kernel; ++r)
      for (int64_t s = 0; s < g.w.kernel; ++s)
        for (int64_t i = 0; i < g.sources; ++i, to += L) {
          const S* tap = w + r * g.w_r + s * g.w_s + i * g.w_source;
          for (int64_t l = 0; l < L; ++l) to[l] = l < lanes ? T(tap[from[l]]) : T(0);
        }
  }
}

template <class S, class T = Compute<S>>
static void pack_weights(const Images& g, const Units& u, const S* w, T* to) {
  const int64_t each = u.blocks * g.taps() * g.sources * kLanes<T>;
  const int threads = u.units * each < 16384 ? 1 : g.threads;  // fewer are packed before another thread wakes
  parallel_tasks(u.units, threads, [&](int64_t unit, int) { pack_unit(g, u, unit, w, to + unit * each); });
}

template <class S, class T = Compute<S>>
static void pack_bias(const Units& u, const S* bias, T* to) {
  for (int64_t unit = 0; unit < u.units; ++unit)
    for (int64_t b = 0; b < u.blocks; ++b)
      for (int64_t l = 0; l < kLanes<T>; ++l)
        *to++ = bias && l < u.results_in_block(unit) ? T(bias[u.first_result(unit, b) + l]) : T(0);
}

// One unit's sources: position 0 of row 0, and how far apart positions and rows are.
template <class T>
struct UnitSource {
  const T* at;
  int64_t step, row;
};

// One row of a unit's result, the t-th place of phase f along H. `to` is the unit's first result in the row's first
// place; places are to_step apart, blocks as far as their channels, or their vectors where these stand in planes.
template <class D, class S, class T = Compute<S>>
static void sum_row(const Images& g, const Units& u, const ImagePieces<S>& s, const Index<T>* index, const T* weights,
                    int64_t unit, const Phase& f, int64_t t, const UnitSource<T>& source, const Finish<D>& after, D* to,
                    int64_t to_step, bool to_planes) {
  constexpr int L = kLanes<T>;
  const Range inside = taps_inside(f, t, g.h.in);
  const int64_t w_step = g.sources * L;
  for (int64_t i = inside.begin; i < inside.end; ++i)
    s.rows[i - inside.begin] = {source.at + f.source(t, i) * source.row,
                                weights + (f.tap + i * f.tap_step) * g.w.kernel * w_step};
  for (int64_t phase = 0; phase < g.w.phases(); ++phase) {
    const Phase across = g.w.phase(phase);
    const auto run = pick_sum<D>(across, u.spread());
    PlaceBlock<D> b{};
    b.rows = s.rows, b.row_taps = inside.size();
    b.to_step = across.every * to_step, b.lanes = int(u.results_in_block(unit));
    b.stream = g.stream && !to_planes, b.after = &after;
    for (int64_t block = 0; block < u.blocks; ++block) {
      b.bias = s.bias + (unit * u.blocks + block) * L;
      b.w_at = block * s.block + across.tap * w_step;
      D* first = to + (to_planes ? block * L : u.first_result(unit, block) - u.first_result(unit, 0));
      // The last block of places overlaps the one before, so that it is whole.
      for (int64_t from = 0; from < across.count; from += kPlaces) {
        const int64_t q = larger(0, smaller(from, across.count - kPlaces)), at = across.source(q, 0);
        b.src_at = at * source.step;
        b.taps = {source.step, -at,       g.w.in - at, across.stride, across.dil, across.taps, across.tap_step * w_step,
                  g.sources,   u.spread() ? g.results : g.sources,    index};
        b.to = first + (across.begin + q * across.every) * to_step, b.places = smaller(kPlaces, across.count - q);
        run(b);
      }
    }
  }
}

// channels_last whose vectors are summed where they are.
template <class S, class T = Compute<S>>
static void sum_in_place(const Images& g, const Units& u, const T* weights, const Index<T>* index, const S* src,
                         const Finish<S>& after, S* to, void* workspace) {
  const int64_t sources = g.groups * g.sources, results = g.groups * g.results;
  const int64_t rows = g.N * g.h.out, every = g.h.adjoint ? g.h.stride : 1;
  const int64_t tasks = smaller(rows, 4 * g.threads);  // so that a slow core can take fewer
  const int64_t row_bytes = g.w.in * int64_t(sizeof(S)), width = u.planes * kLanes<T>;
  const int64_t strip = larger(1, kStripInL2 / (row_bytes * sources));
  const int64_t chunk = larger(1, kRowsInL1 / (row_bytes * g.h.kernel * width));  // of units
  parallel_tasks(tasks, g.threads, [&](int64_t task, int thread) {
    const ImagePieces<S> s(g, u, workspace, thread);
    const int64_t last = (task + 1) * rows / tasks;
    for (int64_t first = task * rows / tasks, end; first < last; first = end) {
      end = smaller(first + strip, last);
      Ahead next(src, g.h.in, g.h.out, g.N, row_bytes * sources, end, smaller(end + strip, last),
                 (end - first) * ceil_div(u.units, chunk));
      for (int64_t begin = 0; begin < u.units; begin += chunk)
        for (int64_t row = first; row < end; ++row) {
          const int64_t n = row / g.h.out, h = row % g.h.out;
          next.fetch();
          for (int64_t unit = begin; unit < smaller(begin + chunk, u.units); ++unit) {
            const T* image = (const T*)src + n * g.h.in * g.w.in * sources;
            sum_row<S>(g, u, s, index, weights + unit * u.blocks * s.block, unit, g.h.phase(h % every), h / every,
                       {image + u.first_source(unit), sources, g.w.in * sources}, after,
                       to + row * g.w.out * results + u.first_result(unit, 0), results, false);
          }
        }
    }
    if (g.stream) stream_fence();
  });
}

// All others: a strip of a unit's sources is brought into planes, and in NCHW the results are turned back from planes.
template <class S, class T = Compute<S>>
static void sum_planes(const Images& g, const Units& u, const T* weights, const Index<T>* index, const S* src,
                       const Finish<S>& after, S* to, void* workspace) {
  constexpr int L = kLanes<T>;
  const int64_t sources = g.groups * g.sources, results = g.groups * g.results, every = g.h.adjoint ? g.h.stride : 1;
  const int64_t src_plane = g.h.in * g.w.in, to_plane = g.h.out * g.w.out;
  const int64_t strips = ceil_div(g.h.out, ImagePieces<S>(g, u, workspace, 0).strip);
  const int64_t all = g.N * u.units * strips, tasks = smaller(all, 4 * g.threads);
  const Finish<T> later({}, nullptr, nullptr);  // once turned back
  parallel_tasks(tasks, g.threads, [&](int64_t task, int thread) {
    const ImagePieces<S> s(g, u, workspace, thread);
    for (int64_t i = task * all / tasks; i < (task + 1) * all / tasks; ++i) {
      const int64_t n = i / (u.units * strips), unit = i / strips % u.units, begin = i % strips * s.strip;
      const int64_t end = smaller(begin + s.strip, g.h.out);
      const Range rows = rows_between(g.h, begin, end);
      gather_planes(
          g.nhwc, src + n * src_plane * sources, rows.begin * g.w.in, rows.size() * g.w.in, src_plane, sources,
          u.planes, [&](int64_t m, int l) { return u.source_at(unit, m, l); }, s.src);
      const int64_t step = u.planes * L;
      const UnitSource<T> source{s.src - rows.begin * g.w.in * step, step, g.w.in * step};
      const T* w = weights + unit * u.blocks * s.block;
      for (int64_t h = begin; h < end; ++h)
        if (const Phase f = g.h.phase(h % every); g.nhwc)
          sum_row<S>(g, u, s, index, w, unit, f, h / every, source, after,
                     to + (n * to_plane + h * g.w.out) * results + u.first_result(unit, 0), results, false);
        else
          sum_row<T>(g, u, s, index, w, unit, f, h / every, source, later, s.to + (h - begin) * g.w.out * u.blocks * L,
                     u.blocks * L, true);
      if (g.nhwc) continue;
      for (int64_t b = 0; b < u.blocks; ++b)
        turn_out(s.to + b * L, u.blocks * L, (end - begin) * g.w.out, to_plane, int(u.results_in_block(unit)),
                 to + (n * results + u.first_result(unit, b)) * to_plane + begin * g.w.out,
                 [&](const S* at, Vector<T> sum, int lanes) { return finished(after, at, sum, lanes); });
    }
    if (g.stream && g.nhwc) stream_fence();
  });
}

template <class S, class T = Compute<S>>
static void run_images(const Images& g, const ConvOperands& o) {
  const Units u = units_of<S>(g);
  const ImagePieces<S> s(g, u, o.workspace, 0);
  if (!g.packed) pack_weights(g, u, (const S*)o.b, s.w);
  pack_bias(u, (const S*)o.bias, s.bias);
  Index<T> index[kLanes<T>];
  index_sources<T>(u, index);
  const Finish<S> after(g.epilogue, (const S*)o.residual, (const S*)o.out);
  const auto run = u.in_place ? sum_in_place<S> : sum_planes<S>;
  run(g, u, g.packed ? (const T*)o.b : s.w, index, (const S*)o.a, after, (S*)o.out, o.workspace);
}

template <class S, class T = Compute<S>>
static int64_t images_workspace(const Images& g) {
  return ImagePieces<S>(g, units_of<S>(g), nullptr, 0).bytes;
}

template <class S, class T = Compute<S>>
static int64_t packed_bytes(const Images& g) {
  return ImagePieces<S>(g, units_of<S>(g), nullptr, 0).packed_bytes;
}

template <class S, class T = Compute<S>>
static void pack_images_weights(const Images& g, const S* w, void* to) {
  pack_weights(g, units_of<S>(g), w, (T*)to);
}

}  // namespace torchconv::ISA_NS
