// Discrete Fourier transforms of chunks: 64 bytes of numbers, one of each of so many channels. A transform of up to 20
// is one generated codelet; a larger one is two passes of codelets, n = inner * outer, with e^(-2 pi i k m / n) between.
//
// A real transform of even size n has n / 2 slots of two chunks: slot k holds output k, and slot 0 the two outputs that
// are real, 0 and n / 2.
#pragma once
#include <cstdint>
#include <vector>

#include "common/problem.h"

namespace torchconv::fft {

// A chunk every `step` numbers; in complex ones `im` stands so many numbers behind the real part.
template <class T>
struct Series {
  T* data;
  int64_t step;
  int64_t im = 0;

  Series at(int64_t i) const { return {data + i * step, step, im}; }
  Series from(int64_t i, int64_t every) const { return {data + i * step, step * every, im}; }
  // Real and imaginary parts exchanged: the transform of these is the inverse transform.
  Series swapped() const { return {data + im, step, -im}; }
};

// The codelets of one size for one instruction set. Those for one column of a larger transform: `down` is the series
// whose elements are the conjugates of what lies beyond half, from its end on; twiddle is cos, sin for every element.
template <class T>
struct Codelets {
  int size = 0;
  void (*real)(Series<const T> in, Series<T> out);
  void (*inverse)(Series<const T> in, Series<T> out);
  void (*complex)(Series<const T> in, Series<T> out);
  void (*complex_of_half)(Series<const T> in, Series<T> out);  // where the second half of the inputs is zero
  void (*twisted)(Series<const T> in, const T* twiddle, Series<T> out);
  void (*real_column)(Series<const T> in, const T* twiddle, Series<T> up, Series<T> down);
  void (*real_middle)(Series<const T> in, const T* twiddle, Series<T> up);
  void (*inverse_column)(Series<const T> up, Series<const T> down, const T* twiddle, Series<T> out);
  void (*inverse_middle)(Series<const T> up, Series<const T> down, const T* twiddle, Series<T> out);
};

constexpr int64_t kMostSize = 256;

template <class T>
class Transform {
 public:
  Transform(Isa isa, int64_t size);
  int64_t size() const { return size_; }
  void real(Series<const T> in, Series<T> out) const;
  void inverse(Series<const T> in, Series<T> out) const;  // size times the inverse
  // The inputs from `nonzero` on hold zeros.
  void complex(Series<const T> in, int64_t nonzero, Series<T> out) const;
  void complex_inverse(Series<const T> in, Series<T> out) const {
    complex(in.swapped(), size_, out.swapped());
  }

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
