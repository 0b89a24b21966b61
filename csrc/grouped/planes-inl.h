// Images as planes of vectors in the workspace, [place][plane][lane], a unit of groups at a time: where the lanes of an
// image in memory are not what the sums take.
namespace torchconv::ISA_NS {

// `pixels` neighbours of an image, `plane` pixels in all, [C] channels, to vectors `step` apart. channel(lane): which
// one goes there, or -1 for zeros. Whole vectors of pixels are written.
template <class S, class F, class T = Compute<S>>
TORCHCONV_INLINE void turn_in(const S* from, int64_t pixels, int64_t plane, const F& channel, T* to, int64_t step) {
  constexpr int L = kLanes<T>;
  const S* lane[L];
#pragma GCC unroll 1
  for (int i = 0; i < L; ++i) lane[i] = channel(i) < 0 ? nullptr : from + channel(i) * plane;
  for (int64_t p = 0; p < pixels; p += L) {
    const int count = int(smaller(L, pixels - p));
    Vector<T> v[L];
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) v[i] = lane[i] ? load_part(lane[i] + p, count) : Vector<T>{};
    transpose_registers<T>(v);
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) store(to + (p + i) * step, v[i]);
  }
}

// And back: lane i < lanes of vectors `step` apart to channel i, after finish(where it goes, vector, its lanes).
template <class S, class F, class T = Compute<S>>
TORCHCONV_INLINE void turn_out(const T* from, int64_t step, int64_t pixels, int64_t plane, int lanes, S* to,
                               const F& finish) {
  constexpr int L = kLanes<T>;
  for (int64_t p = 0; p < pixels; p += L) {
    const int count = int(smaller(L, pixels - p));
    Vector<T> v[L];
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) v[i] = load(from + (p + i) * step);
    transpose_registers<T>(v);
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i)
      if (S* at = to + i * plane + p; i < lanes) store_part(at, finish(at, v[i], count), count);
  }
}

// The same for channels_last, whose pixels are C channels apart.
template <class S, class F, class T = Compute<S>>
TORCHCONV_INLINE void copy_in(const S* from, int64_t pixels, int64_t C, const F& channel, T* to, int64_t step) {
  constexpr int L = kLanes<T>;
  int64_t lane[L];
  int count = 0;  // of lanes; neighbours are copied at once
  bool neighbours = true;
  for (int i = 0; i < L; ++i) {
    lane[i] = channel(i);
    if (lane[i] >= 0) neighbours = neighbours && count == i && lane[i] == lane[0] + i, count = i + 1;
  }
  for (int64_t p = 0; p < pixels; ++p, from += C, to += step) {
    if (neighbours) {
      store(to, load_part(from + lane[0], count));
      continue;
    }
    for (int i = 0; i < L; ++i) to[i] = lane[i] < 0 ? T(0) : T(from[lane[i]]);
  }
}

// Elements of `places` places with so many vectors each, with room for whole vectors of places.
template <class T>
TORCHCONV_INLINE int64_t planes_size(int64_t places, int64_t vectors) {
  return (places + kLanes<T>)*vectors * kLanes<T>;
}

// `pixels` neighbours of an image of `plane` pixels, from the given pixel on, C channels, into the planes of a unit.
template <class S, class F, class T = Compute<S>>
static void gather_planes(bool nhwc, const S* image, int64_t pixel, int64_t pixels, int64_t plane, int64_t C,
                          int64_t planes, const F& channel, T* to) {
  for (int64_t m = 0; m < planes; ++m, to += kLanes<T>) {
    const auto lane = [&](int i) { return channel(m, i); };
    if (nhwc)
      copy_in(image + pixel * C, pixels, C, lane, to, planes * kLanes<T>);
    else
      turn_in(image + pixel, pixels, plane, lane, to, planes * kLanes<T>);
  }
}

}  // namespace torchconv::ISA_NS
