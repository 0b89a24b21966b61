// NCHW: lanes are neighbours along W, and a block is kBlock rows of the result. A strip of the source stands cut and
// padded in the workspace (planes.h), so that no tap needs a mask and every stride reads neighbours.
#include "depthwise/cut_plane-inl.h"

namespace torchconv::ISA_NS {

template <class S, class T>
struct PixelBlock {
  const OuterTap<T, T>* columns;
  int64_t column_taps;
  InnerTaps inner;
  T bias;
  S* to;
  int64_t rows, to_step, count;  // count: places of a row
  const Finish<S>& after;
};

// kBlock rows of places. The last vector overlaps the one before, where there is one.
template <int J, int Stride, class S, class T>
static void sum_rows(const PixelBlock<S, T>& b) {
  constexpr int L = kLanes<T>;
  const Vector<T> bias = Vector<T>{} + b.bias;
  for (int64_t from = 0; from < b.count; from += L) {
    const int64_t q = larger(0, smaller(from, b.count - L));
    const int lanes = int(smaller(L, b.count - q));
    Vector<T> sum[kBlock][1];
    sum_taps<J, Stride, 1, false>(b.columns, b.column_taps, q, 0, b.inner, L, sum);
#pragma GCC unroll 16
    for (int u = 0; u < kBlock; ++u) {
      if (u >= b.rows) break;
      finish(b.after, b.to + u * b.to_step + q, sum[u][0], bias, lanes, false);
    }
  }
}

// One row of places, where there are too few rows to fill a block: a block is then kBlock vectors of it, and all taps
// are outer taps.
template <class S, class T>
static void sum_one_row(const PixelBlock<S, T>& b) {
  constexpr int L = kLanes<T>;
  const Vector<T> bias = Vector<T>{} + b.bias;
  for (int64_t q = 0; q < b.count; q += kBlock * L) {
    Vector<T> sum[kBlock][1];
    sum_taps<0, 1, 1, false>(b.columns, b.column_taps, q, 0, {L, 0, kBlock, 1, 1, 1, 0}, L, sum);
#pragma GCC unroll 16
    for (int u = 0; u < kBlock; ++u) {
      const int64_t at = q + u * L;
      if (at < b.count) finish(b.after, b.to + at, sum[u][0], bias, int(smaller(L, b.count - at)), false);
    }
  }
}

// What a thread works on: strips of the sources of one result, its weights, and rows of the result in lines.
template <class S, class T = Compute<S>>
struct PixelPieces {
  T *strips, *w, *lines;
  OuterTap<T, T>* taps;
  int64_t strip, bytes;  // elements of one strip; bytes of all

