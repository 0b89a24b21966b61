// Codelets on chunks in memory. Included once per instruction set by transform.cpp.
#include "common/simd-inl.h"
#include "fft/codelets-inl.h"
#include "fft/codelets_large-inl.h"

namespace torchconv::ISA_NS {

using fft::Codelets;
using fft::Series;

#define TORCHCONV_LAMBDA __attribute__((always_inline))

// f(v) for every vector of a chunk, for `count` transforms, after each of which `advance` is called.
template <class T, class F, class A>
TORCHCONV_INLINE void for_each_transform(int64_t count, const F& f, const A& advance) {
  for (; count > 0; --count, advance())
#pragma GCC unroll 1
    for (int v = 0; v < kVectorsPerChunk<T>; ++v) f(v);
}
template <class T>
TORCHCONV_INLINE void go_on(Series<T>& s) {
  s.data += s.next;
}

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
static void real_codelet(int64_t count, const Series<const T>& from, const Series<T>& to) {
  Series<const T> in = from;
  Series<T> out = to;
  const auto run = [&](int v) TORCHCONV_LAMBDA {
    Codelet<N>::template real<T, Vector<T>>([&](int i) TORCHCONV_LAMBDA { return re_of(in, i, v); },
                                            [&](int k, Vector<T> re, Vector<T> im) TORCHCONV_LAMBDA {
                                              if (k == 0) return store(out.data + v * kLanes<T>, re);
                                              if (2 * k == N) return store(out.data + out.im + v * kLanes<T>, re);
                                              put(out, k, v, re, im);
                                            });
  };
  for_each_transform<T>(count, run, [&]() TORCHCONV_LAMBDA { go_on(in), go_on(out); });
}

template <class T, int N>
static void inverse_codelet(int64_t count, const Series<const T>& from, const Series<T>& to) {
  Series<const T> in = from;
  Series<T> out = to;
  const auto run = [&](int v) TORCHCONV_LAMBDA {
    Codelet<N>::template inverse<T, Vector<T>>(
        [&](int k) TORCHCONV_LAMBDA { return 2 * k == N ? im_of(in, 0, v) : re_of(in, k, v); },
        [&](int k) TORCHCONV_LAMBDA { return im_of(in, k, v); },
        [&](int i, Vector<T> value) TORCHCONV_LAMBDA { store(out.data + i * out.step + v * kLanes<T>, value); });
  };
  for_each_transform<T>(count, run, [&]() TORCHCONV_LAMBDA { go_on(in), go_on(out); });
}

template <class T, int N, bool of_half>
static void complex_codelet(int64_t count, const Series<const T>& from, const Series<T>& to) {
  Series<const T> in = from;
  Series<T> out = to;
  const auto run = [&](int v) TORCHCONV_LAMBDA {
    const auto re = [&](int i) TORCHCONV_LAMBDA { return re_of(in, i, v); };
    const auto im = [&](int i) TORCHCONV_LAMBDA { return im_of(in, i, v); };
    const auto end = [&](int k, Vector<T> r, Vector<T> i) TORCHCONV_LAMBDA { put(out, k, v, r, i); };
    if constexpr (of_half)
      Codelet<N>::template complex_of_half<T, Vector<T>>(re, im, end);
    else
      Codelet<N>::template complex<T, Vector<T>>(re, im, end);
  };
  for_each_transform<T>(count, run, [&]() TORCHCONV_LAMBDA { go_on(in), go_on(out); });
}

template <class T, int N>
static void twisted_codelet(int64_t count, const Series<const T>& from, const T* twiddle, const Series<T>& to) {
  Series<const T> in = from;
  Series<T> out = to;
  const auto run = [&](int v) TORCHCONV_LAMBDA {
    Codelet<N>::template complex<T, Vector<T>>(
        [&](int i) TORCHCONV_LAMBDA { return turned_re(twiddle, i, re_of(in, i, v), im_of(in, i, v)); },
        [&](int i) TORCHCONV_LAMBDA { return turned_im(twiddle, i, re_of(in, i, v), im_of(in, i, v)); },
        [&](int k, Vector<T> re, Vector<T> im) TORCHCONV_LAMBDA { put(out, k, v, re, im); });
  };
  for_each_transform<T>(count, run, [&]() TORCHCONV_LAMBDA { go_on(in), go_on(out), twiddle += 2 * N; });
}

template <class T, int N>
static void real_column_codelet(int64_t count, const Series<const T>& from, const T* twiddle, const Series<T>& first,
                                const Series<T>& last) {
  Series<const T> in = from;
  Series<T> up = first, down = last;
  const auto run = [&](int v) TORCHCONV_LAMBDA {
    Codelet<N>::template complex<T, Vector<T>>(
        [&](int i) TORCHCONV_LAMBDA { return turned_re(twiddle, i, re_of(in, i, v), im_of(in, i, v)); },
        [&](int i) TORCHCONV_LAMBDA { return turned_im(twiddle, i, re_of(in, i, v), im_of(in, i, v)); },
        [&](int k, Vector<T> re, Vector<T> im) TORCHCONV_LAMBDA {
          if (2 * k < N)
            put(up, k, v, re, im);
          else
            put(down, N - 1 - k, v, re, -im);
        });
  };
  for_each_transform<T>(count, run, [&]() TORCHCONV_LAMBDA { go_on(in), go_on(up), go_on(down), twiddle += 2 * N; });
}

// The column halfway, whose inputs are real and whose outputs are their own mirror image.
template <class T, int N>
static void real_middle_codelet(const Series<const T>& in, const T* twiddle, const Series<T>& up) {
  const auto run = [&](int v) TORCHCONV_LAMBDA {
    Codelet<N>::template complex<T, Vector<T>>(
        [&](int i) TORCHCONV_LAMBDA { return turned_re(twiddle, i, re_of(in, i, v), Vector<T>{}); },
        [&](int i) TORCHCONV_LAMBDA { return turned_im(twiddle, i, re_of(in, i, v), Vector<T>{}); },
        [&](int k, Vector<T> re, Vector<T> im) TORCHCONV_LAMBDA {
          if (2 * k < N) put(up, k, v, re, im);
        });
  };
  for_each_transform<T>(1, run, [&]() TORCHCONV_LAMBDA {});
}

// Inverse transforms have real and imaginary parts exchanged on the way in and out. middle: only real parts are wanted.
template <class T, int N, bool middle>
static void inverse_column_codelet(int64_t count, const Series<const T>& first, const Series<const T>& last,
                                   const T* twiddle, const Series<T>& to) {
  Series<const T> up = first, down = last;
  Series<T> out = to;
  const auto run = [&](int v) TORCHCONV_LAMBDA {
    Codelet<N>::template complex<T, Vector<T>>(
        [&](int k) TORCHCONV_LAMBDA { return 2 * k < N ? im_of(up, k, v) : -im_of(down, N - 1 - k, v); },
        [&](int k) TORCHCONV_LAMBDA { return 2 * k < N ? re_of(up, k, v) : re_of(down, N - 1 - k, v); },
        [&](int i, Vector<T> im, Vector<T> re) TORCHCONV_LAMBDA {
          store(out.data + i * out.step + v * kLanes<T>, turned_im(twiddle, i, im, re));
          if (!middle) store(out.data + out.im + i * out.step + v * kLanes<T>, turned_re(twiddle, i, im, re));
        });
  };
  for_each_transform<T>(count, run, [&]() TORCHCONV_LAMBDA { go_on(up), go_on(down), go_on(out), twiddle += 2 * N; });
}

template <class T, int N>
static void fill_codelets(Codelets<T>& c) {
  c.size = N;
  c.real = real_codelet<T, N>, c.inverse = inverse_codelet<T, N>, c.complex = complex_codelet<T, N, false>;
  if constexpr (N % 2 == 0) {
    c.complex_of_half = complex_codelet<T, N, true>;
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
