// Rows of NCHW planes: plain loops, which the compiler makes shuffles of where it knows the step.
namespace torchconv::ISA_NS {

// The elements of all phases that lie inside the row: [first, last) of each.
struct Inside {
  int64_t first, last;
};
static inline Inside inside(const CutAxis& a) {
  const int64_t first = a.shift > 0 ? 1 : 0, last = (a.size + a.shift) / a.step;
  return {first, last < first ? first : last > a.length ? a.length : last};
}

template <int Step, class S>
static void cut_inside(const S* __restrict from, int64_t count, S* __restrict to, int64_t to_stride) {
  for (int64_t j = 0; j < count; ++j)
#pragma GCC unroll 4
    for (int b = 0; b < Step; ++b) to[b * to_stride + j] = from[j * Step + b];
}
template <class S>
static void cut_inside(int64_t step, const S* from, int64_t count, S* to, int64_t to_stride) {
  for (int64_t j = 0; j < count; ++j, ++to)
    for (int64_t b = 0; b < step; ++b) to[b * to_stride] = *from++;
}

// to[b * to_stride + j] = element j of phase b.
template <class S>
static void cut_row(const CutAxis& a, const S* from, S* to, int64_t to_stride) {
  const Inside in = inside(a);
  const int64_t count = in.last - in.first;
  const S* start = from + in.first * a.step - a.shift;
  if (a.step == 2) {
    cut_inside<2>(start, count, to + in.first, to_stride);
  } else if (a.step == 3) {
    cut_inside<3>(start, count, to + in.first, to_stride);
  } else if (a.step == 4) {
    cut_inside<4>(start, count, to + in.first, to_stride);
  } else {
    cut_inside(a.step, start, count, to + in.first, to_stride);
  }
  const auto edge = [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j)
      for (int64_t b = 0; b < a.step; ++b) {
        const int64_t e = j * a.step + b - a.shift;
        to[b * to_stride + j] = e >= 0 && e < a.size ? from[e] : S(0);
      }
  };
  edge(0, in.first < a.length ? in.first : a.length);
  edge(in.last, a.length);
}

template <int Step, class S>
static void join_inside(const S* __restrict from, int64_t from_stride, int64_t count, S* __restrict to) {
  for (int64_t j = 0; j < count; ++j)
#pragma GCC unroll 4
    for (int b = 0; b < Step; ++b) to[j * Step + b] = from[b * from_stride + j];
}

template <class S>
static void join_inside(int64_t step, const S* from, int64_t from_stride, int64_t count, S* to) {
  for (int64_t j = 0; j < count; ++j, ++from)
    for (int64_t b = 0; b < step; ++b) *to++ = from[b * from_stride];
}

template <class S>
static void join_row(const CutAxis& a, const S* from, int64_t from_stride, S* to) {
  const Inside in = inside(a);
  const int64_t count = in.last - in.first;
  S* start = to + in.first * a.step - a.shift;
  if (a.step == 2) {
    join_inside<2>(from + in.first, from_stride, count, start);
  } else if (a.step == 3) {
    join_inside<3>(from + in.first, from_stride, count, start);
  } else if (a.step == 4) {
    join_inside<4>(from + in.first, from_stride, count, start);
  } else {
    join_inside(a.step, from + in.first, from_stride, count, start);
  }
  const auto edge = [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j)
      for (int64_t b = 0; b < a.step; ++b) {
        const int64_t e = j * a.step + b - a.shift;
        if (e >= 0 && e < a.size) to[e] = from[b * from_stride + j];
      }
  };
  edge(0, in.first < a.length ? in.first : a.length);
  edge(in.last, a.length);
}

}  // namespace torchconv::ISA_NS