  PixelPieces(const Images& g, const Planes& planes, void* workspace, int thread) {
    const int64_t slack = (kBlock + 1) * depthwise::kMostLanes;  // sum_one_row reads whole blocks
    strip = planes.rows * planes.pitch;
    const int64_t strips_size = g.joined * strip + slack, w_size = round_up(g.joined * g.taps(), 16),
                  lines_size = g.w.adjoint && g.w.stride > 1 ? kBlock * g.w.phases() * planes.result_length : 0;
    bytes = round_up((strips_size + w_size + lines_size) * int64_t(sizeof(T)) +
                         g.joined * g.taps() * int64_t(sizeof(OuterTap<T, T>)),
                     64);
    strips = (T*)((char*)workspace + thread * bytes), w = strips + strips_size, lines = w + w_size;
    taps = (OuterTap<T, T>*)(lines + lines_size);
  }
};

// Rows [t, t + rows) of phase f along H under phase `across` along W, to rows `to_step` apart.
template <class D, class S, class T = Compute<S>>
static void sum_phase(const Images& g, const Planes& planes, const PixelPieces<S>& s, const Range& source,
                      const Phase& f, int64_t t, int64_t rows, const Phase& across, T bias, const Finish<D>& after,
                      D* to, int64_t to_step) {
  constexpr int L = kLanes<T>;
  const bool one_by_one = rows * ceil_div(across.count, kBlock * L) < ceil_div(across.count, L);
  PixelBlock<D, T> b{s.taps, 0, {}, bias, to, rows, to_step, across.count, after};
  const auto column = [&](int64_t joined, int64_t i) {
    const int64_t at = across.first + planes.pad + i * across.dil;
    return s.strips + joined * s.strip + at % planes.cut * planes.length + at / planes.cut;
  };
  const auto weight = [&](int64_t joined, int64_t r, int64_t i) {
    return s.w + (joined * g.h.kernel + f.tap + r * f.tap_step) * g.w.kernel + across.tap + i * across.tap_step;
  };
  if (one_by_one) {
    for (int64_t u = t; u < t + rows; ++u, b.to += to_step) {
      const Range inside = taps_inside(f, u, g.h.in);
      b.column_taps = 0;
      for (int64_t j = 0; j < g.joined; ++j)
        for (int64_t r = inside.begin; r < inside.end; ++r)
          for (int64_t i = 0; i < across.taps; ++i)
            s.taps[b.column_taps++] = {column(j, i) + (f.source(u, r) - source.begin) * planes.pitch, weight(j, r, i)};
      sum_one_row(b);
    }
    return;
  }
  const int64_t at = f.source(t, 0);
  for (int64_t j = 0; j < g.joined; ++j)
    for (int64_t i = 0; i < across.taps; ++i)
      s.taps[b.column_taps++] = {column(j, i) + (at - source.begin) * planes.pitch, weight(j, 0, i)};
  b.inner = {planes.pitch, source.begin - at, source.end - at, f.stride, f.dil, f.taps, f.tap_step * g.w.kernel};
  with_taps(f.taps, f.stride, f.dil,
            [](auto j, auto stride) { return sum_rows<decltype(j)::value, decltype(stride)::value, D, T>; })(b);
}

// Places [begin, end) along H of result o; its sources stand in s.
template <class S, class T = Compute<S>>
static void sum_strip(const Images& g, const Planes& planes, const PixelPieces<S>& s, const Range& source,
                      int64_t begin, int64_t end, T bias, const Finish<S>& after, S* to) {
  const Finish<T> later({}, nullptr, nullptr);  // lines are joined first; only grad_input has them
  for (int64_t a = 0; a < g.h.phases(); ++a) {
    const Phase f = g.h.phase(a);
    const Range places = places_between(f, begin, end);
    for (int64_t from = places.begin; from < places.end; from += kBlock) {
      const int64_t t = larger(places.begin, smaller(from, places.end - kBlock)),
                    rows = smaller(kBlock, places.end - t);
      S* row = to + (f.begin + t * f.every) * g.w.out;
      if (g.w.phases() == 1) {
        const Phase across = g.w.phase(0);
        sum_phase<S, S>(g, planes, s, source, f, t, rows, across, bias, after, row + across.begin, f.every * g.w.out);
        continue;
      }
      const int64_t lines = g.w.phases() * planes.result_length;
      for (int64_t b = 0; b < g.w.phases(); ++b)
        sum_phase<T, S>(g, planes, s, source, f, t, rows, g.w.phase(b), bias, later, s.lines + b * planes.result_length,
                        lines);
      for (int64_t u = 0; u < rows; ++u)
        join_row(s.lines + u * lines, planes.result_length, 0, g.w.phases(), row + u * f.every * g.w.out, g.w.out);
    }
  }
}

template <class S, class T = Compute<S>>
static void run_images_nchw(const Images& g, const S* src, const S* w, const S* bias, const Finish<S>& after, S* to,
                            void* workspace) {
  const Planes planes(g.h, g.w, g.joined, sizeof(T));
  const int64_t units = g.N * g.results * planes.strips, tasks = smaller(units, 4 * g.threads);
  const int64_t src_plane = g.h.in * g.w.in, to_plane = g.h.out * g.w.out;
  parallel_tasks(tasks, g.threads, [&](int64_t task, int thread) {
    const PixelPieces<S> s(g, planes, workspace, thread);
    zero(s.strips, s.w - s.strips);
    for (int64_t unit = task * units / tasks; unit < (task + 1) * units / tasks; ++unit) {
      const int64_t plane = unit / planes.strips, begin = unit % planes.strips * planes.strip;
      const int64_t end = smaller(begin + planes.strip, g.h.out), n = plane / g.results, o = plane % g.results;
      const Range source = rows_between(g.h, begin, end);
      for (int64_t j = 0; j < g.joined; ++j) {
        const int64_t from = o * g.joined / g.shared + j;
        cut_rows(planes, g.w.in, src + (n * g.sources + from) * src_plane, source, s.strips + j * s.strip);
        const S* taps = w + (o * g.joined + j) * g.w_k;
        T* at = s.w + j * g.taps();
        for (int64_t r = 0; r < g.h.kernel; ++r)
          for (int64_t i = 0; i < g.w.kernel; ++i) *at++ = T(taps[r * g.w_r + i * g.w_s]);
      }
      sum_strip(g, planes, s, source, begin, end, bias ? T(bias[o]) : T(0), after, to + plane * to_plane);
    }
  });
}

}  // namespace torchconv::ISA_NS
