// The transforms of tiles, a chunk of channels at a time: both axes at once where they are alike, else one after the
// other.
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

// Both axes under one Op: what is between them stays in registers, as far as these go.
template <class T>
using Square = void (*)(const T* from, Strides f, T* to, Strides t);

template <class Op, class T>
static __attribute__((noinline)) void transform_square(const T* from, Strides f, T* to, Strides t) {
  for (int v = 0; v < kChunk<T>; v += kLanes<T>, from += kLanes<T>, to += kLanes<T>) {
    Vector<T> between[Op::in][Op::out];
#pragma GCC unroll 8
    for (int i = 0; i < Op::in; ++i) {
      Vector<T> in[Op::in];
#pragma GCC unroll 8
      for (int j = 0; j < Op::in; ++j) {
        in[j] = load(from + i * f.line + j * f.element);
        keep_in_register(in[j]);
      }
      Op::template apply<T>(in, between[i]);
    }
#pragma GCC unroll 8
    for (int j = 0; j < Op::out; ++j) {
      Vector<T> in[Op::in], out[Op::out];
#pragma GCC unroll 8
      for (int i = 0; i < Op::in; ++i) in[i] = between[i][j];
      Op::template apply<T>(in, out);
#pragma GCC unroll 8
      for (int i = 0; i < Op::out; ++i) store(to + i * t.line + j * t.element, out[i]);
    }
  }
}

enum class Kind { data, weights, result, result_transposed, weights_transposed };

// use(Op()), of one axis of a tile; has_side() in tiles.h lists the same.
template <class F, class Use>
TORCHCONV_INLINE auto with_op(Kind kind, const Use& use) {
  switch (kind) {
    case Kind::data: return use(typename F::Data());
    case Kind::weights: return use(typename F::Weights());
    case Kind::result: return use(typename F::Result());
    case Kind::result_transposed: return use(typename F::ResultTransposed());
    default: return use(typename F::WeightsTransposed());
  }
}
template <class Use>
static auto with_op(Kind kind, const Side& side, const Use& use) {
  const auto is = [&](int64_t m, int64_t r) { return side.m == m && side.r == r; };
  return is(2, 3)   ? with_op<F2x3>(kind, use)
         : is(4, 3) ? with_op<F4x3>(kind, use)
         : is(5, 3) ? with_op<F5x3>(kind, use)
         : is(6, 3) ? with_op<F6x3>(kind, use)
         : is(2, 5) ? with_op<F2x5>(kind, use)
         : is(4, 5) ? with_op<F4x5>(kind, use)
         : is(4, 2) ? with_op<F4x2>(kind, use)
                    : with_op<F1x1>(kind, use);
}
template <class T>
static Lines<T> lines_for(Kind kind, const Side& side) {
  return with_op(kind, side, [](auto op) -> Lines<T> { return transform_lines<decltype(op), T>; });
}
template <class T>
static Square<T> square_for(Kind kind, const Tiles& tiles) {
  if (tiles.h.m != tiles.w.m || tiles.h.r != tiles.w.r) return nullptr;
  return with_op(kind, tiles.h, [](auto op) -> Square<T> { return transform_square<decltype(op), T>; });
}

constexpr int64_t kMostSide = 8;  // elements of a tile along an axis, before and after

// Both axes: in_h x in_w elements -> out_h x out_w.
template <class T>
struct Transform {
  Lines<T> rows, columns;
  Square<T> square;  // the same at once; null where the axes differ
  int64_t in_h, in_w, out_h, out_w;

  Transform(Kind kind, const Tiles& tiles)
      : rows(lines_for<T>(kind, tiles.w)),
        columns(lines_for<T>(kind, tiles.h)),
        square(square_for<T>(kind, tiles)),
        in_h(in_of(kind, tiles.h)),
        in_w(in_of(kind, tiles.w)),
        out_h(out_of(kind, tiles.h)),
        out_w(out_of(kind, tiles.w)) {}

  void operator()(const T* from, Strides f, T* to, Strides t) const {
    if (square) return square(from, f, to, t);
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
