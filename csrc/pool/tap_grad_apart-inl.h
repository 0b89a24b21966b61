// The gradient of a maximum in NCHW, from taps, where windows lie apart: an element is in one of them at most and takes
// its grad_y as it is. Nothing adds up, and each row of grad_x comes straight from a row of windows.
namespace torchconv::ISA_NS {

// At a stride of 2 along, where rows begin with a window; other strides are rare.
static bool windows_lie_apart(const PoolProblem& p) {
  bool apart = p.axis[2].stride == 2 && p.axis[2].pad == 0;
  for (const Axis& a : p.axis) apart = apart && !a.adaptive && a.kernel <= a.stride && (a.kernel == 1 || a.dil == 1);
  return apart;
}

// `first` is the tap that the windows, K wide, have at their first element in the first row. Two rows at once: grad_y
// and the taps are loaded, and each lane of them doubled, once.
template <int Rows, int K, class S, class T = Compute<S>>
TORCHCONV_INLINE void give_rows_apart(const Axis& w, Tap first, const S* grad_y, const Tap* taps, S* grad_x) {
  constexpr int L = kLanes<T>;
  const typename first_integers<L>::type lanes;
  TapVector<T> odd;
  for (int l = 0; l < L; ++l) odd[l] = l % 2;
  // The `given` elements of grad_x of `part` windows, from q on.
  const auto give = [&](int64_t q, int part, int given) {
    const TapVector<T> tap = load_taps<T>(taps + q, part);
    const Vector<T> value = load_part(grad_y + q, part), second = K == 2 ? value : Vector<T>{};
    const Vector<T> low = weave<T, 0>(value, second, lanes), high = weave<T, L / 2>(value, second, lanes);
    const TapVector<T> low_tap = twice<T, 0>(tap, lanes), high_tap = twice<T, L / 2>(tap, lanes);
#pragma GCC unroll 2
    for (int r = 0; r < Rows; ++r) {
      const TapVector<T> here = odd + Tap(first + r * K);
      S* to = grad_x + r * w.in + 2 * q;
      store_part(to, where_taps<T>(low_tap, here, low), int(smaller(L, given)));
      if (given > L) store_part(to + L, where_taps<T>(high_tap, here, high), given - L);
    }
  };
  for (int64_t i = 0; i < w.out; i += L) {
    // The last vector overlaps the one before it: stores under a mask took twice as long.
    const int64_t q = w.out < L ? 0 : smaller(i, w.out - L), rest = w.in - 2 * q;
    if (w.out >= L && rest >= 2 * L)
      give(q, L, 2 * L);
    else
      give(q, int(smaller(L, w.out)), int(smaller(2 * L, rest)));
  }
  for (int r = 0; r < Rows; ++r)
    for (int64_t u = 2 * w.out; u < w.in; ++u) grad_x[r * w.in + u] = S(0);
}

template <int K, class S>
static void tap_grad_apart_plane(const PoolProblem& p, const S* grad_y, const Tap* taps, S* grad_x) {
  const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
  for (int64_t z = 0; z < d.in; ++z) {
    const int64_t o = (z + d.pad) / d.stride, t = (z + d.pad) % d.stride;
    int64_t i = h.pad / h.stride, r = h.pad % h.stride;
    for (int64_t v = 0, rows; v < h.in; v += rows, grad_x += rows * w.in) {
      const bool in_window = t < d.kernel && o < d.out && r < h.kernel && i < h.out;
      const int64_t from = (o * h.out + i) * w.out;
      const Tap first = Tap((t * h.kernel + r) * K);
      rows = in_window && r == 0 && h.kernel == 2 && v + 1 < h.in ? 2 : 1;
      if (rows == 2)
        give_rows_apart<2, K>(w, first, grad_y + from, taps + from, grad_x);
      else if (in_window)
        give_rows_apart<1, K>(w, first, grad_y + from, taps + from, grad_x);
      else
        for (int64_t u = 0; u < w.in; ++u) grad_x[u] = S(0);
      if ((r += rows) == h.stride) r = 0, ++i;
    }
  }
}

template <class S>
static void tap_grad_apart(const PoolProblem& p, const S* grad_y, const Tap* taps, S* grad_x) {
  for_each_plane(p, [&](int64_t i) {
    (p.axis[2].kernel == 2 ? tap_grad_apart_plane<2, S> : tap_grad_apart_plane<1, S>)(p, grad_y + i * p.y_plane(),
                                                                                      taps + i * p.y_plane(),
                                                                                      grad_x + i * p.x_plane());
  });
}

}  // namespace torchconv::ISA_NS
