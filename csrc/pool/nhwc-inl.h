// Pooling in channels_last: vectors of channels. A task is one row of the result, so no two tasks add to one element.
namespace torchconv::ISA_NS {

// Positions in a plane of the three windows' taps, one after another.
template <class F>
TORCHCONV_INLINE void for_each_tap(const Axis* axis, const Window* window, const F& f) {
  for (int64_t t = 0; t < window[0].taps; ++t)
    for (int64_t r = 0; r < window[1].taps; ++r) {
      const int64_t row = (window[0].begin + t * axis[0].dil) * axis[1].in + window[1].begin + r * axis[1].dil;
      int64_t at = row * axis[2].in + window[2].begin;
      for (int64_t s = 0; s < window[2].taps; ++s, at += axis[2].dil) f(at);
    }
}

// One output pixel's channels [c, c + U vectors); `part` of the last vector's lanes.
template <Take take, int U, class S, class T = Compute<S>>
TORCHCONV_INLINE void pool_channels(const PoolProblem& p, const Window* window, int part, const S* x, T count, S* y,
                                    int64_t* indices) {
  constexpr int L = kLanes<T>;
  const bool empty = window[0].taps <= 0 || window[1].taps <= 0 || window[2].taps <= 0;
  const int64_t first =
      empty ? -1 : (window[0].begin * p.axis[1].in + window[1].begin) * p.axis[2].in + window[2].begin;
  Vector<T> best[U];
  IndexVector<T> at[U];
  for (int u = 0; u < U; ++u) best[u] = Vector<T>{} + kNothing<take, T>, at[u] = IndexVector<T>{} + Index<T>(first);
  for_each_tap(p.axis, window, [&](int64_t position) __attribute__((always_inline)) {
    const S* from = x + position * p.C;
    const IndexVector<T> here = IndexVector<T>{} + Index<T>(position);
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u)
      take_in<take, T>(best[u], at[u], U == 1 ? load_part(from, part) : load(from + u * L), here);
  });
#pragma GCC unroll 4
  for (int u = 0; u < U; ++u) {
    if constexpr (take == Take::sum) best[u] /= count;
    store_part(y + u * L, best[u], U == 1 ? part : L);
    if constexpr (take == Take::maximum_and_index) store_int64<T>(indices + u * L, at[u], U == 1 ? part : L);
  }
}

template <Take take, class S>
static void pool_nhwc(const PoolProblem& p, const S* x, S* y, int64_t* indices) {
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
      int64_t c = 0;
      int64_t* at = indices ? indices + to : nullptr;
      const auto channels = [&](auto vectors, int part) __attribute__((always_inline)) {
        pool_channels<take, vectors.value, S>(p, window, part, image + c, count, y + to + c, indices ? at + c : at);
      };
      for (; c + 4 * L <= p.C; c += 4 * L) channels(integer<4>(), L);
      for (; c < p.C; c += L) channels(integer<1>(), int(smaller(L, p.C - c)));
    }
  });
}

// grad_x of one pixel's channels [c, c + U vectors), gathered from the windows around it: averages give their share to
// all that they take, maxima to the one that their index names.
template <bool average, int U, class S, class T = Compute<S>>
TORCHCONV_INLINE void gather_channels(const PoolProblem& p, const Range* around, int part, const S* grad_y,
                                      const int64_t* indices, int64_t pixel, S* grad_x) {
  constexpr int L = kLanes<T>;
  const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
  const IndexVector<T> here = IndexVector<T>{} + Index<T>(pixel);
  Vector<T> sum[U] = {};
  for (int64_t o = around[0].begin; o < around[0].end; ++o)
    for (int64_t i = around[1].begin; i < around[1].end; ++i) {
      const T rows = average && !p.divisor ? T(d.count(o, p.count_pad) * h.count(i, p.count_pad)) : T(1);
      for (int64_t q = around[2].begin; q < around[2].end; ++q) {
        const int64_t from = ((o * h.out + i) * w.out + q) * p.C;
        const T count = p.divisor ? T(p.divisor) : rows * T(w.count(q, p.count_pad));
        const Vector<T> share = Vector<T>{} + T(1) / count;
#pragma GCC unroll 4
        for (int u = 0; u < U; ++u) {
          const int lanes = U == 1 ? part : L;
          const Vector<T> g = load_part(grad_y + from + u * L, lanes);
          if constexpr (average)
            sum[u] += g * share;
          else
            sum[u] = add_where_equal(sum[u], load_int64<T>(indices + from + u * L, lanes), here, g);
        }
      }
    }
#pragma GCC unroll 4
  for (int u = 0; u < U; ++u) store_part(grad_x + u * L, sum[u], U == 1 ? part : L);
}

template <bool average, class S>
static void pool_grad_nhwc(const PoolProblem& p, const S* grad_y, const int64_t* indices, S* grad_x) {
  constexpr int L = kLanes<Compute<S>>;
  const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
  const int64_t rows = d.in * h.in;
  parallel_tasks(p.N * rows, p.threads, [&](int64_t task, int) {
    const int64_t base = task / rows * p.y_plane() * p.C, first = task % rows * w.in;
    const S* g = grad_y + base;
    const int64_t* at = average ? nullptr : indices + base;
    Range around[3] = {d.windows_around(task % rows / h.in), h.windows_around(task % h.in), {}};
    S* to = grad_x + task * w.in * p.C;
    for (int64_t u = 0; u < w.in; ++u, to += p.C) {
      around[2] = w.windows_around(u);
      int64_t c = 0;
      for (; c + 4 * L <= p.C; c += 4 * L)
        gather_channels<average, 4>(p, around, L, g + c, average ? nullptr : at + c, first + u, to + c);
      for (; c < p.C; c += L)
        gather_channels<average, 1>(p, around, int(smaller(L, p.C - c)), g + c, average ? nullptr : at + c, first + u,
                                    to + c);
    }
  });
}

}  // namespace torchconv::ISA_NS
