// The one place where sums become elements of the result.
#include "common/activation-inl.h"

namespace torchconv::ISA_NS {

// What is done to a sum with its bias. ReLU and ReLU6 are clamped where the sums stand in registers.
template <class S>
struct Finish {
  Epilogue epilogue;
  const S* residual;  // from the result's first element on; null if there is none
  const S* result;
  bool nothing, clamps;
  Compute<S> most;

  Finish(const Epilogue& e, const S* residual, const S* result)
      : epilogue(e),
        residual(residual),
        result(result),
        nothing(!residual && e.activation == Activation::none),
        clamps(!residual && (e.activation == Activation::relu || e.activation == Activation::relu6)),
        most(e.activation == Activation::relu6 ? 6 : __builtin_inff()) {}
};

template <class S, class T = Compute<S>>
static __attribute__((noinline)) Vector<T> finish_slowly(const Finish<S>& f, const S* to, Vector<T> sum, int lanes) {
  if (f.residual) sum += load_part(f.residual + (to - f.result), lanes);
  return activate<T>(f.epilogue, sum);
}

template <class S, class T = Compute<S>>
TORCHCONV_INLINE Vector<T> finished(const Finish<S>& f, const S* to, Vector<T> sum, int lanes) {
  if (f.nothing) return sum;
  if (f.clamps) return sum < 0 ? Vector<T>{} : sum > f.most ? f.most - Vector<T>{} : sum;
  return finish_slowly(f, to, sum, lanes);
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
