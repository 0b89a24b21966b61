// Included once per instruction set by images.cpp.
#include "grouped/sums-inl.h"
#include "grouped/planes-inl.h"
#include "grouped/ahead-inl.h"

namespace torchconv::ISA_NS {

using grouped::Images;
using grouped::Strip;

template <class T>
static Units units_of(const Images& g) {
  return Units(g.groups, g.sources, g.results, kLanes<T>, kCanSpread);
}

// What all threads read: weights, [unit][block][tap][source][lane], and the bias, [unit][block][lane]; and what each
// thread has of its own: rows under a kernel, a strip of the source, and in NCHW a strip of the result.
template <class S, class T = Compute<S>>
struct ImagePieces {
  Strips strips;
  T *w, *bias;
  SourceRow<T>* rows;
  T *src, *to;
  int64_t block, unit_size;  // elements of one block's weights, of a unit's sources
  int64_t packed_bytes, bytes;

  ImagePieces(const Images& g, const Units& u, void* workspace, int thread)
      : strips(g.h, g.w, u, g.N, g.nhwc ? 0 : u.blocks, sizeof(T), g.threads, g.nhwc) {
    constexpr int L = kLanes<T>;
    const auto line = [](int64_t elements) { return round_up(elements * int64_t(sizeof(T)), 64); };
    block = g.taps() * g.sources * L;
    unit_size = strips.source_size(u, kPlaces * g.w.stride);
    packed_bytes = line(u.count * u.blocks * block);
    const int64_t bias_bytes = line(u.count * u.blocks * L);
    const int64_t rows_bytes = round_up(g.h.kernel * int64_t(sizeof(*rows)), 64);
    const int64_t src_bytes = line(strips.units * unit_size);
    const int64_t to_bytes = g.nhwc ? 0 : line((strips.rows * g.w.out + L) * u.blocks * L);
    const int64_t own = rows_bytes + src_bytes + to_bytes, shared = bias_bytes + (g.packed ? 0 : packed_bytes);
    bytes = shared + g.threads * own;
    bias = (T*)workspace, w = (T*)((char*)workspace + bias_bytes);
    rows = (SourceRow<T>*)((char*)workspace + shared + thread * own);
    src = (T*)((char*)rows + rows_bytes), to = (T*)((char*)src + src_bytes);
  }
};

// The weights of a unit, in the order of ImagePieces. Lanes without a result hold zeros.
template <class S, class T = Compute<S>>
static void pack_unit(const Images& g, const Units& u, int64_t unit, const S* w, T* to) {
  constexpr int L = kLanes<T>;
  for (int64_t b = 0; b < u.blocks; ++b) {
    const int64_t lanes = u.results_in(unit, b);
    int64_t from[L];
    for (int64_t l = 0, k = u.first_result(unit, b); l < lanes; ++l, ++k)
      from[l] = k / g.results * g.w_group + k % g.results * g.w_result;
    for (int64_t r = 0; r < g.h.kernel; ++r)
      for (int64_t s = 0; s < g.w.kernel; ++s)
        for (int64_t i = 0; i < g.sources; ++i, to += L) {
          const S* tap = w + r * g.w_r + s * g.w_s + i * g.w_source;
          for (int64_t l = 0; l < lanes; ++l) to[l] = T(tap[from[l]]);
          for (int64_t l = lanes; l < L; ++l) to[l] = T(0);
        }
  }
}

template <class S, class T = Compute<S>>
static void pack_weights(const Images& g, const Units& u, const S* w, T* to) {
  const int64_t each = u.blocks * g.taps() * g.sources * kLanes<T>;
  const int threads = u.count * each < 16384 ? 1 : g.threads;  // fewer are packed before another thread wakes
  parallel_tasks(u.count, threads, [&](int64_t unit, int) { pack_unit(g, u, unit, w, to + unit * each); });
}

template <class S, class T = Compute<S>>
static void pack_bias(const Units& u, const S* bias, T* to) {
  for (int64_t unit = 0; unit < u.count; ++unit)
    for (int64_t b = 0; b < u.blocks; ++b)
      for (int64_t l = 0; l < kLanes<T>; ++l) {
        const int64_t k = u.result_at(unit, b, l);
        *to++ = bias && k >= 0 ? T(bias[k]) : T(0);
      }
}

// The results of one unit in a strip, whose sources stand at `src`. `to` is the unit's first result in the first place;
// places are to_step apart, blocks a vector.
template <class D, class S, class T = Compute<S>>
static void sum_unit(const Images& g, const Units& u, const ImagePieces<S>& s, const Index<T>* index, const T* weights,
                     int64_t unit, const Strip& strip, const T* src, const Finish<D>& after, D* to, int64_t to_step,
                     bool stream, Ahead& next) {
  constexpr int L = kLanes<T>;
  const int64_t w_step = g.sources * L, step = u.planes * L, row = s.strips.width * step;
  PlaceBlock<D> b{s.rows, 0, 0, 0, {}, nullptr, nullptr, 0, 0, 0, stream, &after};
  for (int64_t down = 0; down < g.h.phases(); ++down)
    for (int64_t phase = 0; phase < g.w.phases(); ++phase) {
      const Phase f = g.h.phase(down), across = g.w.phase(phase);
      const Range places = places_between(f, strip.to.begin, strip.to.end);
      const auto few = pick_sum<kPlaces, D>(across, spread_of<T>(u)),
                 many = pick_sum<kManyPlaces, D>(across, spread_of<T>(u));
      b.taps = {step,      across.stride,        across.dil, across.taps, across.tap_step * w_step,
                g.sources, u.sources_in_plane(), index};
      b.to_step = across.every * to_step;
      for (int64_t t = places.begin; t < places.end; ++t) {
        const Range inside = taps_inside(f, t, g.h.in);
        for (int64_t i = inside.begin; i < inside.end; ++i)
          s.rows[i - inside.begin] = {src + (f.source(t, i) - strip.from.begin) * row,
                                      weights + (f.tap + i * f.tap_step) * g.w.kernel * w_step};
        b.row_taps = inside.size();
        next.fetch();
        D* to_row = to + (f.begin + t * f.every - strip.to.begin) * g.w.out * to_step;
        for (int64_t block = 0; block < u.blocks; ++block) {
          b.bias = s.bias + (unit * u.blocks + block) * L, b.lanes = int(u.results_in(unit, block));
          b.w_at = block * s.block + across.tap * w_step;
          // The last block of places overlaps the one before, so that it is whole.
          for (int64_t from = 0, count; from < across.count; from += count) {
            count = from + kManyPlaces <= across.count ? kManyPlaces : kPlaces;
            const int64_t q = larger(0, smaller(from, across.count - count));
            b.src_at = (s.strips.pad + across.source(q, 0)) * step, b.places = smaller(count, across.count - q);
            b.to = to_row + (across.begin + q * across.every) * to_step + block * L;
            (count == kManyPlaces ? many : few)(b);
          }
        }
      }
    }
}

template <class S, class T = Compute<S>>
static void run_images(const Images& g, const ConvOperands& o) {
  constexpr int L = kLanes<T>;
  const Units u = units_of<T>(g);
  const ImagePieces<S> shared(g, u, o.workspace, 0);
  const Strips& strips = shared.strips;
  const T* weights = g.packed ? (const T*)o.b : shared.w;
  if (!g.packed) pack_weights(g, u, (const S*)o.b, shared.w);
  pack_bias(u, (const S*)o.bias, shared.bias);
  Index<T> index[L];
  index_sources<T>(u, index);
  const Finish<S> after(g.epilogue, (const S*)o.residual, (const S*)o.out);
  const Finish<T> later({}, nullptr, nullptr);  // NCHW: once turned back
  const int64_t sources = g.groups * g.sources, results = g.groups * g.results;
  const int64_t src_plane = g.h.in * g.w.in, to_plane = g.h.out * g.w.out;
  const bool stream = g.stream && sizeof(S) * L == 64;  // parts of cache lines would each go to memory
  const auto source_at = [&](int64_t unit, int64_t m, int l) { return u.source_at(unit, m, l); };
  const auto strip_at = [&](int64_t i) {
    return strips.at(g.h, u, i / (strips.chunks * strips.count), i / strips.count % strips.chunks, i % strips.count);
  };
  const int64_t all = g.N * strips.chunks * strips.count, tasks = smaller(all, 4 * g.threads);
  parallel_tasks(tasks, g.threads, [&](int64_t task, int thread) {
    const ImagePieces<S> s(g, u, o.workspace, thread);
    const bool neighbours = !u.spread() || u.sources == u.results;
    const Planes<T> planes{s.src, strips.pad, strips.width, s.unit_size, u.planes, u.together * u.sources, neighbours};
    const auto image_at = [&](int64_t n) { return (const S*)o.a + n * src_plane * sources; };
    const int64_t last = (task + 1) * all / tasks;
    for (int64_t i = task * all / tasks; i < last; ++i) {
      const Strip strip = strip_at(i), after_it = strip_at(smaller(i + 1, last - 1));
      gather(planes, g.nhwc, image_at(strip.n), sources, g.h.in, g.w.in, strip.from, strip.units, source_at);
      Ahead next;
      if (g.nhwc && i + 1 < last)
        next = Ahead(planes, image_at(after_it.n), g.N, sources, g.h.in, g.w.in, after_it.from, after_it.units,
                     strip.units.size() * strip.to.size());
      S* to = (S*)o.out + strip.n * to_plane * results;
      for (int64_t unit = strip.units.begin; unit < strip.units.end; ++unit) {
        const T *src = s.src + (unit - strip.units.begin) * s.unit_size, *w = weights + unit * u.blocks * s.block;
        const int64_t first = u.first_result(unit, 0), pixel = strip.to.begin * g.w.out;
        if (g.nhwc) {
          sum_unit<S>(g, u, s, index, w, unit, strip, src, after, to + pixel * results + first, results, stream, next);
          continue;
        }
        sum_unit<T, S>(g, u, s, index, w, unit, strip, src, later, s.to, u.blocks * L, false, next);
        for (int64_t b = 0; b < u.blocks; ++b)
          turn_back(s.to + b * L, u.blocks * L, strip.to.size() * g.w.out, to_plane, u.results_in(unit, b),
                    to + (first + b * L) * to_plane + pixel, stream,
                    [&](const S* at, Vector<T> sum, int lanes) { return finished(after, at, sum, lanes); });
      }
    }
    if (stream) stream_fence();
  });
}

template <class S, class T = Compute<S>>
static int64_t images_workspace(const Images& g) {
  return ImagePieces<S>(g, units_of<T>(g), nullptr, 0).bytes;
}

template <class S, class T = Compute<S>>
static int64_t packed_bytes(const Images& g) {
  return ImagePieces<S>(g, units_of<T>(g), nullptr, 0).packed_bytes;
}

template <class S, class T = Compute<S>>
static void pack_images_weights(const Images& g, const S* w, void* to) {
  pack_weights(g, units_of<T>(g), w, (T*)to);
}

}  // namespace torchconv::ISA_NS
