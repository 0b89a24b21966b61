// The transforms of tiles, one axis after the other, a chunk of channels at a time.
#include "winograd/transforms-inl.h"

namespace torchconv::ISA_NS::winograd {

using namespace ::torchconv::winograd;

struct Identity {
  static constexpr int in = 1, out = 1;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    to[0] = from[0];
  }
};
struct F1x1 {
  using Data = Identity;
  using Weights = Identity;
  using Result = Identity;
  using ResultTransposed = Identity;
  using WeightsTransposed = Identity;
};

// In elements: from one line to the next, and from one element of a line to the next. An element is a chunk.
struct Strides {
  int64_t line, element;
};

// Transforms lines of Op::in elements into lines of Op::out.
template <class T>
using Lines = void (*)(int64_t count, const T* from, Strides f, T* to, Strides t);

template <class Op, class T>
static __attribute__((noinline)) void transform_lines(int64_t count, const T* from, Strides f, T* to, Strides t) {
  for (int64_t i = 0; i < count; ++i, from += f.line, to += t.line)
    for (int v = 0; v < kChunk<T>; v += kLanes<T>) {
      Vector<T> in[Op::in], out[Op::out];
#pragma GCC unroll 8
      for (int e = 0; e < Op::in; ++e) {
        in[e] = load(from + e * f.element + v);
        keep_in_register(in[e]);
      }
      Op::template apply<T>(in, out);
#pragma GCC unroll 8
      for (int e = 0; e < Op::out; ++e) store(to + e * t.element + v, out[e]);
    }
}

enum class Kind { data, weights, result, result_transposed, weights_transposed };

template <class T, class F>
TORCHCONV_INLINE Lines<T> lines_of(Kind kind) {
  switch (kind) {
    case Kind::data: return transform_lines<typename F::Data, T>;
    case Kind::weights: return transform_lines<typename F::Weights, T>;
    case Kind::result: return transform_lines<typename F::Result, T>;
    case Kind::result_transposed: return transform_lines<typename F::ResultTransposed, T>;
    default: return transform_lines<typename F::WeightsTransposed, T>;
  }
}

// has_side() in tiles.h lists the same.
template <class T>
static Lines<T> lines_for(Kind kind, const Side& side) {
  const auto is = [&](int64_t m, int64_t r) { return side.m == m && side.r == r; };
  return is(2, 3)   ? lines_of<T, F2x3>(kind)
         : is(4, 3) ? lines_of<T, F4x3>(kind)
         : is(6, 3) ? lines_of<T, F6x3>(kind)
         : is(2, 5) ? lines_of<T, F2x5>(kind)
         : is(4, 5) ? lines_of<T, F4x5>(kind)
         : is(4, 2) ? lines_of<T, F4x2>(kind)
                    : lines_of<T, F1x1>(kind);
}

constexpr int64_t kMostSide = 8;  // elements of a tile along an axis, before and after

// Both axes: in_h x in_w elements -> out_h x out_w.
template <class T>
struct Transform {
  Lines<T> rows, columns;
  int64_t in_h, in_w, out_h, out_w;

  Transform(Kind kind, const Tiles& tiles)
      : rows(lines_for<T>(kind, tiles.w)),
        columns(lines_for<T>(kind, tiles.h)),
        in_h(in_of(kind, tiles.h)),
        in_w(in_of(kind, tiles.w)),
        out_h(out_of(kind, tiles.h)),
        out_w(out_of(kind, tiles.w)) {}

  void operator()(const T* from, Strides f, T* to, Strides t) const {
    constexpr int L = kChunk<T>;
    alignas(64) T between[kMostSide * kMostSide * L];
    rows(in_h, from, f, between, {out_w * L, L});
    columns(out_w, between, {L, out_w * L}, to, {t.element, t.line});
  }

  static int64_t in_of(Kind kind, const Side& s) {
    const bool from_weights = kind == Kind::weights, from_result = kind == Kind::result_transposed;
    return from_weights ? s.r : from_result ? s.m : s.n();
  }
  static int64_t out_of(Kind kind, const Side& s) {
    return kind == Kind::result ? s.m : kind == Kind::weights_transposed ? s.r : s.n();
  }
};

}  // namespace torchconv::ISA_NS::winograd
