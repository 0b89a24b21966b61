// The gradient of a maximum in NCHW, from taps, where windows lie apart: an element is in one of them at most and takes
// its grad_y as it is. Nothing adds up, and each row of grad_x comes straight from a row of windows.
namespace torchconv::ISA_NS {

// At a stride of 2 along, where rows begin with a window; other strides are rare.
static bool windows_lie_apart(const PoolProblem& p) {
  bool apart = p.axis[2].stride == 2 && p.axis[2].pad == 0;
  for (const Axis& a : p.axis) apart = apart && !a.adaptive && a.kernel <= a.stride && (a.kernel == 1 || a.dil == 1);
  return apart;
}

// `first` is the tap that the windows have at their first element in the first row. Two rows at once: grad_y and the
// taps are loaded once, 1.36 times as fast in the cache.
template <int Rows, class S, class T = Compute<S>>
TORCHCONV_INLINE void give_rows_apart(const Axis& w, Tap first, const S* grad_y, const Tap* taps, S* grad_x) {
  constexpr int L = kLanes<T>;
  const typename first_integers<L>::type lanes;
  const Vector<T> none{};
  for (int64_t i = 0; i < w.out; i += L) {
    // The last vector overlaps the one before it: stores under a mask took twice as long.
    const int64_t q = w.out < L ? 0 : smaller(i, w.out - L);
    const int part = int(smaller(L, w.out - q));
    const TapVector<T> tap = load_taps<T>(taps + q, part);
    const Vector<T> value = load_part(grad_y + q, part);
    const int64_t rest = w.in - 2 * q;
#pragma GCC unroll 2
    for (int r = 0; r < Rows; ++r) {
      const Tap here = Tap(first + r * w.kernel);
      const Vector<T> even = add_where_tap<T>(none, tap, here, value);
      const Vector<T> odd = w.kernel == 2 ? add_where_tap<T>(none, tap, Tap(here + 1), value) : none;
      S* to = grad_x + r * w.in + 2 * q;
      store_part(to, weave<T, 0>(even, odd, lanes), int(smaller(L, rest)));
      if (rest > L) store_part(to + L, weave<T, L / 2>(even, odd, lanes), int(smaller(L, rest - L)));
    }
  }
  for (int r = 0; r < Rows; ++r)
    for (int64_t u = 2 * w.out; u < w.in; ++u) grad_x[r * w.in + u] = S(0);
}

template <class S>
static void tap_grad_apart_plane(const PoolProblem& p, const S* grad_y, const Tap* taps, S* grad_x) {
  const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
  for (int64_t z = 0; z < d.in; ++z) {
    const int64_t o = (z + d.pad) / d.stride, t = (z + d.pad) % d.stride;
    int64_t i = h.pad / h.stride, r = h.pad % h.stride;
    for (int64_t v = 0, rows; v < h.in; v += rows, grad_x += rows * w.in) {
      const bool in_window = t < d.kernel && o < d.out && r < h.kernel && i < h.out;
      const int64_t from = (o * h.out + i) * w.out;
      const Tap first = Tap((t * h.kernel + r) * w.kernel);
      rows = in_window && r == 0 && h.kernel == 2 && v + 1 < h.in ? 2 : 1;
      if (rows == 2)
        give_rows_apart<2>(w, first, grad_y + from, taps + from, grad_x);
      else if (in_window)
        give_rows_apart<1>(w, first, grad_y + from, taps + from, grad_x);
      else
        for (int64_t u = 0; u < w.in; ++u) grad_x[u] = S(0);
      if ((r += rows) == h.stride) r = 0, ++i;
    }
  }
}

template <class S>
static void tap_grad_apart(const PoolProblem& p, const S* grad_y, const Tap* taps, S* grad_x) {
  for_each_plane(p, [&](int64_t i) {
    tap_grad_apart_plane(p, grad_y + i * p.y_plane(), taps + i * p.y_plane(), grad_x + i * p.x_plane());
  });
}

}  // namespace torchconv::ISA_NS
