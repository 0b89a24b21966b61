// Runs the kernels on tensors of more than 2^31 elements in memory that is never touched but where they read: strides
// that skip most of x, padding that most of grad_y lies in. What they read holds a number that its exact index,
// computed in 128 bits, determines. In sanitizer builds any arithmetic that leaves its type is seen too.
//
// large all: results of 2^31 elements as well, into 64 MiB that are mapped again and again. Takes minutes.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <vector>

#include "common/isa.h"
#include "geometry.h"
#include "memory.h"
#include "pool/pool.h"
#include "registry.h"

using namespace torchconv;

namespace {

constexpr int64_t kMany = int64_t(1) << 31;
constexpr int64_t kWindow = 64 << 20;  // bytes

// Pages of zeros that take memory only once they are written; with `folded`, all of them are the same kWindow bytes.
// Between pages that nobody may touch, for an index that has lost its upper bits is negative.
class Sparse {
 public:
  explicit Sparse(int64_t bytes, bool folded = false) : bytes_((bytes + kWindow - 1) / kWindow * kWindow) {
    void* all = mmap(nullptr, size_t(bytes_ + 2 * kWindow), PROT_NONE, kFlags, -1, 0);
    TORCHCONV_CHECK(all != MAP_FAILED, "mmap: expected ", bytes_, " bytes of address space, got none");
    start_ = static_cast<char*>(all) + kWindow;
    const int file = folded ? memfd_create("folded", 0) : -1;
    bool mapped =
        folded ? ftruncate(file, kWindow) == 0 : mprotect(start_, size_t(bytes_), PROT_READ | PROT_WRITE) == 0;
    for (int64_t at = 0; folded && mapped && at < bytes_; at += kWindow)
      mapped = mmap(start_ + at, kWindow, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) != MAP_FAILED;
    if (folded) close(file);
    TORCHCONV_CHECK(mapped, "mmap: expected to map ", bytes_, " bytes, got a failure");
  }
  ~Sparse() { munmap(start_ - kWindow, size_t(bytes_ + 2 * kWindow)); }
  Sparse(const Sparse&) = delete;
  Sparse& operator=(const Sparse&) = delete;
  void* data() const { return start_; }

