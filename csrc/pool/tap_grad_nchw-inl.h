// The gradient of a maximum in NCHW, from taps: gathered, so that grad_x is written once and in order.
//
// In two steps, down and then along, with R + S comparisons for an element instead of R * S: all windows with the same
// columns that have their maximum in one row of x have it at one element there, the first that is largest. So the
// grad_y of windows above each other add up first, and one tap along the row stands for them all. At a stride of 2
// along 3 taps, it is faster to compare with each tap.
namespace torchconv::ISA_NS {

using pool::TapScratch;

template <class T>
struct TapPieces {
  int64_t* from;   // [above]: the rows of windows that may take a row of x
  int64_t* first;  // [above]: the tap that their first one there would be
  T* sum;          // [kRows][length]: grad_y of the windows with the same columns whose maxima lie in one row of x
  T* lines;        // [stride][length]: a row of grad_x, cut by the stride
  Tap* tap;        // [kRows][length]: which of the row's taps it was

  TapPieces(const PoolProblem& p, const TapScratch& s, void* workspace, int thread) {
    const int64_t block = s.kBlock + 2 * s.margin + pool::kMostLanes, all = larger(s.kRows * s.length, block);
    sum = (T*)((char*)workspace + thread * s.bytes), lines = sum + all;
    from = (int64_t*)(lines + p.axis[2].stride * s.length), first = from + s.above;
    tap = (Tap*)(first + s.above);
    for (int64_t i = 0; i < all; ++i) tap[i] = kNoTap;
  }
};

// Sums down, and which of the row's taps each is for.
template <class T>
struct Down {
  Vector<T> sum{};
  TapVector<T> tap = TapVector<T>{} + kNoTap;
};
// The `part` elements at q, of rows of windows that begin at from[i] and of which the first tap would be first[i].
template <int Rows, class S, class T = Compute<S>>
TORCHCONV_INLINE Down<T> add_down(const int64_t* from, const int64_t* first, int64_t rows, Tap kernel, int64_t q,
                                  int part, const S* grad_y, const Tap* taps) {
  Down<T> down;
#pragma GCC unroll 3
  for (int64_t i = 0; i < (Rows ? Rows : rows); ++i)
    add_within<T>(down.sum, down.tap, load_taps<T>(taps + from[i] + q, part), Tap(first[i]), kernel,
                  load_part(grad_y + from[i] + q, part));
  return down;
}
template <class S, class T = Compute<S>>
TORCHCONV_INLINE void add_rows(const TapPieces<T>& s, int64_t rows, Tap kernel, int64_t count, const S* grad_y,
                               const Tap* taps, T* sum, Tap* tap) {
  for (int64_t q = 0; q < count; q += kLanes<T>) {
    const int part = int(smaller(kLanes<T>, count - q));
    const Down<T> down = add_down<0>(s.from, s.first, rows, kernel, q, part, grad_y, taps);
    store(sum + q, down.sum);
    store_taps<T>(tap + q, down.tap);
  }
}

// Along: K taps (0: as many as the axis says) at a stride of 1 or 2, without dilation.
template <int K, int Stride, class S, class T = Compute<S>>
TORCHCONV_INLINE void give_to_taps(const Axis& w, const T* sum, const Tap* tap, S* grad_x, int64_t count) {
  constexpr int L = kLanes<T>;
  const int64_t kernel = K ? K : w.kernel, first = w.pad / Stride, odd = w.pad % Stride;
  for (int64_t u = 0; u * Stride < count; u += L) {
    // part[f] is for every Stride-th element, of which those windows have the taps f, f + Stride, ...
    Vector<T> part[Stride] = {};
#pragma GCC unroll 2
    for (int f = 0; f < Stride; ++f) {
      const int64_t from = u + first + (f < odd);
#pragma GCC unroll 3
      for (int64_t k = f; k < kernel; k += Stride)
        part[f] =
            add_where_tap<T>(part[f], load_taps<T>(tap + from - k / Stride), Tap(k), load(sum + from - k / Stride));
    }
    const int64_t at = u * Stride, rest = count - at;
    if constexpr (Stride == 1) {
      store_part(grad_x + at, part[0], int(smaller(L, rest)));
    } else {
      const typename first_integers<L>::type lanes;
      const Vector<T> a = odd ? part[1] : part[0], b = odd ? part[0] : part[1];
      store_part(grad_x + at, weave<T, 0>(a, b, lanes), int(smaller(L, rest)));
      if (rest > L) store_part(grad_x + at + L, weave<T, L / 2>(a, b, lanes), int(smaller(L, rest - L)));
    }
  }
}

// Along, for any stride and dilation.
template <class S, class T = Compute<S>>
static void give_to_cut_taps(const Axis& w, int64_t length, const T* sum, const Tap* tap, T* lines, S* grad_x) {
  const int64_t cut = (w.in + w.stride - 1) / w.stride;
  for (int64_t i = 0; i < w.stride * length; ++i) lines[i] = 0;
  for (int64_t k = 0; k < w.kernel; ++k) {
    const int64_t ahead = k * w.dil - w.pad, phase = (ahead % w.stride + w.stride) % w.stride;
    const int64_t from = (phase - ahead) / w.stride;
    T* line = lines + phase * length;
    for (int64_t u = 0; u < cut; u += kLanes<T>)
      store(line + u, add_where_tap<T>(load(line + u), load_taps<T>(tap + from + u), Tap(k), load(sum + from + u)));
  }
  join_row(lines, length, 0, w.stride, grad_x, w.in);
}

// Lists the rows of windows that may take row (z, v) of x; those around z and around v are known.
template <class T>
TORCHCONV_INLINE int64_t list_rows(const Axis* axis, int64_t z, Range around_z, int64_t v, const TapPieces<T>& s) {
  const Axis &d = axis[0], &h = axis[1], &w = axis[2];
  const Range around_v = h.windows_around(v);
  int64_t rows = 0;
  for (int64_t o = around_z.begin; o < around_z.end; ++o)
    for (int64_t i = around_v.begin; i < around_v.end; ++i) {
      const int64_t t = d.tap(o, z), r = h.tap(i, v);
      if (t < 0 || r < 0) continue;
      s.from[rows] = (o * h.out + i) * w.out;
      s.first[rows++] = (t * h.kernel + r) * w.kernel;
    }
  return rows;
}

// Along 3 taps at a stride of 2: a row of grad_x from `rows` rows of windows. Window q has its middle at one element,
// and shares the next with window q + 1. Each tap is compared with, for there are fewer of them than steps to add down.
template <int Rows, class S, class T = Compute<S>>
TORCHCONV_INLINE void give_row_to_3_taps(const TapPieces<T>& s, int64_t rows, const Axis& w, const S* grad_y,
                                         const Tap* taps, bool past_caches, S* grad_x) {
  constexpr int L = kLanes<T>;
  const typename first_integers<L>::type lanes;
  int64_t from[Rows ? Rows : 1];
  Tap first[Rows ? Rows : 1];
  for (int i = 0; i < Rows; ++i) from[i] = s.from[i], first[i] = Tap(s.first[i]);
  int64_t count = w.in;
  if (w.pad == 0) {  // the first element is shared with no window before it
    T sum = 0;
    for (int64_t i = 0; i < rows; ++i)
      if (taps[s.from[i]] == s.first[i]) sum += T(grad_y[s.from[i]]);
    *grad_x++ = S(sum), --count;
  }
  // The `given` elements of `part` windows from q on; there are more after them, or not.
  const auto give = [&](int64_t q, int part, bool more, int given) __attribute__((always_inline)) {
    Vector<T> middle{}, shared{};
#pragma GCC unroll 2
    for (int64_t i = 0; i < (Rows ? Rows : rows); ++i) {
      const int64_t at = (Rows ? from[i] : s.from[i]) + q;
      const Tap tap = Rows ? first[i] : Tap(s.first[i]);
      const TapVector<T> here_tap = load_taps<T>(taps + at, part), none = TapVector<T>{} + kNoTap;
      const Vector<T> here = load_part(grad_y + at, part);
      const TapVector<T> next_tap = more ? load_taps<T>(taps + at + 1) : lanes_after<1>(here_tap, none);
      const Vector<T> next = more ? load(grad_y + at + 1) : lanes_after<1>(here, Vector<T>{});
      middle = add_where_tap<T>(middle, here_tap, tap + 1, here);
      shared = add_where_tap<T>(shared, here_tap, tap + 2, here);
      shared = add_where_tap<T>(shared, next_tap, tap, next);
    }
    S* to = grad_x + 2 * q;
    const Vector<T> low = weave<T, 0>(middle, shared, lanes), high = weave<T, L / 2>(middle, shared, lanes);
    if (past_caches) {
      stream(to, low);
      if (given > L) stream(to + L, high);
    } else {
      store_part(to, low, int(smaller(L, given)));
      if (given > L) store_part(to + L, high, given - L);
    }
  };
  int64_t q = 0;
  for (; q + L < w.out; q += L) give(q, L, true, 2 * L);
  for (; 2 * q < count; q += L) give(q, int(larger(int64_t(0), w.out - q)), false, int(smaller(2 * L, count - 2 * q)));
}

template <int K, int Stride, class S, class T = Compute<S>>
static void tap_grad_plane(const PoolProblem& p, const TapScratch& sizes, const TapPieces<T>& s, const S* grad_y,
                           const Tap* taps, S* grad_x) {
  const Axis &h = p.axis[1], &w = p.axis[2];
  const int64_t rows = p.axis[0].in * h.in;
  if constexpr (K == 3 && Stride == 2) {
    const bool past_caches = p.N * p.C * p.x_plane() * int64_t(sizeof(S)) > kPoolStreamBytes && w.pad == 1 &&
                             w.in % kLanes<Compute<S>> == 0 && stream_aligned(grad_x);
    for (int64_t z = 0; z < p.axis[0].in; ++z) {
      const Range around_z = p.axis[0].windows_around(z);
      for (int64_t v = 0; v < h.in; ++v, grad_x += w.in) {
        const int64_t listed = list_rows(p.axis, z, around_z, v, s);
        if (listed == 1)
          give_row_to_3_taps<1>(s, listed, w, grad_y, taps, past_caches, grad_x);
        else if (listed == 2)
          give_row_to_3_taps<2>(s, listed, w, grad_y, taps, past_caches, grad_x);
        else
          give_row_to_3_taps<0>(s, listed, w, grad_y, taps, past_caches, grad_x);
      }
    }
    if (past_caches) stream_fence();
    return;
  }
  for (int64_t first = 0; first < rows; first += sizes.kRows) {
    const int64_t count = smaller(sizes.kRows, rows - first);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t row = first + i, to = i * sizes.length + sizes.margin;
      const int64_t z = row / h.in;
      const int64_t listed = list_rows(p.axis, z, p.axis[0].windows_around(z), row % h.in, s);
      add_rows(s, listed, Tap(w.kernel), w.out, grad_y, taps, s.sum + to, s.tap + to);
    }
    for (int64_t i = 0; i < count; ++i, grad_x += w.in) {
      const int64_t from = i * sizes.length + sizes.margin;
      if constexpr (Stride)
        give_to_taps<K, Stride>(w, s.sum + from, s.tap + from, grad_x, w.in);
      else
        give_to_cut_taps(w, sizes.length, s.sum + from, s.tap + from, s.lines, grad_x);
    }
  }
}

