#include "fft/transform.h"

#include <cmath>
#include <memory>

#include "common/isa.h"
#include "common/simd.h"

#define TORCHCONV_INL "fft/transform-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::fft {
namespace {

// inner, outer; outer is even, since it then meets the output n / 2 in its first column.
struct Factors {
  int inner, outer;
};
constexpr Factors kFactors[] = {{0, 4},  {0, 6},  {0, 8},  {0, 10},  {0, 12}, {0, 16}, {0, 18},  {0, 20},  {4, 6},
                                {4, 8},  {6, 6},  {4, 10}, {6, 8},   {9, 6},  {6, 10}, {8, 8},   {9, 8},   {8, 10},
                                {9, 10}, {8, 12}, {9, 12}, {10, 12}, {8, 16}, {9, 16}, {10, 16}, {12, 16}, {16, 16}};
constexpr int kChunkBytes = 64;

template <class T>
constexpr int64_t kSlot = 2 * kChunkBytes / sizeof(T);  // two chunks
template <class T>
struct Scratch {
  alignas(64) T data[kMostSize * kSlot<T>];
};

Factors factors_of(int64_t size) {
  for (const Factors& f : kFactors)
    if ((f.inner ? f.inner : 1) * f.outer == size) return f;
  return {0, 0};
}

template <class T>
Codelets<T> codelets_for(Isa isa, int size) {
  return size ? TORCHCONV_DISPATCH_ISA(isa, codelets<T>, size) : Codelets<T>{};
}

}  // namespace

template <class T>
Transform<T>::Transform(Isa isa, int64_t size)
    : size_(size),
      inner_(codelets_for<T>(isa, factors_of(size).inner)),
      outer_(codelets_for<T>(isa, factors_of(size).outer)) {
  for (int k = 0; k < inner_.size; ++k)
    for (int m = 0; m < outer_.size; ++m) {
      const double angle = 2 * M_PI * k * m / double(size);
      twiddle_.push_back(T(std::cos(angle))), twiddle_.push_back(T(std::sin(angle)));
    }
}

template <class T>
void Transform<T>::real(int64_t count, In in, Out out) const {
  const int inner = inner_.size, outer = outer_.size;
  if (!inner) return outer_.real(count, in, out);
  constexpr int64_t slot = kSlot<T>, half = slot / 2;
  Scratch<T> scratch;  // [outer][slot]
  T* const at = scratch.data;
  const int64_t slots = (inner + 1) / 2 * slot;
  for (int64_t i = 0; i < count; ++i) {
    const Series<const T> x{in.data + i * in.next, in.step};
    const Series<T> y{out.data + i * out.next, out.step, out.im};
    inner_.real(outer, x.from(0, outer), {at, slot, half, slots});
    outer_.real(1, {at, slots}, y.from(0, inner));
    if (inner > 2)
      outer_.real_column((inner - 1) / 2, {at + slot, slots, half, slot}, &twiddle_[2 * outer], y.from(1, inner),
                         y.from(inner - 1, inner, -1));
    if (inner % 2 == 0) outer_.real_middle({at + half, slots}, &twiddle_[inner * outer], y.from(inner / 2, inner));
  }
}

template <class T>
void Transform<T>::inverse(int64_t count, In in, Out out) const {
  const int inner = inner_.size, outer = outer_.size;
  if (!inner) return outer_.inverse(count, in, out);
  constexpr int64_t slot = kSlot<T>, half = slot / 2;
  Scratch<T> scratch;
  T* const at = scratch.data;
  const int64_t slots = (inner + 1) / 2 * slot;
  for (int64_t i = 0; i < count; ++i) {
    const Series<const T> x{in.data + i * in.next, in.step, in.im};
    const Series<T> y{out.data + i * out.next, out.step};
    outer_.inverse(1, x.from(0, inner), {at, slots});
    if (inner > 2)
      outer_.inverse_column((inner - 1) / 2, x.from(1, inner), x.from(inner - 1, inner, -1), &twiddle_[2 * outer],
                            {at + slot, slots, half, slot});
    if (inner % 2 == 0)
      outer_.inverse_middle(1, x.from(inner / 2, inner), x.from(inner / 2, inner), &twiddle_[inner * outer],
                            {at + half, slots});
    inner_.inverse(outer, {at, slot, half, slots}, y.from(0, outer));
  }
}

template <class T>
void Transform<T>::complex(int64_t count, In in, int64_t nonzero, Out out) const {
  const int inner = inner_.size, outer = outer_.size;
  if (!inner) return (2 * nonzero <= size_ ? outer_.complex_of_half : outer_.complex)(count, in, out);
  constexpr int64_t slot = kSlot<T>, half = slot / 2;
  Scratch<T> scratch;
  T* const at = scratch.data;
  const auto first = 2 * nonzero <= size_ ? inner_.complex_of_half : inner_.complex;
  for (int64_t i = 0; i < count; ++i) {
    const Series<const T> x{in.data + i * in.next, in.step, in.im};
    const Series<T> y{out.data + i * out.next, out.step, out.im};
    first(outer, x.from(0, outer), {at, slot, half, inner * slot});
    outer_.twisted(inner, {at, inner * slot, half, slot}, twiddle_.data(), y.from(0, inner));
  }
}

const std::vector<int64_t>& sizes() {
  static const std::vector<int64_t> all = [] {
    std::vector<int64_t> found;
    for (const Factors& f : kFactors) found.push_back((f.inner ? f.inner : 1) * f.outer);
    return found;
  }();
  return all;
}

template <class T>
const Transform<T>& transform(Isa isa, int64_t size) {
  static const std::vector<Transform<T>> all = [] {
    std::vector<Transform<T>> made;
    // What lists the codelets of an instruction set is compiled for it too, and must not run without it.
    for (Isa i : {Isa::baseline, Isa::avx2, Isa::avx512})
      for (int64_t n : sizes())
        if (i <= detected_isa()) made.emplace_back(i, n);
    return made;
  }();
  const size_t level = size_t(isa < Isa::avx512 ? isa : Isa::avx512);
  size_t i = 0;
  while (sizes()[i] != size) ++i;
  return all[level * sizes().size() + i];
}

template class Transform<float>;
template class Transform<double>;
template const Transform<float>& transform(Isa, int64_t);
template const Transform<double>& transform(Isa, int64_t);

}  // namespace torchconv::fft
