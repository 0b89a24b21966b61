// Forward pooling of NCHW planes: each row of x is pooled along W once, and kept while windows along H and D need it.
namespace torchconv::ISA_NS {

enum class Take { maximum, maximum_and_index, maximum_and_tap, sum };

template <Take take>
constexpr bool kKeeps = take == Take::maximum_and_index || take == Take::maximum_and_tap;
template <Take take>
struct OriginOf {
  using type = int64_t;
};
template <>
struct OriginOf<Take::maximum_and_tap> {
  using type = Tap;
};
template <Take take>
using Origins = typename OriginOf<take>::type*;

template <Take take, class T>
TORCHCONV_INLINE void take_in(Vector<T>& best, IndexVector<T>& at, Vector<T> v, IndexVector<T> i) {
  if constexpr (take == Take::sum)
    best += v;
  else
    take_greater(best, at, v, i);
}
template <Take take, class T>
constexpr T kNothing = take == Take::sum ? T(0) : kLeast<T>;

// The outputs of one row whose windows have `K` taps (0: as many as the axis says). With taps, `at` is the tap's number
// in the row.
template <Take take, int K, class T>
static void pool_cut_row(const Axis& w, const Pieces<T>& s, int64_t base, T* value, Index<T>* at) {
  constexpr bool as_taps = take == Take::maximum_and_tap;
  const int64_t taps = K ? K : w.kernel, step = as_taps ? 1 : w.dil;
  if (as_taps) base = 0;
  for (int64_t q = 0; q < w.out; q += kLanes<T>) {
    Vector<T> best = Vector<T>{} + kNothing<take, T>;
    IndexVector<T> index{};
    if constexpr (kKeeps<take>) index = load_index<T>(s.first + q) + Index<T>(base);
    const CounterVector<T> i0 = as_taps ? CounterVector<T>{} : count_from<T>(base + q * w.stride - w.pad, w.stride);
    for (int64_t k = 0; k < taps; ++k)
      take_in<take, T>(best, index, load(s.lines + s.offset[k] + q), (IndexVector<T>)(i0 + Counter<T>(k * step)));
    store(value + q, best);
    if constexpr (kKeeps<take>) store_index<T>(at + q, index);
  }
}

// (best, at) takes (v, i), elements in any order: of equal ones the first in the plane wins, of NaN the last.
template <class T>
TORCHCONV_INLINE void take_in_any_order(T& best, Index<T>& at, T v, Index<T> i) {
  const bool nan = v != v, held = best != best;
  if (nan ? !held || i > at : !held && (v > best || (v == best && i < at))) best = v, at = i;
}

// One window of a row, of any length: lane by lane, then across the lanes.
template <Take take, class S, class T = Compute<S>>
static void pool_run(const S* x, int64_t count, int64_t base, T* value, Index<T>* at) {
  constexpr int L = kLanes<T>;
  if constexpr (take == Take::sum) {
    *value = sum_run(x, count);
    return;
  }
  T found = kNothing<take, T>;
  Index<T> where = Index<T>(base);
  int64_t i = 0;
  if (count >= 4 * L) {
    Vector<T> best[4];
    IndexVector<T> index[4];
    for (int u = 0; u < 4; ++u)
      best[u] = Vector<T>{} + kNothing<take, T>, index[u] = lane_numbers<T>() + Index<T>(base + u * L);
    for (; i + 4 * L <= count; i += 4 * L)
#pragma GCC unroll 4
      for (int u = 0; u < 4; ++u)
        take_in<take, T>(best[u], index[u], load(x + i + u * L), lane_numbers<T>() + Index<T>(base + i + u * L));
    for (int u = 0; u < 4; ++u)
      for (int l = 0; l < L; ++l) take_in_any_order<T>(found, where, best[u][l], index[u][l]);
  }
  for (; i < count; ++i) take_in_any_order<T>(found, where, T(x[i]), Index<T>(base + i));
  *value = found;
  if constexpr (kKeeps<take>) *at = where;
}

// One row of y where windows are adaptive: down the columns of x first, whose results all windows share, then along.
template <Take take, class S, class T = Compute<S>>
static void pool_adaptive(const PoolProblem& p, const Window* window, const Pieces<T>& s, const S* x) {
  const Axis &h = p.axis[1], &w = p.axis[2];
  const int64_t first = window[0].begin * h.in + window[1].begin;
  if (window[0].taps * window[1].taps == 1) {
    for (int64_t q = 0; q < w.out; ++q) {
      const Window run = w.window(q);
      const int64_t base = first * w.in + run.begin;
      pool_run<take, S>(x + base, run.taps, base, s.value + q, s.at + q);
    }
    return;
  }
  for (int64_t u = 0; u < w.in; u += kLanes<T>) {
    const int part = int(smaller(kLanes<T>, w.in - u));
    Vector<T> best = Vector<T>{} + kNothing<take, T>;
    IndexVector<T> at = (IndexVector<T>)count_from<T>(first * w.in + u, 1);
    for (int64_t t = 0; t < window[0].taps; ++t)
      for (int64_t r = 0; r < window[1].taps; ++r) {
        const int64_t from = (first + t * h.in + r) * w.in + u;
        take_in<take, T>(best, at, load_part(x + from, part), (IndexVector<T>)count_from<T>(from, 1));
      }
    store(s.lines + u, best);
    store_index<T>(s.columns + u, at);
  }
  for (int64_t q = 0; q < w.out; ++q) {
    const Window run = w.window(q);
    T found = kNothing<take, T>;
    Index<T> where = s.columns[run.begin];
    for (int64_t u = run.begin; u < run.begin + run.taps; ++u) {
      if constexpr (take == Take::sum)
        found += s.lines[u];
      else
        take_in_any_order<T>(found, where, s.lines[u], s.columns[u]);
    }
    s.value[q] = found;
    if constexpr (kKeeps<take>) s.at[q] = where;
  }
}

template <Take take, class S, class T = Compute<S>>
static void pool_row(const Axis& w, const Scratch& sizes, const Pieces<T>& s, const S* x, int64_t base, T* value,
                     Index<T>* at) {
  cut_row(x, w.in, w.pad, w.stride, s.lines, sizes.length);
  if (w.kernel == 2)
    pool_cut_row<take, 2, T>(w, s, base, value, at);
  else if (w.kernel == 3)
    pool_cut_row<take, 3, T>(w, s, base, value, at);
  else
    pool_cut_row<take, 0, T>(w, s, base, value, at);
}

// One row of y from the rows pooled along W that are listed.
template <Take take, class S, class T = Compute<S>>
static void pool_across(const Axis& w, const Scratch& sizes, const Pieces<T>& s, int64_t rows, T count, S* y,
                        Origins<take> origins) {
  for (int64_t q = 0; q < w.out; q += kLanes<T>) {
    const int part = int(smaller(kLanes<T>, w.out - q));
    Vector<T> best = Vector<T>{} + kNothing<take, T>;
    IndexVector<T> index = IndexVector<T>{} - 1;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t slot = s.listed[i] + q;
      const Vector<T> v = load(s.value + slot);
      IndexVector<T> at{};
      if constexpr (kKeeps<take>) at = load_index<T>(s.at + slot);
      if constexpr (take == Take::maximum_and_tap) at += Index<T>(s.tap[i]);
      if (i == 0)
        best = v, index = at;
      else
        take_in<take, T>(best, index, v, at);
    }
    if constexpr (take == Take::sum) best /= load(s.count + q) * count;
    store_part(y + q, best, part);
    if constexpr (kKeeps<take>) store_origins<T>(origins + q, index < -1 ? IndexVector<T>{} - 1 : index, part);
  }
}

