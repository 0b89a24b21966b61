// Sums of blocks, once per instruction set; halves.h says which.
namespace torchconv::ISA_NS {

using strassen::Halves;
using strassen::ImageBlocks;

using strassen::kLeft;
using strassen::kRight;
using strassen::kSum1;
using strassen::Operand;

enum class Side { left, right };

// The four sums of four blocks, for vectors and for single numbers.
template <Side side, class V>
TORCHCONV_INLINE void sum_blocks(V q11, V q12, V q21, V q22, V* sums) {
  if (side == Side::left) {
    sums[0] = q21 + q22, sums[1] = sums[0] - q11, sums[2] = q11 - q21, sums[3] = q12 - sums[1];
  } else {
    sums[0] = q12 - q11, sums[1] = q22 - sums[0], sums[2] = q22 - q12, sums[3] = sums[1] - q21;
  }
}

// The same for runs of `count` elements. A sum may take the place of a block.
template <Side side, class T>
static void sum_runs(const T* const* blocks, T* const* sums, int64_t count) {
  constexpr int n = kLanes<T>;
  int64_t i = 0;
  for (; i + n <= count; i += n) {
    Vector<T> s[4];
    sum_blocks<side>(load(blocks[0] + i), load(blocks[1] + i), load(blocks[2] + i), load(blocks[3] + i), s);
    for (int j = 0; j < 4; ++j) store(sums[j] + i, s[j]);
  }
  for (; i < count; ++i) {
    T s[4];
    sum_blocks<side>(blocks[0][i], blocks[1][i], blocks[2][i], blocks[3][i], s);
    for (int j = 0; j < 4; ++j) sums[j][i] = s[j];
  }
}

// Sums of an image's blocks as four dense tensors, `elements` apart. blocks[q]: where block 11, 12, 21 or 22 begins.
template <Side side, class T>
static void sum_images(const ImageBlocks& im, const T* image, const int64_t* blocks, T* sums, int threads) {
  const int64_t pixels = im.N * im.plane, at_once = 64;
  const auto sum_run = [&](int64_t from, int64_t to, int64_t count) {
    const T* run[4];
    T* out[4];
    for (int q = 0; q < 4; ++q) run[q] = image + blocks[q] + from, out[q] = sums + q * im.elements() + to;
    sum_runs<side>(run, out, count);
  };
  if (im.layout == Layout::nchw)
    return parallel_tasks(im.N * im.groups * im.channels, threads, [&](int64_t task, int) {
      const int64_t n = task / (im.groups * im.channels), group = task / im.channels % im.groups,
                    c = task % im.channels;
      sum_run(n * im.stride_n + group * im.stride_group + c * im.stride_c, task * im.plane, im.plane);
    });
  parallel_tasks(ceil_div(pixels, at_once), threads, [&](int64_t task, int) {
    for (int64_t p = task * at_once; p < smaller((task + 1) * at_once, pixels); ++p)
      for (int64_t group = 0; group < im.groups; ++group)
        sum_run(p * im.stride_pixel + group * im.stride_group, (p * im.groups + group) * im.channels, im.channels);
  });
}

}  // namespace torchconv::ISA_NS
