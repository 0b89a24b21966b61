// Backward pooling in NCHW: each row of grad_x is gathered from the rows of grad_y whose windows take from it, so
// that grad_x is written once and in order, and nothing is scattered unless the windows are adaptive.
namespace torchconv::ISA_NS {

// A row of grad_y in a slot, with `margin` zeros before it; zeros follow from the start, and indices of -1.
template <class S, class T>
static void keep_row(const S* grad_y, const int64_t* indices, int64_t count, T* value, Index<T>* at) {
  for (int64_t q = 0; q < count; q += kLanes<T>) {
    const int part = int(smaller(kLanes<T>, count - q));
    store(value + q, load_part(grad_y + q, part));
    store_index<T>(at + q, load_int64<T>(indices + q, part));
  }
}

// A row of grad_x, cut by the stride, from the listed rows of grad_y: where their index says so.
template <class T>
static void gather_maxima(const Axis& w, const Scratch& sizes, const Pieces<T>& s, int64_t rows, int64_t base) {
  const IndexVector<T> columns = lane_numbers<T>() * Index<T>(w.stride);
  const int64_t cut = (w.in + w.pad - 1) / w.stride + 1;
  for (int64_t f = 0; f < w.stride; ++f) {
    int64_t taken = 0;
    for (int64_t k = 0; k < w.kernel; ++k) {
      const int64_t shift = s.offset[k] - f * sizes.length;
      if (shift < 0 || shift >= sizes.length) continue;
      for (int64_t i = 0; i < rows; ++i) s.taken[taken++] = s.listed[i] - shift;
    }
    for (int64_t j = 0; j < cut; j += kLanes<T>) {
      Vector<T> sum{};
      const IndexVector<T> here = columns + Index<T>(base + j * w.stride + f - w.pad);
      for (int64_t i = 0; i < taken; ++i) {
        const int64_t from = s.taken[i] + j;
        sum = add_where_equal(sum, load_index<T>(s.at + from), here, load(s.value + from));
      }
      store(s.lines + f * sizes.length + j, sum);
    }
  }
}

template <class S, class T = Compute<S>>
static void max_grad_plane(const PoolProblem& p, const Scratch& sizes, const Pieces<T>& s, const S* grad_y,
                           const int64_t* indices, S* grad_x) {
  const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
  const int64_t margin = (w.kernel - 1) * w.dil / w.stride, slots_h = ceil_div(sizes.ring, h.stride);
  for (int64_t i = 0; i < sizes.slots; ++i) s.held[i] = -1;
  for (int64_t z = 0; z < d.in; ++z) {
    const Range around_z = d.windows_around(z);
    for (int64_t v = 0; v < h.in; ++v, grad_x += w.in) {
      const Range around_v = h.windows_around(v);
      int64_t listed = 0;
      for (int64_t o = around_z.begin; o < around_z.end; ++o)
        for (int64_t i = around_v.begin; i < around_v.end; ++i) {
          if (!d.takes(o, z) || !h.takes(i, v)) continue;
          const int64_t t = (z + d.pad - o * d.stride) / d.dil, row = o * h.out + i;
          const int64_t slot = t * sizes.ring + i % slots_h, to = slot * sizes.length + margin;
          s.listed[listed++] = to;
          if (s.held[slot] == row) continue;
          s.held[slot] = row;
          keep_row(grad_y + row * w.out, indices + row * w.out, w.out, s.value + to, s.at + to);
        }
      gather_maxima<T>(w, sizes, s, listed, (z * h.in + v) * w.in);
      join_row(s.lines, sizes.length, w.pad, w.stride, grad_x, w.in);
    }
  }
}

// Windows of any shape: each grad_y goes where its index says, into a plane of the type of computation.
template <class S, class T = Compute<S>>
static void scatter_plane(const PoolProblem& p, T* plane, const S* grad_y, const int64_t* indices, S* grad_x) {
  const int64_t size = p.x_plane();
  for (int64_t i = 0; i < size; ++i) plane[i] = 0;
  for (int64_t i = 0; i < p.y_plane(); ++i)
    if (uint64_t(indices[i]) < uint64_t(size)) plane[indices[i]] += T(grad_y[i]);
  for (int64_t i = 0; i < size; i += kLanes<T>) {
    const int part = int(smaller(kLanes<T>, size - i));
    store_part(grad_x + i, load_part(plane + i, part), part);
  }
}

template <class S>
static void max_grad_nchw(const PoolProblem& p, const S* grad_y, const int64_t* indices, S* grad_x, void* workspace) {
  using T = Compute<S>;
  const Scratch sizes(p);
  const int64_t planes = p.N * p.C, chunks = smaller(planes, 4 * int64_t(p.threads));
  parallel_tasks(chunks, p.threads, [&](int64_t chunk, int thread) {
    const Pieces<T> s(p, sizes, workspace, thread);
    for (int64_t i = 0; i < sizes.slots * sizes.length; ++i) s.value[i] = 0, s.at[i] = -1;
    for (int64_t plane = chunk * planes / chunks; plane < (chunk + 1) * planes / chunks; ++plane) {
      const int64_t from = plane * p.y_plane();
      S* to = grad_x + plane * p.x_plane();
      if (p.axis[2].adaptive)
        scatter_plane<S>(p, s.plane, grad_y + from, indices + from, to);
      else
        max_grad_plane<S>(p, sizes, s, grad_y + from, indices + from, to);
    }
  });
}

// One row of grad_x of an average, from the sum of the rows of grad_y around it, which stands in value.
template <class S, class T = Compute<S>>
static void spread_row(const Axis& w, const Scratch& sizes, const Pieces<T>& s, int64_t margin, S* grad_x) {
  if (w.adaptive) {
    for (int64_t i = 0; i < w.in; ++i) {
      const Range around = w.windows_around(i);
      T sum = 0;
      for (int64_t q = around.begin; q < around.end; ++q) sum += s.value[q];
      s.lines[i] = sum;
    }
  } else {
    const int64_t cut = (w.in + w.pad - 1) / w.stride + 1;
    for (int64_t f = 0; f < w.stride; ++f)
      for (int64_t j = 0; j < cut; j += kLanes<T>) {
        Vector<T> sum{};
        for (int64_t k = f; k < w.kernel; k += w.stride) sum += load(s.value + margin + j - s.offset[k] % sizes.length);
        store(s.lines + f * sizes.length + j, sum);
      }
  }
  join_row(s.lines, sizes.length, w.pad, w.stride, grad_x, w.in);
}

template <class S, class T = Compute<S>>
static void avg_grad_plane(const PoolProblem& p, const Scratch& sizes, const Pieces<T>& s, const S* grad_y, S* grad_x) {
  const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
  const int64_t margin = w.adaptive ? 0 : (w.kernel - 1) / w.stride;
  for (int64_t z = 0; z < d.in; ++z) {
    const Range around_z = d.windows_around(z);
    for (int64_t v = 0; v < h.in; ++v, grad_x += w.in) {
      const Range around_v = h.windows_around(v);
      for (int64_t q = 0; q < w.out; q += kLanes<T>) {
        const int part = int(smaller(kLanes<T>, w.out - q));
        Vector<T> sum{};
        for (int64_t o = around_z.begin; o < around_z.end; ++o)
          for (int64_t i = around_v.begin; i < around_v.end; ++i) {
            const T count = p.divisor ? T(p.divisor) : T(d.count(o, p.count_pad) * h.count(i, p.count_pad));
            sum += load_part(grad_y + (o * h.out + i) * w.out + q, part) / (load(s.count + q) * count);
          }
        store(s.value + margin + q, sum);
      }
      spread_row<S>(w, sizes, s, margin, grad_x);
    }
  }
}

template <class S>
static void avg_grad_nchw(const PoolProblem& p, const S* grad_y, S* grad_x, void* workspace) {
  using T = Compute<S>;
  const Scratch sizes(p);
  const int64_t planes = p.N * p.C, chunks = smaller(planes, 4 * int64_t(p.threads));
  parallel_tasks(chunks, p.threads, [&](int64_t chunk, int thread) {
    const Pieces<T> s(p, sizes, workspace, thread);
    prepare_rows<T>(p, sizes, s, T(0));
    for (int64_t i = 0; i < sizes.length; ++i) s.value[i] = 0;
    for (int64_t plane = chunk * planes / chunks; plane < (chunk + 1) * planes / chunks; ++plane)
      avg_grad_plane<S>(p, sizes, s, grad_y + plane * p.y_plane(), grad_x + plane * p.x_plane());
  });
}

}  // namespace torchconv::ISA_NS