// A vector of grad_x from the windows at it, and those before and after.
template <class T>
TORCHCONV_INLINE Vector<T> along_3_taps(const Down<T>& before, const Down<T>& here, const Down<T>& after) {
  constexpr int L = kLanes<T>;
  const Vector<T> sum = where_tap<T>(lanes_after<1>(here.tap, after.tap), 0, lanes_after<1>(here.sum, after.sum));
  return add_where_tap<T>(add_where_tap<T>(sum, here.tap, 1, here.sum), lanes_after<L - 1>(before.tap, here.tap), 2,
                          lanes_after<L - 1>(before.sum, here.sum));
}
// Along 3 taps, elements [begin, end) of a run: from register to register, twice as fast as by way of the scratch.
template <int Rows, class S, class T = Compute<S>>
static void give_run_to_3_taps(const TapPieces<T>& s, int64_t rows, int64_t begin, int64_t end, const S* grad_y,
                               const Tap* taps, S* grad_x) {
  constexpr int L = kLanes<T>;
  // Copies of what a store to grad_x might change, for all that the compiler knows: 15% of the time.
  int64_t from[Rows ? Rows : 1], first[Rows ? Rows : 1];
  for (int i = 0; i < Rows; ++i) from[i] = s.from[i], first[i] = 3 * i;
  const auto down = [&](int64_t i) {
    return add_down<Rows>(Rows ? from : s.from, Rows ? first : s.first, rows, 3, i, L, grad_y, taps);
  };
  Down<T> before = down(begin - L), here = down(begin);
  int64_t i = begin;
#pragma GCC unroll 3
  for (; i + L <= end; i += L) {
    const Down<T> after = down(i + L);
    store_part(grad_x + i, along_3_taps<T>(before, here, after), L);
    before = here, here = after;
  }
  if (i < end) store_part(grad_x + i, along_3_taps<T>(before, here, down(i + L)), int(end - i));
}

