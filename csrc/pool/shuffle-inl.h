// channel_shuffle: elements are moved as bits, U as wide as they are.
namespace torchconv::ISA_NS {

template <class U>
struct BitsOf {
  static constexpr int lanes = kVectorBytes / sizeof(U);
  typedef U type __attribute__((vector_size(kVectorBytes)));
  typedef U unaligned __attribute__((vector_size(kVectorBytes), aligned(sizeof(U)), may_alias));
};

// The lanes of a and b in turn, from lane First of both on.
template <class U, int First, int... I>
TORCHCONV_INLINE typename BitsOf<U>::type weave_bits(typename BitsOf<U>::type a, typename BitsOf<U>::type b,
                                                     integer_list<I...>) {
  return __builtin_shufflevector(a, b, First + I / 2 + (I % 2 ? BitsOf<U>::lanes : 0)...);
}

// v[g] holds lanes of group g; afterwards the vectors hold the groups' lanes in turn. First the halves of the groups
// with each other, and so on: log2(G) times G shuffles.
template <class U, int G>
TORCHCONV_INLINE void interleave(typename BitsOf<U>::type* v) {
  if constexpr (G > 1) {
    constexpr int L = BitsOf<U>::lanes;
    const typename first_integers<L>::type lanes;
    typename BitsOf<U>::type even[G / 2], odd[G / 2];
#pragma GCC unroll 4
    for (int g = 0; g < G / 2; ++g) even[g] = v[2 * g], odd[g] = v[2 * g + 1];
    interleave<U, G / 2>(even);
    interleave<U, G / 2>(odd);
#pragma GCC unroll 4
    for (int g = 0; g < G / 2; ++g) {
      v[2 * g] = weave_bits<U, 0>(even[g], odd[g], lanes);
      v[2 * g + 1] = weave_bits<U, L / 2>(even[g], odd[g], lanes);
    }
  }
}

// Channels g * each + j to j * groups + g, for rows of C elements; G: the groups, if a kernel knows them.
template <class U, int G>
static void shuffle_rows(const U* x, int64_t rows, int64_t groups, int64_t each, bool large, U* y) {
  using V = BitsOf<U>;
  for (int64_t i = 0; i < rows; ++i, x += groups * each, y += groups * each) {
    int64_t j = 0;
    if constexpr (G > 0)
      for (; j + V::lanes <= each; j += V::lanes) {
        typename V::type v[G];
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) v[g] = *(const typename V::unaligned*)(x + g * each + j);
        interleave<U, G>(v);
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) {
          U* to = y + j * G + g * V::lanes;
          if (large)
            stream((float*)to, (Vector<float>)v[g]);
          else
            *(typename V::unaligned*)to = v[g];
        }
      }
    for (; j < each; ++j)
      for (int64_t g = 0; g < (G ? G : groups); ++g) y[j * groups + g] = x[g * each + j];
  }
}

template <class U>
static void shuffle_nhwc(const PoolProblem& p, int64_t groups, const U* x, U* y) {
  const int64_t rows = p.N * p.x_plane(), tasks = 4 * int64_t(p.threads);
  const int64_t each = p.C / groups, bytes = p.C * sizeof(U);
  const bool large = rows * bytes > kPoolStreamBytes && bytes % kVectorBytes == 0 && each % BitsOf<U>::lanes == 0 &&
                     stream_aligned((const float*)y);
  const auto shuffle = groups == 2   ? shuffle_rows<U, 2>
                       : groups == 4 ? shuffle_rows<U, 4>
                       : groups == 8 ? shuffle_rows<U, 8>
                                     : shuffle_rows<U, 0>;
  parallel_tasks(tasks, p.threads, [&](int64_t task, int) {
    const int64_t begin = task * rows / tasks, end = (task + 1) * rows / tasks;
    shuffle(x + begin * p.C, end - begin, groups, each, large, y + begin * p.C);
    if (large) stream_fence();
  });
}

// Copies a plane past the caches.
template <class U>
TORCHCONV_INLINE void stream_run(const U* from, int64_t count, U* to) {
  constexpr int64_t L = BitsOf<U>::lanes;
  int64_t i = 0;
  for (; i < count && uint64_t(to + i) % kVectorBytes; ++i) to[i] = from[i];
  for (; i + L <= count; i += L) stream((float*)(to + i), load((const float*)(from + i)));
  for (; i < count; ++i) to[i] = from[i];
}

// memcpy copies planes that stay in the caches as fast as a loop of vectors does.
template <class U>
static void shuffle_nchw(const PoolProblem& p, int64_t groups, const U* x, U* y) {
  const int64_t each = p.C / groups, size = p.x_plane();
  const bool large = p.N * p.C * size * int64_t(sizeof(U)) > kPoolStreamBytes;
  for_each_plane(p, [&](int64_t i) {
    const int64_t n = i / p.C, c = i % p.C, from = (n * p.C + c % groups * each + c / groups) * size;
    large ? stream_run(x + from, size, y + i * size) : (void)__builtin_memcpy(y + i * size, x + from, size * sizeof(U));
    if (large) stream_fence();
  });
}

template <class U>
static void channel_shuffle(const PoolProblem& p, int64_t groups, const U* x, U* y) {
  p.layout == Layout::nhwc ? shuffle_nhwc(p, groups, x, y) : shuffle_nchw(p, groups, x, y);
}

}  // namespace torchconv::ISA_NS
