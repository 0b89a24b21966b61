// Forward pooling of NCHW planes: each row of x is pooled along W once, and kept while windows along H and D need it.
namespace torchconv::ISA_NS {

enum class Take { maximum, maximum_and_index, sum };

template <Take take, class T>
TORCHCONV_INLINE void take_in(Vector<T>& best, IndexVector<T>& at, Vector<T> v, IndexVector<T> i) {
  if constexpr (take == Take::sum)
    best += v;
  else
    take_greater(best, at, v, i);
}
template <Take take, class T>
constexpr T kNothing = take == Take::sum ? T(0) : kLeast<T>;

// The outputs of one row whose windows have `K` taps (0: as many as the axis says).
template <Take take, int K, class T>
static void pool_cut_row(const Axis& w, const Pieces<T>& s, int64_t base, T* value, Index<T>* at) {
  const int64_t taps = K ? K : w.kernel;
  const IndexVector<T> columns = lane_numbers<T>() * Index<T>(w.stride);
  for (int64_t q = 0; q < w.out; q += kLanes<T>) {
    Vector<T> best = Vector<T>{} + kNothing<take, T>;
    IndexVector<T> index{};
    if constexpr (take == Take::maximum_and_index) index = load_index<T>(s.first + q) + Index<T>(base);
    const IndexVector<T> i0 = columns + Index<T>(base + q * w.stride - w.pad);
    for (int64_t k = 0; k < taps; ++k)
      take_in<take, T>(best, index, load(s.lines + s.offset[k] + q), i0 + Index<T>(k * w.dil));
    store(value + q, best);
    if constexpr (take == Take::maximum_and_index) store_index<T>(at + q, index);
  }
}

// One window of a row, of any length: lane by lane, then across the lanes as torch would meet their elements.
template <Take take, class S, class T = Compute<S>>
static void pool_run(const S* x, int64_t count, int64_t base, T* value, Index<T>* at) {
  constexpr int L = kLanes<T>;
  Vector<T> best = Vector<T>{} + kNothing<take, T>;
  IndexVector<T> index = lane_numbers<T>() + Index<T>(base);
  int64_t i = 0;
  for (; i + L <= count; i += L) take_in<take, T>(best, index, load(x + i), lane_numbers<T>() + Index<T>(base + i));
  T sum = kNothing<take, T>;
  Index<T> where = Index<T>(base);
  const int lanes = i ? L : 0;
  for (int l = 0; l < lanes; ++l) {
    const T v = best[l];
    if constexpr (take == Take::sum) {
      sum += v;
    } else {
      const bool nan = v != v, held = sum != sum, equal = v == sum && index[l] < where;
      if (nan ? !held || index[l] > where : !held && (v > sum || equal)) sum = v, where = index[l];
    }
  }
  for (; i < count; ++i) {
    const T v = T(x[i]);
    if constexpr (take == Take::sum)
      sum += v;
    else if (v > sum || v != v)
      sum = v, where = Index<T>(base + i);
  }
  *value = sum;
  if constexpr (take == Take::maximum_and_index) *at = where;
}

template <Take take, class S, class T = Compute<S>>
static void pool_row(const Axis& w, const Scratch& sizes, const Pieces<T>& s, const S* x, int64_t base, T* value,
                     Index<T>* at) {
  if (w.adaptive) {
    for (int64_t q = 0; q < w.out; ++q) {
      const Window window = w.window(q);
      pool_run<take, S>(x + window.begin, window.taps, base + window.begin, value + q, at + q);
    }
    return;
  }
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
                        int64_t* indices) {
  for (int64_t q = 0; q < w.out; q += kLanes<T>) {
    const int part = int(smaller(kLanes<T>, w.out - q));
    Vector<T> best = Vector<T>{} + kNothing<take, T>;
    IndexVector<T> index = IndexVector<T>{} - 1;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t slot = s.listed[i] + q;
      const Vector<T> v = load(s.value + slot);
      IndexVector<T> at{};
      if constexpr (take == Take::maximum_and_index) at = load_index<T>(s.at + slot);
      if (i == 0)
        best = v, index = at;
      else
        take_in<take, T>(best, index, v, at);
    }
    if constexpr (take == Take::sum) best /= load(s.count + q) * count;
    store_part(y + q, best, part);
    if constexpr (take == Take::maximum_and_index)
      store_int64<T>(indices + q, index < -1 ? IndexVector<T>{} - 1 : index, part);
  }
}

template <Take take, class S, class T = Compute<S>>
static void pool_plane(const PoolProblem& p, const Scratch& sizes, const Pieces<T>& s, const S* x, S* y,
                       int64_t* indices) {
  const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
  for (int64_t o = 0; o < d.out; ++o) {
    for (int64_t i = 0; i < sizes.slots; ++i) s.held[i] = -1;
    const Window depths = d.window(o);
    for (int64_t p_ = 0; p_ < h.out; ++p_, y += w.out) {
      const Window rows = h.window(p_);
      int64_t listed = 0;
      for (int64_t t = 0; t < depths.taps; ++t)
        for (int64_t r = 0; r < rows.taps; ++r) {
          const int64_t row = rows.begin + r * h.dil, slot = t * sizes.ring + row % sizes.ring,
                        to = slot * sizes.length;
          s.listed[listed++] = to;
          if (s.held[slot] == row) continue;
          s.held[slot] = row;
          const int64_t base = ((depths.begin + t * d.dil) * h.in + row) * w.in;
          pool_row<take, S>(w, sizes, s, x + base, base, s.value + to, s.at + to);
        }
      const T count = p.divisor ? T(p.divisor) : T(d.count(o, p.count_pad) * h.count(p_, p.count_pad));
      pool_across<take, S>(w, sizes, s, listed, count, y, indices);
      if (indices) indices += w.out;
    }
  }
}

// What does not change from plane to plane: the margins of the cut rows, first columns, the divisors.
template <class T>
static void prepare_rows(const PoolProblem& p, const Scratch& sizes, const Pieces<T>& s, T margin) {
  const Axis& w = p.axis[2];
  for (int64_t i = 0; i < w.stride * sizes.length; ++i) s.lines[i] = margin;
  for (int64_t q = 0; q < sizes.length; ++q) {
    const Window window = q < w.out ? w.window(q) : Window{0, 1};
    s.first[q] = window.taps > 0 ? Index<T>(window.begin) : Index<T>(INT32_MIN);
    s.count[q] = q < w.out && !p.divisor ? T(w.count(q, p.count_pad)) : T(1);
  }
}

template <Take take, class S>
static void pool_nchw(const PoolProblem& p, const S* x, S* y, int64_t* indices, void* workspace) {
  using T = Compute<S>;
  const Scratch sizes(p);
  const int64_t planes = p.N * p.C, chunks = smaller(planes, 4 * int64_t(p.threads));
  parallel_tasks(chunks, p.threads, [&](int64_t chunk, int thread) {
    const Pieces<T> s(p, sizes, workspace, thread);
    prepare_rows<T>(p, sizes, s, kNothing<take, T>);
    for (int64_t plane = chunk * planes / chunks; plane < (chunk + 1) * planes / chunks; ++plane) {
      const int64_t at = plane * p.y_plane();
      pool_plane<take, S>(p, sizes, s, x + plane * p.x_plane(), y + at, indices ? indices + at : nullptr);
    }
  });
}

}  // namespace torchconv::ISA_NS
