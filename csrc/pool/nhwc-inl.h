// Pooling in channels_last: vectors of channels. A task is one row of the result, so no two tasks add to one element.
namespace torchconv::ISA_NS {

// Positions in a plane of the three windows' taps, one after another, and their numbers, counted from the first.
template <class F>
TORCHCONV_INLINE void for_each_tap(const Axis* axis, const Window* window, const F& f) {
  for (int64_t t = 0; t < window[0].taps; ++t)
    for (int64_t r = 0; r < window[1].taps; ++r) {
      const int64_t row = (window[0].begin + t * axis[0].dil) * axis[1].in + window[1].begin + r * axis[1].dil;
      int64_t at = row * axis[2].in + window[2].begin, tap = (t * axis[1].kernel + r) * axis[2].kernel;
      for (int64_t s = 0; s < window[2].taps; ++s, at += axis[2].dil, ++tap) f(at, tap);
    }
}

// One output pixel's channels [c, c + U vectors); `part` of the last vector's lanes. first: the origin of the window's
// first element, -1 if it has none.
template <Take take, int U, class S, class T = Compute<S>>
TORCHCONV_INLINE void pool_channels(const PoolProblem& p, const Window* window, int64_t first, int part, const S* x,
                                    T count, S* y, Origins<take> origins) {
  constexpr int L = kLanes<T>;
  Vector<T> best[U];
  IndexVector<T> at[U];
  for (int u = 0; u < U; ++u) best[u] = Vector<T>{} + kNothing<take, T>, at[u] = IndexVector<T>{} + Index<T>(first);
  for_each_tap(p.axis, window, [&](int64_t position, int64_t tap) __attribute__((always_inline)) {
    const S* from = x + position * p.C;
    const IndexVector<T> here = IndexVector<T>{} + Index<T>(take == Take::maximum_and_tap ? first + tap : position);
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u)
      take_in<take, T>(best[u], at[u], U == 1 ? load_part(from, part) : load(from + u * L), here);
  });
#pragma GCC unroll 4
  for (int u = 0; u < U; ++u) {
    if constexpr (take == Take::sum) best[u] /= count;
    store_part(y + u * L, best[u], U == 1 ? part : L);
    if constexpr (kKeeps<take>) store_origins<T>(origins + u * L, at[u], U == 1 ? part : L);
  }
}

template <Take take, class S>
static void pool_nhwc(const PoolProblem& p, const S* x, S* y, Origins<take> origins) {
  using T = Compute<S>;
  constexpr int L = kLanes<T>;
  const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
  const int64_t rows = d.out * h.out;
  parallel_tasks(p.N * rows, p.threads, [&](int64_t task, int) {
    const int64_t o = task % rows / h.out, i = task % h.out;
    const S* image = x + task / rows * p.x_plane() * p.C;
    Window window[3] = {d.window(o), h.window(i), {}};
    const T rows_count = T(d.count(o, p.count_pad) * h.count(i, p.count_pad));
    for (int64_t q = 0; q < w.out; ++q) {
      window[2] = w.window(q);
      const T count = p.divisor ? T(p.divisor) : rows_count * T(w.count(q, p.count_pad));
      const int64_t to = (task * w.out + q) * p.C;
      const bool empty = window[0].taps <= 0 || window[1].taps <= 0 || window[2].taps <= 0;
      const int64_t first = empty ? -1
                            : take == Take::maximum_and_tap
                                ? (d.skipped(o) * h.kernel + h.skipped(i)) * w.kernel + w.skipped(q)
                                : (window[0].begin * h.in + window[1].begin) * w.in + window[2].begin;
      int64_t c = 0;
      const auto channels = [&](auto vectors, int part) __attribute__((always_inline)) {
        pool_channels<take, vectors.value, S>(p, window, first, part, image + c, count, y + to + c,
                                              kKeeps<take> ? origins + to + c : nullptr);
      };
      for (; c + 4 * L <= p.C; c += 4 * L) channels(integer<4>(), L);
      for (; c < p.C; c += L) channels(integer<1>(), int(smaller(L, p.C - c)));
    }
  });
}