 private:
  static constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  int64_t bytes_;
  char* start_;
};

using Exact = __int128;
double value(Exact index) { return double(int64_t(index % 5) + int64_t(index / 1009 % 3) - 3); }

struct Case {
  const char* name;
  Sizes x, w;
  Geometry geometry;
};

constexpr int64_t k2to15 = 1 << 15, k2to30 = 1 << 30;

// x has more than 2^31 elements, y a few.
const std::vector<Case> kLargeX = {
    {"H x W", {1, 1, 70000, 40000}, {1, 1, 2, 3}, {{69998, 39997}, {0, 0, 0, 0}, {1, 1}, 1}},
    {"H", {1, 3, k2to30, 1}, {2, 3, 2, 1}, {{k2to30 - 2, 1}, {0, 0, 0, 0}, {1, 1}, 1}},
    {"W", {1, 3, 1, k2to30}, {2, 3, 1, 2}, {{1, k2to30 - 2}, {0, 0, 0, 0}, {1, 1}, 1}},
    {"N", {5, 1, k2to15, k2to15}, {17, 1, 1, 1}, {{k2to15 - 1, k2to15 - 1}, {0, 0, 0, 0}, {1, 1}, 1}},
    {"C", {1, 5, k2to15, k2to15}, {3, 5, 2, 2}, {{k2to15 - 2, k2to15 - 2}, {0, 0, 0, 0}, {1, 1}, 1}},
    {"C, 16 at a time", {1, 48, 8192, 8192}, {3, 48, 1, 2}, {{8191, 8190}, {0, 0, 0, 0}, {1, 1}, 1}},
    {"groups", {2, 6, k2to15, k2to15}, {4, 3, 2, 2}, {{k2to15 - 2, k2to15 - 2}, {0, 0, 0, 0}, {1, 1}, 2}},
    {"dilation", {1, 2, 50000, 50000}, {2, 2, 2, 2}, {{1, 1}, {0, 0, 0, 0}, {49998, 49998}, 1}},
    {"D", {1, 2, k2to15, 200, 200}, {2, 2, 2, 1, 1}, {{k2to15 - 2, 199, 199}, {0, 0, 0, 0, 0, 0}, {1, 1, 1}, 1}},
    {"1-D", {2, 1, k2to30 + 7}, {1, 1, 5}, {{k2to30}, {0, 0}, {1}, 1}},
};

// y has more than 2^31 elements, x a few: all but these lie in the padding.
const std::vector<Case> kLargeY = {
    {"P x Q", {1, 9, 3, 4}, {1, 9, 2, 2}, {{1, 1}, {34999, 35000, 35000, 34999}, {1, 1}, 1}},
    {"P x Q, scattered", {1, 4, 3, 4}, {1, 4, 2, 2}, {{1, 1}, {34999, 35000, 35000, 34999}, {1, 1}, 1}},
    {"K", {1, 9, 2, 2}, {5, 9, 2, 2}, {{1, 1}, {16384, 16384, 16384, 16384}, {1, 1}, 1}},
    {"N", {5, 9, 2, 2}, {2, 9, 2, 2}, {{1, 1}, {11600, 11600, 11600, 11600}, {1, 1}, 1}},
    {"groups", {2, 18, 2, 2}, {4, 9, 2, 2}, {{1, 1}, {9300, 9300, 9300, 9300}, {1, 1}, 2}},
    {"O", {1, 9, 2, 1, 1}, {1, 9, 2, 1, 1}, {{1, 1, 1}, {32768, 32768, 91, 91, 91, 91}, {1, 1, 1}, 1}},
};

ConvProblem problem(const Case& c, Pass pass, DType dtype, Layout layout, Isa isa, int threads) {
  ConvProblem p = make_problem(pass, c.x, c.w, conv_output_size(c.x, c.w, c.geometry), c.geometry);
  p.device = Device::cpu, p.dtype = dtype, p.layout = layout, p.isa = isa, p.threads = threads, p.has_bias = false;
  set_dense_weights(p, layout);
  return p;
}

Exact image_index(Layout layout, Exact C, Exact D, Exact H, Exact W, Exact n, Exact c, Exact d, Exact h, Exact w) {
  return layout == Layout::nchw ? (((n * C + c) * D + d) * H + h) * W + w : (((n * D + d) * H + h) * W + w) * C + c;
}

// f(index in x, in w, in y) for every product of the few places of the smaller image.
template <class F>
void for_each_product(const ConvProblem& p, const F& f) {
  const bool few_y = p.N * p.K * p.O * p.P * p.Q < p.N * p.C * p.D * p.H * p.W;
  const auto place = [&](int64_t n, int64_t k, int64_t c, int64_t t, int64_t r, int64_t s, int64_t o, int64_t i,
                         int64_t j, int64_t d, int64_t h, int64_t v) {
    const int64_t in_x = k / p.Kg() * p.Cg() + c, taps = p.T * p.R * p.S, tap = (t * p.R + r) * p.S + s;
    f(image_index(p.layout, p.C, p.D, p.H, p.W, n, in_x, d, h, v),
      p.layout == Layout::nchw ? Exact(k * p.Cg() + c) * taps + tap : Exact(k * taps + tap) * p.Cg() + c,
      image_index(p.layout, p.K, p.O, p.P, p.Q, n, k, o, i, j));
  };
  const int64_t D = few_y ? p.O : p.D, H = few_y ? p.P : p.H, W = few_y ? p.Q : p.W;
  for (int64_t n = 0; n < p.N; ++n)
    for (int64_t k = 0; k < p.K; ++k)
      for (int64_t c = 0; c < p.Cg(); ++c)
        for (int64_t t = 0; t < p.T; ++t)
          for (int64_t r = 0; r < p.R; ++r)
            for (int64_t s = 0; s < p.S; ++s)
              for (int64_t a = 0; a < D; ++a)
                for (int64_t b = 0; b < H; ++b)
                  for (int64_t e = 0; e < W; ++e) {
                    if (few_y)  // no padding
                      place(n, k, c, t, r, s, a, b, e, a * p.stride_d + t * p.dil_d, b * p.stride_h + r * p.dil_h,
                            e * p.stride_w + s * p.dil_w);
                    else  // strides of 1, and y reaches beyond x on all sides
                      place(n, k, c, t, r, s, a + p.pad_front - t, b + p.pad_top - r, e + p.pad_left - s, a, b, e);
                  }
}

Exact numel(const Sizes& sizes) {
  Exact n = 1;
  for (int64_t s : sizes) n *= s;
  return n;
}

// strassen adds whole images up in its workspace, which is then as large as they are: real memory, not sparse.
constexpr int64_t kMostWorkspace = int64_t(1) << 30;

int check_rows(const Case& c, const ConvProblem& p) {
  const int64_t item = itemsize(p.dtype);
  const Sizes y = conv_output_size(c.x, c.w, c.geometry);
  const bool fwd = p.pass == Pass::fwd, grad_input = p.pass == Pass::grad_input;
  const Sizes &a_size = grad_input ? y : c.x, &b_size = p.pass == Pass::grad_weight ? y : c.w,
              &out_size = fwd          ? y
                          : grad_input ? c.x
                                       : c.w;
  TORCHCONV_CHECK(numel(a_size) > kMany, c.name, ": expected more than 2^31 elements, got ", int64_t(numel(a_size)));
  const Sparse a(int64_t(numel(a_size)) * item);
  const Buffer b(int64_t(numel(b_size)) * item);
  const int64_t outs = int64_t(numel(out_size));
  for (int64_t i = 0; i < int64_t(numel(b_size)); ++i) set(p.dtype, b.data(), i, value(i));
  std::vector<double> expected(size_t(outs), 0.0);
  for_each_product(p, [&](Exact x, Exact w, Exact y) {
    const Exact in_a = grad_input ? y : x, in_b = p.pass == Pass::grad_weight ? y : w,
                in_out = fwd          ? y
                         : grad_input ? x
                                      : w;
    set(p.dtype, a.data(), int64_t(in_a), value(in_a));
    expected[size_t(in_out)] += value(in_a) * value(in_b);
  });
  int ran = 0;
  for (const Row& row : rows()) {
    if (row.pass != p.pass || row.device != Device::cpu || !row.supports(p).empty()) continue;
    if (row.workspace(p) > kMostWorkspace) continue;
    const Buffer out(outs * item), workspace(row.workspace(p));
    row.run(p, {a.data(), b.data(), nullptr, out.data(), workspace.data()});
    for (int64_t i = 0; i < outs; ++i)
      TORCHCONV_CHECK(std::fabs(get(p.dtype, out.data(), i) - expected[size_t(i)]) < 1e-2, row.algo, " ",
                      to_string(p.pass), " ", to_string(p.dtype), " ", to_string(p.layout), " ", to_string(p.isa),
                      ", large ", c.name, ", element ", i, ": expected ", expected[size_t(i)], ", got ",
                      get(p.dtype, out.data(), i));
    ++ran;
  }
  return ran;
}

// The maximum in windows at both ends of planes of just under 2^31 elements, the first of which are in the second
// plane.
int check_pools(DType dtype, Layout layout, Isa isa) {
  constexpr int64_t kRows = (int64_t(1) << 21) - 1, kColumns = 1 << 10, kPlanes = 2;
  pool::PoolProblem p{};
  p.dtype = dtype, p.layout = layout, p.isa = isa, p.threads = 2, p.N = 1, p.C = kPlanes;
  p.axis[1] = {kRows, 2, 2, kRows - 2, 0, 1, false};
  p.axis[2] = {kColumns, 2, 2, kColumns - 2, 0, 1, false};
  p.origin = pool::Origin::index;
  const int64_t X = p.x_plane(), Y = p.y_plane(), item = itemsize(dtype);
  const Sparse x(kPlanes * X * item);
  const Buffer y(kPlanes * Y * item), averages(kPlanes * Y * item), indices(kPlanes * Y * 8),
      workspace(pool::pool_workspace(p));
  const auto place = [&](Exact c, Exact at, Exact plane) {
    return int64_t(layout == Layout::nchw ? c * plane + at : at * kPlanes + c);
  };
  const auto at_window = [&](int64_t o) { return Exact(o / 2) * (kRows - 2) * kColumns + o % 2 * (kColumns - 2); };
  for (int64_t c = 0; c < kPlanes; ++c)
    for (int64_t o = 0; o < Y; ++o)  // the last element of each window is the largest
      set(dtype, x.data(), place(c, at_window(o) + kColumns + 1, X), double(4 * (c + o + 1)));
  pool::max_pool(p, x.data(), y.data(), indices.data(), workspace.data());
  pool::avg_pool(p, x.data(), averages.data(), workspace.data());
  for (int64_t c = 0; c < kPlanes; ++c)
    for (int64_t o = 0; o < Y; ++o) {
      const int64_t i = place(c, o, Y), index = ((int64_t*)indices.data())[i];
      TORCHCONV_CHECK(get(dtype, y.data(), i) == double(4 * (c + o + 1)) && index == at_window(o) + kColumns + 1 &&
                          get(dtype, averages.data(), i) == double(c + o + 1),
                      "pooling ", to_string(dtype), " ", to_string(layout), " ", to_string(isa), ", channel ", c,
                      ", window ", o, ": expected the last element of the window, got ", get(dtype, y.data(), i),
                      " at ", index);
    }
  return 2;
}

// Results of more than 2^31 elements. Memory that is folded holds what was written last.
int check_large_results(Layout layout) {
  const int64_t H = 46400, last = H * H - 1;
  const Sizes large = {1, 1, H, H}, one = {1, 1, 1, 1};
  const float two = 2, three = 3, bias = 7;
  const Sparse out(H * H * 4, true);
  const auto expect = [&](const char* what, double found, double expected) {
    TORCHCONV_CHECK(found == expected, what, " with a large result: expected ", expected, " at its end, got ", found);
  };
  const auto run = [&](const ConvProblem& p, const void* a, const void* b) {
    for (const Row& row : rows())
      if (row.pass == p.pass && std::string(row.algo) == "im2col") {
        const Buffer workspace(row.workspace(p));
        row.run(p, {a, b, &bias, out.data(), workspace.data()});
      }
  };
  // One pixel, and padding before it.
  ConvProblem p = problem({"y", one, one, {{1, 1}, {H - 1, 0, H - 1, 0}, {1, 1}, 1}}, Pass::fwd, DType::f32, layout,
                          detected_isa(), 1);
  p.has_bias = true;
  run(p, &two, &three);
  expect("fwd", get(DType::f32, out.data(), last), 13);
  expect("fwd", get(DType::f32, out.data(), last - 1), 7);
  // The last pixel of grad_x is the only one that the one pixel of grad_y reaches.
  p = problem({"x", large, one, {{H, H}, {0, 0, 0, 0}, {1, 1}, 1}}, Pass::grad_input, DType::f32, layout,
              detected_isa(), 1);
  p.has_bias = true;
  run(p, &two, &three);
  expect("grad_input", get(DType::f32, out.data(), last), 7);
  expect("grad_input", get(DType::f32, out.data(), 0), 13);  // written after all others were filled
  return 2;
}

}  // namespace

int main(int argc, char**) {
  int ran = 0;
  for (DType dtype : {DType::f32, DType::f16})
    for (Layout layout : {Layout::nchw, Layout::nhwc})
      for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
        if (isa > detected_isa()) continue;
        for (int threads : {1, 3}) {
          for (const Case& c : kLargeX)
            for (Pass pass : {Pass::fwd, Pass::grad_weight})
              ran += check_rows(c, problem(c, pass, dtype, layout, isa, threads));
          for (const Case& c : kLargeY) ran += check_rows(c, problem(c, Pass::grad_input, dtype, layout, isa, threads));
        }
        ran += check_pools(dtype, layout, isa);
      }
  if (argc > 1)
    for (Layout layout : {Layout::nchw, Layout::nhwc}) ran += check_large_results(layout);
  std::printf("%d runs beyond 2^31 elements agree with exact arithmetic\n", ran);
  return 0;
}
