// Rows of images as vectors in the workspace, [unit][row][place][plane][lane], with zeros around each row; and back.
namespace torchconv::ISA_NS {

using grouped::Strips;

// Where rows of some channels go: those of a unit follow each other in memory, or take the lanes that channel_at says.
template <class T>
struct Planes {
  T* to;
  int64_t pad, width, unit_size;  // places of zeros before a row; of all; elements from unit to unit
  int64_t vectors;                // at each place
  int64_t in_unit;                // channels
  bool neighbours;

  int64_t step() const { return vectors * kLanes<T>; }
};

// The zeros before and behind `rows` rows of W places.
template <class T>
static void zero_around(const Planes<T>& p, T* to, int64_t rows, int64_t W) {
  const int64_t before = p.pad * p.step(), behind = (p.width - p.pad - W) * p.step();
  for (int64_t r = 0; r < rows; ++r, to += p.width * p.step()) {
    for (int64_t i = 0; i < before; i += kLanes<T>) store(to + i, Vector<T>{});
    for (int64_t i = 0; i < behind; i += kLanes<T>) store(to + (p.pad + W) * p.step() + i, Vector<T>{});
  }
}

// NCHW: pixels [pixel, pixel + pixels) of the channels that lane[] points to (null: zeros), whole rows of W, to one
// vector of each place.
template <bool whole, class S, class T>
static void turn_rows(const Planes<T>& p, const S* const* lane, int64_t pixel, int64_t pixels, int64_t W, T* to) {
  constexpr int L = kLanes<T>;
  const int64_t step = p.step(), gap = (p.width - W) * step;
  int64_t column = 0;
  to += p.pad * step;
  for (int64_t i = 0; i < pixels; i += L) {
    const int count = int(smaller(L, pixels - i));
    Vector<T> v[L];
    if (whole && count == L) {
#pragma GCC unroll 16
      for (int l = 0; l < L; ++l) v[l] = load(lane[l] + pixel + i);
    } else {
      for (int l = 0; l < L; ++l) v[l] = lane[l] ? load_part(lane[l] + pixel + i, count) : Vector<T>{};
    }
    transpose_registers<T>(v);
#pragma GCC unroll 16
    for (int l = 0; l < L; ++l) {
      if (l >= count) break;
      store(to, v[l]);
      to += step;
      if (++column == W) column = 0, to += gap;
    }
  }
}

// And back: `pixels` vectors, step apart, to channels `plane` pixels apart, after finish(where it goes, vector, lanes).
// Whole cache lines go past the caches where `past_caches` says so.
template <class S, class F, class T = Compute<S>>
TORCHCONV_INLINE void turn_back(const T* from, int64_t step, int64_t pixels, int64_t plane, int64_t channels, S* to,
                                bool past_caches, const F& finish) {
  constexpr int L = kLanes<T>;
  for (int64_t p = 0; p < pixels; p += L) {
    const int count = int(smaller(L, pixels - p));
    Vector<T> v[L];
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) v[i] = load(from + (p + i) * step);
    transpose_registers<T>(v);
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i)
      if (S* at = to + i * plane + p; i < channels) {
        const Vector<T> result = finish(at, v[i], count);
        if (past_caches && count == L && stream_aligned(at))
          stream(at, result);
        else
          store_part(at, result, count);
      }
  }
}

// channels_last: rows from end to end, for units whose channels are neighbours.
template <class S, class T>
static void copy_rows(const Planes<T>& p, const S* from, int64_t rows, int64_t W, int64_t C, const Range& units) {
  constexpr int L = kLanes<T>;
  const bool whole = p.in_unit == p.step() && units.end * p.in_unit <= C;  // all lanes are channels: 1.05x to 1.14x
  for (int64_t r = 0; r < rows; ++r) {
    T* row = p.to + (r * p.width + p.pad) * p.step();
    for (int64_t w = 0; w < W; ++w, from += C, row += p.step()) {
      T* to = row;
      const S* first = from + units.begin * p.in_unit;
      for (int64_t unit = units.begin; unit < units.end; ++unit, to += p.unit_size, first += p.in_unit) {
        if (whole) {
          for (int64_t i = 0; i < p.in_unit; i += L) store(to + i, load(first + i));
          continue;
        }
        const int64_t count = smaller(p.in_unit, C - unit * p.in_unit);
        for (int64_t m = 0; m < p.vectors; ++m)
          store(to + m * L, load_part(first + m * L, int(smaller(L, count - m * L))));
      }
    }
  }
}

// The same for one vector of a unit, whose lanes are the given channels (-1: zeros).
template <class S, class T>
static void pick_rows(const Planes<T>& p, const S* from, int64_t rows, int64_t W, int64_t C, const int64_t* lane,
                      T* to) {
  for (int64_t r = 0; r < rows; ++r) {
    T* row = to + (r * p.width + p.pad) * p.step();
    for (int64_t w = 0; w < W; ++w, from += C, row += p.step())
      for (int l = 0; l < kLanes<T>; ++l) row[l] = lane[l] < 0 ? T(0) : T(from[lane[l]]);
  }
}

// Rows of an image [C, H, W] for some units. channel_at(unit, plane, lane): -1 for none.
template <class S, class F, class T = Compute<S>>
static void gather(const Planes<T>& p, bool nhwc, const S* image, int64_t C, int64_t H, int64_t W, const Range& rows,
                   const Range& units, const F& channel_at) {
  constexpr int L = kLanes<T>;
  for (int64_t unit = units.begin; unit < units.end; ++unit)
    zero_around(p, p.to + (unit - units.begin) * p.unit_size, rows.size(), W);
  const S* first = image + rows.begin * W * C;
  if (nhwc && p.neighbours) return copy_rows(p, first, rows.size(), W, C, units);
  for (int64_t unit = units.begin; unit < units.end; ++unit)
    for (int64_t m = 0; m < p.vectors; ++m) {
      T* to = p.to + (unit - units.begin) * p.unit_size + m * L;
      int64_t channel[L];
      const S* lane[L];
      bool whole = true;
      for (int l = 0; l < L; ++l) {
        channel[l] = channel_at(unit, m, l), whole = whole && channel[l] >= 0;
        lane[l] = channel[l] < 0 ? nullptr : image + channel[l] * H * W;
      }
      if (nhwc)
        pick_rows(p, first, rows.size(), W, C, channel, to);
      else if (whole)
        turn_rows<true>(p, lane, rows.begin * W, rows.size() * W, W, to);
      else
        turn_rows<false>(p, lane, rows.begin * W, rows.size() * W, W, to);
    }
}

}  // namespace torchconv::ISA_NS