template <Take take, class S, class T = Compute<S>>
static void pool_plane(const PoolProblem& p, const Scratch& sizes, const Pieces<T>& s, const S* x, S* y,
                       Origins<take> origins) {
  const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
  for (int64_t o = 0; o < d.out; ++o) {
    for (int64_t i = 0; i < sizes.slots; ++i) s.held[i] = -1;
    const Window depths = d.window(o);
    for (int64_t p_ = 0; p_ < h.out; ++p_, y += w.out) {
      const Window rows = h.window(p_);
      int64_t listed = 0;
      if (w.adaptive) {
        const Window window[2] = {depths, rows};
        pool_adaptive<take, S>(p, window, s, x);
        s.listed[listed++] = 0;
      }
      for (int64_t t = 0; t < depths.taps && !w.adaptive; ++t)
        for (int64_t r = 0; r < rows.taps; ++r) {
          const int64_t row = rows.begin + r * h.dil, slot = t * sizes.ring + row % sizes.ring,
                        to = slot * sizes.length;
          s.tap[listed] = ((d.skipped(o) + t) * h.kernel + h.skipped(p_) + r) * w.kernel;
          s.listed[listed++] = to;
          if (s.held[slot] == row) continue;
          s.held[slot] = row;
          const int64_t base = ((depths.begin + t * d.dil) * h.in + row) * w.in;
          pool_row<take, S>(w, sizes, s, x + base, base, s.value + to, s.at + to);
        }
      const T count = p.divisor ? T(p.divisor) : T(d.count(o, p.count_pad) * h.count(p_, p.count_pad));
      pool_across<take, S>(w, sizes, s, listed, count, y, origins);
      if (kKeeps<take>) origins += w.out;
    }
  }
}

// What does not change from plane to plane: the margins of the cut rows, first columns, the divisors.
template <class T>
static void prepare_rows(const PoolProblem& p, const Scratch& sizes, const Pieces<T>& s, T margin) {
  const bool as_taps = p.origin == pool::Origin::tap;
  const Axis& w = p.axis[2];
  for (int64_t i = 0; i < w.stride * sizes.length; ++i) s.lines[i] = margin;
  for (int64_t q = 0; q < sizes.length; ++q) {
    const Window window = q < w.out ? w.window(q) : Window{0, 1};
    const int64_t first = as_taps ? w.skipped(q) : window.begin;
    s.first[q] = window.taps > 0 ? Index<T>(first) : Index<T>(INT32_MIN);
    s.count[q] = q < w.out && !p.divisor ? T(w.count(q, p.count_pad)) : T(1);
  }
}

template <Take take, class S>
static void pool_nchw(const PoolProblem& p, const S* x, S* y, Origins<take> origins, void* workspace) {
  using T = Compute<S>;
  const Scratch sizes(p);
  const int64_t planes = p.N * p.C, chunks = smaller(planes, 4 * int64_t(p.threads));
  parallel_tasks(chunks, p.threads, [&](int64_t chunk, int thread) {
    const Pieces<T> s(p, sizes, workspace, thread);
    prepare_rows<T>(p, sizes, s, kNothing<take, T>);
    for (int64_t plane = chunk * planes / chunks; plane < (chunk + 1) * planes / chunks; ++plane) {
      const int64_t at = plane * p.y_plane();
      pool_plane<take, S>(p, sizes, s, x + plane * p.x_plane(), y + at, kKeeps<take> ? origins + at : nullptr);
    }
  });
}

}  // namespace torchconv::ISA_NS
