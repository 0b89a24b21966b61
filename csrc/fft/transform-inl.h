// Codelets on chunks in memory. Included once per instruction set by transform.cpp.
#include "common/simd-inl.h"
#include "fft/codelets-inl.h"
#include "fft/codelets_large-inl.h"

namespace torchconv::ISA_NS {

using fft::Codelets;
using fft::Series;

#define TORCHCONV_LAMBDA __attribute__((always_inline))

// Vector v of element i of a series.
template <class T>
TORCHCONV_INLINE Vector<T> re_of(const Series<const T>& s, int i, int v) {
  return load(s.data + i * s.step + v * kLanes<T>);
}
template <class T>
TORCHCONV_INLINE Vector<T> im_of(const Series<const T>& s, int i, int v) {
  return load(s.data + s.im + i * s.step + v * kLanes<T>);
}
template <class T>
TORCHCONV_INLINE void put(const Series<T>& s, int i, int v, Vector<T> re, Vector<T> im) {
  store(s.data + i * s.step + v * kLanes<T>, re);
  store(s.data + s.im + i * s.step + v * kLanes<T>, im);
}

// Parts of z * (cos - i sin), which is z itself for element 0.
template <class T>
TORCHCONV_INLINE Vector<T> turned_re(const T* twiddle, int i, Vector<T> re, Vector<T> im) {
  return i == 0 ? re : re * twiddle[2 * i] + im * twiddle[2 * i + 1];
}
template <class T>
TORCHCONV_INLINE Vector<T> turned_im(const T* twiddle, int i, Vector<T> re, Vector<T> im) {
  return i == 0 ? im : im * twiddle[2 * i] - re * twiddle[2 * i + 1];
}

template <class T, int N>
static void real_codelet(Series<const T> in, Series<T> out) {
#pragma GCC unroll 1
  for (int v = 0; v < kVectorsPerChunk<T>; ++v)
    Codelet<N>::template real<T, Vector<T>>(
        [&](int i) TORCHCONV_LAMBDA { return re_of(in, i, v); },
        [&](int k, Vector<T> re, Vector<T> im) TORCHCONV_LAMBDA {
          if (k == 0) return store(out.data + v * kLanes<T>, re);
          if (2 * k == N) return store(out.data + out.im + v * kLanes<T>, re);
          put(out, k, v, re, im);
        });
}

template <class T, int N>
static void inverse_codelet(Series<const T> in, Series<T> out) {
#pragma GCC unroll 1
  for (int v = 0; v < kVectorsPerChunk<T>; ++v)
    Codelet<N>::template inverse<T, Vector<T>>(
        [&](int k) TORCHCONV_LAMBDA { return 2 * k == N ? im_of(in, 0, v) : re_of(in, k, v); },
        [&](int k) TORCHCONV_LAMBDA { return im_of(in, k, v); },
        [&](int i, Vector<T> value) TORCHCONV_LAMBDA { store(out.data + i * out.step + v * kLanes<T>, value); });
}

template <class T, int N>
static void complex_codelet(Series<const T> in, Series<T> out) {
#pragma GCC unroll 1
  for (int v = 0; v < kVectorsPerChunk<T>; ++v)
    Codelet<N>::template complex<T, Vector<T>>(
        [&](int i) TORCHCONV_LAMBDA { return re_of(in, i, v); },
        [&](int i) TORCHCONV_LAMBDA { return im_of(in, i, v); },
        [&](int k, Vector<T> re, Vector<T> im) TORCHCONV_LAMBDA { put(out, k, v, re, im); });
}

template <class T, int N>
static void complex_of_half_codelet(Series<const T> in, Series<T> out) {
#pragma GCC unroll 1
  for (int v = 0; v < kVectorsPerChunk<T>; ++v)
    Codelet<N>::template complex_of_half<T, Vector<T>>(
        [&](int i) TORCHCONV_LAMBDA { return re_of(in, i, v); },
        [&](int i) TORCHCONV_LAMBDA { return im_of(in, i, v); },
        [&](int k, Vector<T> re, Vector<T> im) TORCHCONV_LAMBDA { put(out, k, v, re, im); });
}

// What a column of a larger transform does to its inputs (Turn::in) or to its outputs.
template <class T, int N>
static void twisted_codelet(Series<const T> in, const T* twiddle, Series<T> out) {
#pragma GCC unroll 1
  for (int v = 0; v < kVectorsPerChunk<T>; ++v)
    Codelet<N>::template complex<T, Vector<T>>(
        [&](int i) TORCHCONV_LAMBDA { return turned_re(twiddle, i, re_of(in, i, v), im_of(in, i, v)); },
        [&](int i) TORCHCONV_LAMBDA { return turned_im(twiddle, i, re_of(in, i, v), im_of(in, i, v)); },
        [&](int k, Vector<T> re, Vector<T> im) TORCHCONV_LAMBDA { put(out, k, v, re, im); });
}

template <class T, int N>
static void real_column_codelet(Series<const T> in, const T* twiddle, Series<T> up, Series<T> down) {
#pragma GCC unroll 1
  for (int v = 0; v < kVectorsPerChunk<T>; ++v)
    Codelet<N>::template complex<T, Vector<T>>(
        [&](int i) TORCHCONV_LAMBDA { return turned_re(twiddle, i, re_of(in, i, v), im_of(in, i, v)); },
        [&](int i) TORCHCONV_LAMBDA { return turned_im(twiddle, i, re_of(in, i, v), im_of(in, i, v)); },
        [&](int k, Vector<T> re, Vector<T> im) TORCHCONV_LAMBDA {
          if (2 * k < N)
            put(up, k, v, re, im);
          else
            put(down, N - 1 - k, v, re, -im);
        });
}

// The column halfway, whose inputs are real and whose outputs are their own mirror image.
template <class T, int N>
static void real_middle_codelet(Series<const T> in, const T* twiddle, Series<T> up) {
#pragma GCC unroll 1
  for (int v = 0; v < kVectorsPerChunk<T>; ++v)
    Codelet<N>::template complex<T, Vector<T>>(
        [&](int i) TORCHCONV_LAMBDA { return turned_re(twiddle, i, re_of(in, i, v), Vector<T>{}); },
        [&](int i) TORCHCONV_LAMBDA { return turned_im(twiddle, i, re_of(in, i, v), Vector<T>{}); },
        [&](int k, Vector<T> re, Vector<T> im) TORCHCONV_LAMBDA {
          if (2 * k < N) put(up, k, v, re, im);
        });
}

// Inverse transforms have real and imaginary parts exchanged on the way in and out.
template <class T, int N, bool middle>
static void inverse_column_codelet(Series<const T> up, Series<const T> down, const T* twiddle, Series<T> out) {
#pragma GCC unroll 1
  for (int v = 0; v < kVectorsPerChunk<T>; ++v)
    Codelet<N>::template complex<T, Vector<T>>(
        [&](int k) TORCHCONV_LAMBDA { return 2 * k < N ? im_of(up, k, v) : -im_of(down, N - 1 - k, v); },
        [&](int k) TORCHCONV_LAMBDA { return 2 * k < N ? re_of(up, k, v) : re_of(down, N - 1 - k, v); },
        [&](int i, Vector<T> im, Vector<T> re) TORCHCONV_LAMBDA {
          store(out.data + i * out.step + v * kLanes<T>, turned_im(twiddle, i, im, re));
          if (!middle) store(out.data + out.im + i * out.step + v * kLanes<T>, turned_re(twiddle, i, im, re));
        });
}

template <class T, int N>
static void fill_codelets(Codelets<T>& c) {
  c.size = N;
  c.real = real_codelet<T, N>, c.inverse = inverse_codelet<T, N>, c.complex = complex_codelet<T, N>;
  if constexpr (N % 2 == 0) {
    c.complex_of_half = complex_of_half_codelet<T, N>;
    if constexpr (N <= 16) {
      c.twisted = twisted_codelet<T, N>;
      c.real_column = real_column_codelet<T, N>, c.real_middle = real_middle_codelet<T, N>;
      c.inverse_column = inverse_column_codelet<T, N, false>, c.inverse_middle = inverse_column_codelet<T, N, true>;
    }
  } else {
    c.complex_of_half = c.complex;
  }
}

template <class T>
static Codelets<T> codelets(int size) {
  Codelets<T> c{};
  size == 4    ? fill_codelets<T, 4>(c)
  : size == 6  ? fill_codelets<T, 6>(c)
  : size == 8  ? fill_codelets<T, 8>(c)
  : size == 9  ? fill_codelets<T, 9>(c)
  : size == 10 ? fill_codelets<T, 10>(c)
  : size == 12 ? fill_codelets<T, 12>(c)
  : size == 16 ? fill_codelets<T, 16>(c)
  : size == 18 ? fill_codelets<T, 18>(c)
               : fill_codelets<T, 20>(c);
  return c;
}

}  // namespace torchconv::ISA_NS
