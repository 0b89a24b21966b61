// What the weight gradient does around its seven products: sums of its operands, and sums of the products.
#include "common/simd-inl.h"
#include "strassen/sums-inl.h"

namespace torchconv::ISA_NS {

// Blocks of grad_y, outputs by pixels, and of x, pixels by channels.
template <class T>
static void sum_grad_y(const ImageBlocks& im, const T* grad_y, T* sums, int threads) {
  const int64_t blocks[4] = {im.block(0, 0), im.block(1, 0), im.block(0, 1), im.block(1, 1)};
  sum_images<Side::left>(im, grad_y, blocks, sums, threads);
}
template <class T>
static void sum_x(const ImageBlocks& im, const T* x, T* sums, int threads) {
  const int64_t blocks[4] = {im.block(0, 0), im.block(0, 1), im.block(1, 0), im.block(1, 1)};
  sum_images<Side::right>(im, x, blocks, sums, threads);
}

// The four blocks of the result for `count` elements of the products. Block 11 is stored last: where blocks share a
// place, each of them may have it.
template <class V>
TORCHCONV_INLINE void combine_products(const V* p, V* c) {
  const V p16 = p[0] + p[5], p167 = p16 + p[6];
  c[0] = p[0] + p[1], c[1] = p16 + p[4] + p[2], c[2] = p167 - p[3], c[3] = p167 + p[4];
}
template <class T>
static void combine_runs(const T* products, int64_t product, T* const* results, int64_t count) {
  constexpr int n = kLanes<T>;
  int64_t i = 0;
  for (; i + n <= count; i += n) {
    Vector<T> p[7], c[4];
    for (int j = 0; j < 7; ++j) p[j] = load(products + j * product + i);
    combine_products(p, c);
    for (int q = 3; q >= 0; --q) store(results[q] + i, c[q]);
  }
  for (; i < count; ++i) {
    T p[7], c[4];
    for (int j = 0; j < 7; ++j) p[j] = products[j * product + i];
    combine_products(p, c);
    for (int q = 3; q >= 0; --q) results[q][i] = c[q];
  }
}

// grad_w of one group out of its seven products, `product` elements apart.
template <class T>
static void combine_grad_w(const Halves& h, const T* products, int64_t product, T* grad_w, int threads) {
  const Gather& g = h.g;
  const bool nhwc = g.layout == Layout::nhwc;
  // A row of grad_w: (tap, channel) in channels_last, else (channel, tap).
  const int64_t runs = nhwc ? g.taps() : 1, run = nhwc ? g.channels : g.depth(), row = g.taps() * h.whole_channels;
  const int64_t second = (h.whole_channels - g.channels) * (nhwc ? 1 : g.taps());
  parallel_tasks(g.outputs, threads, [&](int64_t k, int) {
    for (int64_t i = 0; i < runs; ++i) {
      T* first = grad_w + k * row + i * h.whole_channels;
      T* last = k < h.shared_outputs ? first : first + h.dst_outputs * row;  // a row belongs to one task
      T* const results[4] = {first, first + second, last, last + second};
      combine_runs(products + k * g.depth() + i * run, product, results, run);
    }
  });
}

// grad_w += rest
template <class T>
static void add_rest(const T* rest, T* grad_w, int64_t count, int threads) {
  constexpr int n = kLanes<T>;
  const int64_t at_once = 4096;
  parallel_tasks(ceil_div(count, at_once), threads, [&](int64_t task, int) {
    const int64_t end = smaller((task + 1) * at_once, count);
    int64_t i = task * at_once;
    for (; i + n <= end; i += n) store(grad_w + i, load(grad_w + i) + load(rest + i));
    for (; i < end; ++i) grad_w[i] += rest[i];
  });
}

}  // namespace torchconv::ISA_NS