// Where there is a window for each element of x, at stride 1, grad_x is one run of elements, as if it had no rows: a
// window that lies beyond the end of a row, or of the plane, has no tap that would lead to the element. Small planes
// gain most: 4 times as fast as row by row at 14x14, 3 times at 28x28. Elements [begin, end); those windows may lie
// up to `reach` elements away.
template <int K, class S, class T = Compute<S>>
static void tap_grad_run(const PoolProblem& p, const TapScratch& sizes, const TapPieces<T>& s, int64_t begin,
                         int64_t end, const S* grad_y, const Tap* taps, S* grad_x) {
  const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
  for (int64_t t = 0, i = 0; t < d.kernel; ++t)
    for (int64_t r = 0; r < h.kernel; ++r, ++i) {
      s.from[i] = ((d.pad - t * d.dil) * h.in + h.pad - r * h.dil) * w.in;
      s.first[i] = i * w.kernel;
    }
  if constexpr (K == 3) {
    const auto give = sizes.above == 3 ? give_run_to_3_taps<3, S> : give_run_to_3_taps<0, S>;
    return give(s, sizes.above, begin, end, grad_y, taps, grad_x);
  }
  for (int64_t i = begin; i < end; i += sizes.kBlock) {
    const int64_t count = smaller(sizes.kBlock, end - i), from = i - sizes.margin;
    const int64_t around = round_up(count + 2 * sizes.margin, kLanes<T>);
    add_rows(s, sizes.above, Tap(w.kernel), around, grad_y + from, taps + from, s.sum, s.tap);
    give_to_taps<K, 1>(w, s.sum + sizes.margin, s.tap + sizes.margin, grad_x + i, count);
  }
}

