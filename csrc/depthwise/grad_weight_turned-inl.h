// The weight gradient of small NCHW maps, turned to channels_last. A task is a block of channels, of some of the
// images.
#include "depthwise/turned-inl.h"

namespace torchconv::ISA_NS {

template <class S, class T = Compute<S>>
struct TurnedSums {
  int64_t blocks, splits, each;        // elements of one task's sums
  int64_t x_size, y_size, per_thread;  // elements
  int64_t bytes;                       // of all

  explicit TurnedSums(const Weights& g) {
    blocks = ceil_div(g.K, kTurned<T>), each = g.taps() * kTurned<T>;
    splits = g.threads == 1 ? 1 : smaller(g.N, ceil_div(4 * g.threads, blocks));
    x_size = turned_size<T>(g.h.in * g.w.in), y_size = turned_size<T>(g.h.out * g.w.out);
    bytes = (g.threads * (x_size + y_size) + blocks * splits * each) * int64_t(sizeof(T));
  }
};

template <class S, class T = Compute<S>>
static void grad_weight_turned(const Weights& g, const S* x, const S* grad_y, S* grad_w, void* workspace) {
  const TurnedSums<S> s(g);
  Weights block = g;
  block.N = 1, block.C = block.K = kTurned<T>, block.threads = 1;
  const ChannelSums<T> plan(block);
  const int64_t x_plane = g.h.in * g.w.in, y_plane = g.h.out * g.w.out;
  T* sums = (T*)workspace + g.threads * (s.x_size + s.y_size);
  parallel_tasks(s.blocks * s.splits, g.threads, [&](int64_t task, int thread) {
    T *own = sums + task * s.each, *turned_x = (T*)workspace + thread * (s.x_size + s.y_size);
    T* turned_y = turned_x + s.x_size;
    Ahead none;
    const int64_t split = task % s.splits, c = task / s.splits * kTurned<T>, count = smaller(kTurned<T>, g.K - c);
    zero(own, s.each);
    for (int64_t n = split * g.N / s.splits; n < (split + 1) * g.N / s.splits; ++n) {
      turn_in(x + (n * g.K + c) * x_plane, count, x_plane, turned_x);
      turn_in(grad_y + (n * g.K + c) * y_plane, count, y_plane, turned_y);
      sum_rows_of_channels(block, plan, turned_x, turned_y, Range{0, g.h.out}, Range{0, kTurned<T>}, none, none, own);
    }
  });
  parallel_tasks(s.blocks, 1, [&](int64_t i, int) {
    const int64_t c = i * kTurned<T>, count = smaller(kTurned<T>, g.K - c);
    write_sums(g, sums + i * s.splits * s.each, s.splits, s.each, kTurned<T>, count, grad_w + c * g.w_k);
  });
}

}  // namespace torchconv::ISA_NS
