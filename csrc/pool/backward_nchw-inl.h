// Backward pooling in NCHW. Maxima are scattered, one plane at a time, while it is in the cache; averages are gathered,
// so that each row of grad_x is written once and in order.
namespace torchconv::ISA_NS {

// Gathering the maxima with vectors, by comparing the indices of all windows around an element, took 1.2 to 4 times as
// long.
template <class T, class S>
static void scatter_plane(T* plane, int64_t size, const S* grad_y, const int64_t* indices, int64_t count) {
  for (int64_t i = 0; i < size; ++i) plane[i] = 0;
  for (int64_t i = 0; i < count; ++i)
    if (uint64_t(indices[i]) < uint64_t(size)) plane[indices[i]] += T(grad_y[i]);
}

template <class S>
static void max_grad_nchw(const PoolProblem& p, const S* grad_y, const int64_t* indices, S* grad_x, void* workspace) {
  using T = Compute<S>;
  const Scratch sizes(p);
  const int64_t size = p.x_plane(), count = p.y_plane();
  const int64_t planes = p.N * p.C, tasks = 4 * int64_t(p.threads);
  const auto one_plane = [&](int64_t plane, int thread) {
    const S* from = grad_y + plane * count;
    const int64_t* at = indices + plane * count;
    S* to = grad_x + plane * size;
    if constexpr (kComputedAsStored<S>) {
      scatter_plane(to, size, from, at, count);
    } else {
      T* sum = Pieces<T>(p, sizes, workspace, thread).plane;
      scatter_plane(sum, size, from, at, count);
      for (int64_t i = 0; i < size; i += kLanes<T>) {
        const int part = int(smaller(kLanes<T>, size - i));
        store_part(to + i, load_part(sum + i, part), part);
      }
    }
  };
  parallel_tasks(tasks, p.threads, [&](int64_t task, int thread) {
    for (int64_t i = task * planes / tasks; i < (task + 1) * planes / tasks; ++i) one_plane(i, thread);
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
