#include "fft/transform.h"

#include <cmath>
#include <memory>

#include "common/simd.h"

#define TORCHCONV_INL "fft/transform-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::fft {
namespace {

// inner, outer; outer is even, since it then meets the output n / 2 in its first column.
struct Factors {
  int inner, outer;
};
constexpr Factors kFactors[] = {{0, 4},  {0, 6},   {0, 8},   {0, 10},  {0, 12},  {0, 16},  {0, 18},   {0, 20},
                                {4, 6},  {4, 8},   {6, 6},   {4, 10},  {6, 8},   {9, 6},   {6, 10},   {8, 8},
                                {9, 8},  {8, 10},  {9, 10},  {8, 12},  {9, 12},  {10, 12}, {8, 16},   {9, 16},
                                {10, 16}, {12, 16}, {16, 16}};
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
    : size_(size), inner_(codelets_for<T>(isa, factors_of(size).inner)), outer_(codelets_for<T>(isa, factors_of(size).outer)) {
  for (int k = 0; k < inner_.size; ++k)
    for (int m = 0; m < outer_.size; ++m) {
      const double angle = 2 * M_PI * k * m / double(size);
      twiddle_.push_back(T(std::cos(angle))), twiddle_.push_back(T(std::sin(angle)));
    }
}

template <class T>
void Transform<T>::real(Series<const T> in, Series<T> out) const {
  const int inner = inner_.size, outer = outer_.size;
  if (!inner) return outer_.real(in, out);
  constexpr int64_t slot = kSlot<T>;
  Scratch<T> scratch;
  // [outer][slot]
  const int64_t slots = (inner + 1) / 2 * slot;
  for (int m = 0; m < outer; ++m) inner_.real(in.from(m, outer), {scratch.data + m * slots, slot, slot / 2});
  const Series<const T> columns{scratch.data, slots, slot / 2};
  outer_.real(columns, {out.data, out.step * inner, out.im});
  for (int k = 1; 2 * k < inner; ++k)
    outer_.real_column({scratch.data + k * slot, slots, slot / 2}, &twiddle_[2 * k * outer], out.from(k, inner),
                       out.from(inner - k, inner));
  if (inner % 2 == 0)
    outer_.real_middle({scratch.data + slot / 2, slots}, &twiddle_[inner * outer], out.from(inner / 2, inner));
}

template <class T>
void Transform<T>::inverse(Series<const T> in, Series<T> out) const {
  const int inner = inner_.size, outer = outer_.size;
  if (!inner) return outer_.inverse(in, out);
  constexpr int64_t slot = kSlot<T>;
  Scratch<T> scratch;
  const int64_t slots = (inner + 1) / 2 * slot;
  outer_.inverse({in.data, in.step * inner, in.im}, {scratch.data, slots});
  for (int k = 1; 2 * k < inner; ++k)
    outer_.inverse_column(in.from(k, inner), in.from(inner - k, inner), &twiddle_[2 * k * outer],
                          {scratch.data + k * slot, slots, slot / 2});
  if (inner % 2 == 0)
    outer_.inverse_middle(in.from(inner / 2, inner), in.from(inner / 2, inner), &twiddle_[inner * outer],
                          {scratch.data + slot / 2, slots});
  for (int m = 0; m < outer; ++m) inner_.inverse({scratch.data + m * slots, slot, slot / 2}, out.from(m, outer));
}

template <class T>
void Transform<T>::complex(Series<const T> in, int64_t nonzero, Series<T> out) const {
  const int inner = inner_.size, outer = outer_.size;
  if (!inner) return (2 * nonzero <= size_ ? outer_.complex_of_half : outer_.complex)(in, out);
  constexpr int64_t slot = kSlot<T>;
  Scratch<T> scratch;
  const auto first = 2 * nonzero <= size_ ? inner_.complex_of_half : inner_.complex;
  for (int m = 0; m < outer; ++m) first(in.from(m, outer), {scratch.data + m * inner * slot, slot, slot / 2});
  for (int k = 0; k < inner; ++k)
    outer_.twisted({scratch.data + k * slot, inner * slot, slot / 2}, &twiddle_[2 * k * outer], out.from(k, inner));
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
    for (Isa i : {Isa::baseline, Isa::avx2, Isa::avx512})
      for (int64_t n : sizes()) made.emplace_back(i, n);
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
