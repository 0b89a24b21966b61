// Discrete Fourier transforms of chunks: 64 bytes of numbers, one of each of so many channels. A transform of up to 20
// is one generated codelet; a larger one is two passes of codelets, n = inner * outer, with e^(-2 pi i k m / n)
// between.
//
// A real transform of even size n has n / 2 slots of two chunks: slot k holds output k, and slot 0 the two outputs that
// are real, 0 and n / 2.
#pragma once
#include <cstdint>
#include <vector>

#include "common/problem.h"

namespace torchconv::fft {

// A chunk every `step` numbers; in complex ones `im` stands so many numbers behind the real part. Where several
// transforms are done at once, which saves calls (20 ns each), they start `next` apart.
template <class T>
struct Series {
  T* data;
  int64_t step;
  int64_t im = 0, next = 0;

  Series at(int64_t i) const { return {data + i * step, step, im, next}; }
  // Every so many-th element, from i on; the next such series starts an element later (or before, if next is -1).
  Series from(int64_t i, int64_t every, int64_t next = 1) const {
    return {data + i * step, step * every, im, next * step};
  }
  // Real and imaginary parts exchanged: the transform of these is the inverse transform.
  Series swapped() const { return {data + im, step, -im, next}; }
};

// The codelets of one size for one instruction set: `count` transforms. Those for the columns of a larger transform
// take cos, sin for every element of each column; `down` is the series whose elements are the conjugates of what lies
// beyond half, from its end on.
template <class T>
struct Codelets {
  using In = const Series<const T>&;
  using Out = const Series<T>&;
  int size = 0;
  void (*real)(int64_t count, In in, Out out);
  void (*inverse)(int64_t count, In in, Out out);
  void (*complex)(int64_t count, In in, Out out);
  void (*complex_of_half)(int64_t count, In in, Out out);  // where the second half of the inputs is zero
  void (*twisted)(int64_t count, In in, const T* twiddle, Out out);
  void (*real_column)(int64_t count, In in, const T* twiddle, Out up, Out down);
  void (*real_middle)(In in, const T* twiddle, Out up);
  void (*inverse_column)(int64_t count, In up, In down, const T* twiddle, Out out);
  void (*inverse_middle)(int64_t count, In up, In down, const T* twiddle, Out out);
};

constexpr int64_t kMostSize = 256;

template <class T>
class Transform {
 public:
  using In = const Series<const T>&;
  using Out = const Series<T>&;
  Transform(Isa isa, int64_t size);
  int64_t size() const { return size_; }
  void real(int64_t count, In in, Out out) const;
  void inverse(int64_t count, In in, Out out) const;  // size times the inverse
  // The inputs from `nonzero` on hold zeros.
  void complex(int64_t count, In in, int64_t nonzero, Out out) const;
  void complex_inverse(int64_t count, In in, Out out) const { complex(count, in.swapped(), size_, out.swapped()); }

 private:
  int64_t size_;
  Codelets<T> inner_, outer_;  // inner_.size is 0 where outer_ does all
  std::vector<T> twiddle_;     // [inner][outer][cos, sin]
};

// Sizes that there are, in ascending order: 1, and even ones. One transform of each is made at most.
const std::vector<int64_t>& sizes();
template <class T>
const Transform<T>& transform(Isa isa, int64_t size);

}  // namespace torchconv::fft
