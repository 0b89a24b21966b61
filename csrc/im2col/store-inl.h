// NCHW: finished tiles of sums -> the result, with bias, residual and activation.
namespace torchconv::ISA_NS {

// The operands of one group.
template <class S>
struct Operands {
  const S* src;
  const S* bias;
  S* dst;
  const S* w;                // weights of this group as they stand
  const Packed<S>* packed;   // the same packed, if they are
  const Packed<S>* patches;  // all of them, if they are packed first
  const S* residual;
  Epilogue epilogue;

  // The same, from an offset of the source and a channel of the result on.
  Operands from(int64_t source, int64_t channel, int64_t dst_c) const {
    return {src + source,
            bias ? bias + channel : nullptr,
            dst + channel * dst_c,
            w,
            packed,
            patches,
            residual ? residual + channel * dst_c : nullptr,
            epilogue};
  }
};

// A chunk of one output, whose pixels are neighbours in memory or not. plane is the output's offset in the result.
template <class S, bool Stream, class T = Compute<S>>
TORCHCONV_INLINE void store_chunk(const Operands<S>& op, const T* from, const ChunkRuns<T>& chunk, int64_t plane,
                                  int64_t every, T add) {
  if (chunk.consecutive) {
    const int64_t at = plane + chunk.runs[0].start.target;
    const bool past_caches = Stream && stream_aligned(op.dst + at);
    for (int v = 0; v < kChunk<T>; v += kLanes<T>) {
      Vector<T> sum = load(from + v) + (add - Vector<T>{});
      if (op.residual) sum += load(op.residual + at + v);
      sum = activate<T>(op.epilogue, sum);
      past_caches ? stream(op.dst + at + v, sum) : store(op.dst + at + v, sum);
    }
    return;
  }
  for (int r = 0; r < chunk.count; ++r) {
    const LaneRun& run = chunk.runs[r];
    const int64_t at = plane + run.start.target - run.first * every;
#if TORCHCONV_ISA >= 2
    if (every == 1) {
      Vector<T> sum = load(from) + (add - Vector<T>{});
      if (op.residual) sum += load_masked(op.residual + at, run.lanes());
      store_masked(op.dst + at, activate<T>(op.epilogue, sum), run.lanes());
      continue;
    }
#endif
    for (int v = run.first / kLanes<T> * kLanes<T>; v < run.last; v += kLanes<T>) {
      Vector<T> sum = load(from + v) + (add - Vector<T>{});
      const int first = int(larger(run.first - v, 0)), last = int(smaller(run.last - v, kLanes<T>));
      if (op.residual)
        for (int l = first; l < last; ++l) sum[l] += T(op.residual[at + (v + l) * every]);
      sum = activate<T>(op.epilogue, sum);
      for (int l = first; l < last; ++l) op.dst[at + (v + l) * every] = S(sum[l]);
    }
  }
}

// The finished tile of outputs [o, o + rows) and the pixels of `chunks` chunks.
template <class S, bool Stream, class T = Compute<S>>
static void store_nchw(const Gather& g, const Operands<S>& op, const T* tile, int64_t rows, const ChunkRuns<T>* runs,
                       int chunks, int64_t o) {
  for (int64_t i = 0; i < rows; ++i) {
    const T add = op.bias ? T(op.bias[o + i]) : T(0);
    for (int c = 0; c < chunks; ++c)
      store_chunk<S, Stream>(op, tile + i * kColumns<T> + c * kChunk<T>, runs[c], (o + i) * g.dst_c,
                             g.w.dst_every * g.dst_w, add);
  }
}

}  // namespace torchconv::ISA_NS