// grad_x of the channels [c, c + U vectors) of the pixel `place` (z, v, u), gathered from the windows around it:
// averages give their share to all that they take, maxima to the one that their origin names.
template <Take take, int U, class S, class T = Compute<S>>
TORCHCONV_INLINE void gather_channels(const PoolProblem& p, const Range* around, const int64_t* place, int part,
                                      const S* grad_y, const typename OriginOf<take>::type* origins, S* grad_x) {
  constexpr int L = kLanes<T>;
  constexpr bool average = take == Take::sum;
  const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
  const IndexVector<T> here = IndexVector<T>{} + Index<T>((place[0] * h.in + place[1]) * w.in + place[2]);
  Vector<T> sum[U] = {};
  for (int64_t o = around[0].begin; o < around[0].end; ++o)
    for (int64_t i = around[1].begin; i < around[1].end; ++i) {
      const T rows = average && !p.divisor ? T(d.count(o, p.count_pad) * h.count(i, p.count_pad)) : T(1);
      const int64_t t = d.tap(o, place[0]), r = h.tap(i, place[1]);
      for (int64_t q = around[2].begin; q < around[2].end; ++q) {
        const int64_t from = ((o * h.out + i) * w.out + q) * p.C, s = w.tap(q, place[2]);
        if (take == Take::maximum_and_tap && (t < 0 || r < 0 || s < 0)) continue;
        const Tap tap = Tap((t * h.kernel + r) * w.kernel + s);
        const T count = p.divisor ? T(p.divisor) : rows * T(w.count(q, p.count_pad));
        const Vector<T> share = Vector<T>{} + T(1) / count;
#pragma GCC unroll 4
        for (int u = 0; u < U; ++u) {
          const int lanes = U == 1 ? part : L;
          const Vector<T> g = load_part(grad_y + from + u * L, lanes);
          if constexpr (average)
            sum[u] += g * share;
          else if constexpr (take == Take::maximum_and_tap)
            sum[u] = add_where_tap<T>(sum[u], load_taps<T>(origins + from + u * L, lanes), tap, g);
          else
            sum[u] = add_where_equal(sum[u], load_int64<T>(origins + from + u * L, lanes), here, g);
        }
      }
    }
#pragma GCC unroll 4
  for (int u = 0; u < U; ++u) store_part(grad_x + u * L, sum[u], U == 1 ? part : L);
}

template <Take take, class S>
static void pool_grad_nhwc(const PoolProblem& p, const S* grad_y, const typename OriginOf<take>::type* origins,
                           S* grad_x) {
  constexpr int L = kLanes<Compute<S>>;
  const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
  const int64_t rows = d.in * h.in;
  parallel_tasks(p.N * rows, p.threads, [&](int64_t task, int) {
    const int64_t base = task / rows * p.y_plane() * p.C;
    int64_t place[3] = {task % rows / h.in, task % h.in, 0};
    Range around[3] = {d.windows_around(place[0]), h.windows_around(place[1]), {}};
    S* to = grad_x + task * w.in * p.C;
    for (int64_t& u = place[2]; u < w.in; ++u, to += p.C) {
      around[2] = w.windows_around(u);
      int64_t c = 0;
      const auto channels = [&](auto vectors, int part) __attribute__((always_inline)) {
        gather_channels<take, vectors.value>(p, around, place, part, grad_y + base + c,
                                             kKeeps<take> ? origins + base + c : nullptr, to + c);
      };
      for (; c + 4 * L <= p.C; c += 4 * L) channels(integer<4>(), L);
      for (; c < p.C; c += L) channels(integer<1>(), int(smaller(L, p.C - c)));
    }
  });
}

}  // namespace torchconv::ISA_NS