template <int K, int Stride, class S>
static void tap_grad_planes(const PoolProblem& p, const S* grad_y, const Tap* taps, S* grad_x, void* workspace) {
  using T = Compute<S>;
  const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
  const TapScratch sizes(p);
  const int64_t planes = p.N * p.C, chunks = smaller(planes, 4 * int64_t(p.threads)), size = p.x_plane();
  bool run = Stride == 1;
  for (const Axis& a : p.axis) run = run && a.stride == 1 && a.in == a.out;
  // The first and the last planes by rows, so that no window beyond the tensor is looked at.
  const int64_t reach = (d.pad * h.in + h.pad) * w.in + sizes.margin + 2 * pool::kMostLanes;
  const int64_t edge = run ? ceil_div(reach, size) : planes;
  parallel_tasks(chunks, p.threads, [&](int64_t chunk, int thread) {
    const TapPieces<T> s(p, sizes, workspace, thread);
    const int64_t begin = chunk * planes / chunks, end = (chunk + 1) * planes / chunks;
    const int64_t inner = larger(begin, edge), rest = larger(inner, smaller(end, planes - edge));
    const auto by_rows = [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i)
        tap_grad_plane<K, Stride>(p, sizes, s, grad_y + i * p.y_plane(), taps + i * p.y_plane(), grad_x + i * size);
    };
    by_rows(begin, smaller(inner, end));
    by_rows(rest, end);
    if constexpr (Stride == 1)  // last, for it writes over the margins of the rows
      if (inner < rest) tap_grad_run<K>(p, sizes, s, inner * size, rest * size, grad_y, taps, grad_x);
  });
}

template <class S>
static void tap_grad_nchw(const PoolProblem& p, const S* grad_y, const Tap* taps, S* grad_x, void* workspace) {
  if (windows_lie_apart(p)) return tap_grad_apart(p, grad_y, taps, grad_x);
  const Axis& w = p.axis[2];
  const bool near = w.dil == 1, two = w.kernel == 2, three = w.kernel == 3;
  const auto run = near && w.stride == 1   ? two     ? tap_grad_planes<2, 1, S>
                                             : three ? tap_grad_planes<3, 1, S>
                                                     : tap_grad_planes<0, 1, S>
                   : near && w.stride == 2 ? two     ? tap_grad_planes<2, 2, S>
                                             : three ? tap_grad_planes<3, 2, S>
                                                     : tap_grad_planes<0, 2, S>
                                           : tap_grad_planes<0, 0, S>;
  run(p, grad_y, taps, grad_x, workspace);
}

}  // namespace torchconv::ISA_NS
