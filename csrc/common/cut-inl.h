// Rows cut by a stride, and joined again. After simd-inl.h, once per instruction set.
namespace torchconv::ISA_NS {

template <class T, int First, int... I>
TORCHCONV_INLINE Vector<T> pick_pairs(Vector<T> low, Vector<T> high, integer_list<I...>) {
  return __builtin_shufflevector(low, high, 2 * I + First...);
}
// Every third element of the three vectors, from First on.
template <class T, int First, int... I>
TORCHCONV_INLINE Vector<T> pick_threes(Vector<T> low, Vector<T> middle, Vector<T> high, integer_list<I...>) {
  constexpr int end = 2 * kLanes<T>;  // of low and middle
  const Vector<T> of_both = __builtin_shufflevector(low, middle, (3 * I + First < end ? 3 * I + First : -1)...);
  return __builtin_shufflevector(of_both, high, (3 * I + First < end ? I : 3 * I + First - end / 2)...);
}
// The lanes of a and b in turn, from lane First of both on.
template <class T, int First, int... I>
TORCHCONV_INLINE Vector<T> weave(Vector<T> a, Vector<T> b, integer_list<I...>) {
  return __builtin_shufflevector(a, b, First + I / 2 + (I % 2 ? kLanes<T> : 0)...);
}

// Cuts a row by its stride: element i goes to line[i % stride][i / stride], i counted from `pad` on. The lines are
// line_length apart, so that what a window takes for neighbouring outputs lies side by side.
template <class T, class S>
TORCHCONV_INLINE void cut_row(const S* from, int64_t count, int64_t pad, int64_t stride, T* lines,
                              int64_t line_length) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  if (stride == 1) {
    for (; i + L <= count; i += L) store(lines + pad + i, load(from + i));
    if (i < count) store_part(lines + pad + i, load_part(from + i, int(count - i)), int(count - i));
    return;
  }
  if (stride == 2) {
    const typename first_integers<L>::type lanes;
    T* even = lines + pad % 2 * line_length + pad / 2;
    T* odd = lines + (pad + 1) % 2 * line_length + (pad + 1) / 2;
    for (; i < count; i += 2 * L) {
      const int64_t rest = count - i;
      const Vector<T> low = load_part(from + i, int(smaller(L, rest)));
      const Vector<T> high = rest > L ? load_part(from + i + L, int(smaller(L, rest - L))) : Vector<T>{};
      store_part(even + i / 2, pick_pairs<T, 0>(low, high, lanes), int(smaller(L, (rest + 1) / 2)));
      store_part(odd + i / 2, pick_pairs<T, 1>(low, high, lanes), int(smaller(L, rest / 2)));
    }
    return;
  }
  int64_t line = pad % stride, at = pad / stride;
  for (; i < count; ++i) {
    lines[line * line_length + at] = T(from[i]);
    if (++line == stride) line = 0, ++at;
  }
}

// The inverse: [i % stride][i / stride], i from pad on, into a row.
template <class T, class S>
TORCHCONV_INLINE void join_row(const T* lines, int64_t line_length, int64_t pad, int64_t stride, S* to, int64_t count) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  if (stride == 1) {
    for (; i < count; i += L) store_part(to + i, load(lines + pad + i), int(smaller(L, count - i)));
    return;
  }
  if (stride == 2) {
    const typename first_integers<L>::type lanes;
    const T* even = lines + pad % 2 * line_length + pad / 2;
    const T* odd = lines + (pad + 1) % 2 * line_length + (pad + 1) / 2;
    for (; i < count; i += 2 * L) {
      const int64_t rest = count - i;
      const Vector<T> a = load(even + i / 2), b = load(odd + i / 2);
      store_part(to + i, weave<T, 0>(a, b, lanes), int(smaller(L, rest)));
      if (rest > L) store_part(to + i + L, weave<T, L / 2>(a, b, lanes), int(smaller(L, rest - L)));
    }
    return;
  }
  int64_t line = pad % stride, at = pad / stride;
  for (; i < count; ++i) {
    to[i] = S(lines[line * line_length + at]);
    if (++line == stride) line = 0, ++at;
  }
}

}  // namespace torchconv::ISA_NS
