// The sum of the lanes of a vector, by halves.
namespace torchconv::ISA_NS {

template <class T, int Half = kLanes<T> / 2>
TORCHCONV_INLINE T sum_lanes(Vector<T> v);
template <class T, int Half, int... I>
TORCHCONV_INLINE T sum_halves(Vector<T> v, integer_list<I...>) {
  return sum_lanes<T, Half / 2>(v + __builtin_shufflevector(v, v, (I ^ Half)...));
}
template <class T, int Half>
TORCHCONV_INLINE T sum_lanes(Vector<T> v) {
  if constexpr (Half)
    return sum_halves<T, Half>(v, typename first_integers<kLanes<T>>::type());
  else
    return v[0];
}

}  // namespace torchconv::ISA_NS
