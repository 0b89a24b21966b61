// The one place where sums become elements of the result.
#include "common/activation-inl.h"

namespace torchconv::ISA_NS {

// What is done to a sum with its bias: ReLU, ReLU6 and nothing are a clamp, where the sums stand in registers.
template <class S>
struct Finish {
  Epilogue epilogue;
  const S* residual;  // from the result's first element on; null if there is none
  const S* result;
  bool nothing, slow;  // slow: an activation that is more than a clamp
  Compute<S> least, most;

  Finish(const Epilogue& e, const S* residual, const S* result)
      : epilogue(e),
        residual(residual),
        result(result),
        nothing(!residual && e.activation == Activation::none),
        slow(e.activation > Activation::relu6),
        least(e.activation == Activation::none ? -__builtin_inff() : 0),
        most(e.activation == Activation::relu6 ? 6 : __builtin_inff()) {}
};

template <class S, class T = Compute<S>>
TORCHCONV_INLINE Vector<T> clamped(const Finish<S>& f, Vector<T> sum) {
  const Vector<T> least = f.least - Vector<T>{}, most = f.most - Vector<T>{};
  return sum < least ? least : sum > most ? most : sum;
}

template <class S, class T = Compute<S>>
TORCHCONV_INLINE Vector<T> finished(const Finish<S>& f, const S* to, Vector<T> sum, int lanes) {
  if (f.nothing) return sum;
  if (f.residual) sum += load_part(f.residual + (to - f.result), lanes);
  return f.slow ? activate<T>(f.epilogue, sum) : clamped(f, sum);
}

template <class S, class T = Compute<S>>
TORCHCONV_INLINE void finish(const Finish<S>& f, S* to, Vector<T> sum, Vector<T> bias, int lanes, bool past_caches) {
  sum = finished(f, to, sum + bias, lanes);
  if (past_caches && lanes == kLanes<T> && stream_aligned(to))
    stream(to, sum);
  else
    store_part(to, sum, lanes);
}

}  // namespace torchconv::ISA_NS
