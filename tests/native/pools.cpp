// Runs every pooling kernel and channel_shuffle on small problems, without torch, against plain loops: for sanitizer
// builds. Operands are integers with many equal ones, in buffers of exactly their size.
//
// pools [CASES]: the first so many cases alone, as slow tools want it
#include <cstdio>
#include <vector>

#include "common/isa.h"
#include "memory.h"
#include "pool/pool.h"

using namespace torchconv;
using pool::Axis;
using pool::PoolProblem;

namespace {

Axis windows(int64_t in, int64_t kernel, int64_t stride, int64_t pad = 0, int64_t dil = 1) {
  return {in, (in + 2 * pad - dil * (kernel - 1) - 1) / stride + 1, kernel, stride, pad, dil, false};
}
Axis adaptive(int64_t in, int64_t out) { return {in, out, 1, 1, 0, 1, true}; }
const Axis kNone;

struct Case {
  int64_t N, C;
  Axis d, h, w;
  int64_t divisor = 0;
  bool count_pad = true;
};

const std::vector<Case> kCases = {
    {1, 1, kNone, kNone, windows(1, 1, 1)},
    {2, 3, kNone, windows(9, 2, 2), windows(10, 2, 2)},
    {1, 5, kNone, windows(11, 3, 2, 1), windows(37, 3, 2, 1)},
    {2, 33, kNone, windows(6, 3, 1, 1), windows(19, 3, 1, 1)},
    {1, 17, kNone, windows(7, 2, 1, 0, 2), windows(21, 3, 3, 1, 4)},
    {1, 17, kNone, windows(7, 2, 1), windows(21, 3, 3, 1), 3},
    {1, 2, kNone, windows(12, 4, 5, 2), windows(40, 5, 3, 2), 0, false},
    {2, 4, kNone, kNone, windows(70, 7, 4, 3)},
    {2, 18, kNone, windows(5, 5, 1), windows(6, 6, 1)},
    {1, 3, windows(4, 2, 2), windows(6, 3, 1, 1), windows(9, 2, 1), 0, false},
    {1, 20, windows(5, 3, 2, 1), windows(5, 2, 3), windows(18, 3, 2, 1)},
    {2, 6, kNone, adaptive(7, 3), adaptive(10, 4)},
    {1, 19, adaptive(5, 2), adaptive(4, 4), adaptive(35, 3)},
    {1, 3, kNone, kNone, adaptive(300, 1)},
};

// Results written past the caches, by one dtype, layout and instruction set.
const Case kLarge = {1, 2, kNone, windows(1451, 3, 2, 1), windows(1504, 3, 2, 1)};

PoolProblem problem(const Case& c, DType dtype, Layout layout, Isa isa, int threads) {
  PoolProblem p{};
  p.dtype = dtype, p.layout = layout, p.isa = isa, p.threads = threads, p.N = c.N, p.C = c.C;
  p.axis[0] = c.d, p.axis[1] = c.h, p.axis[2] = c.w, p.count_pad = c.count_pad, p.divisor = c.divisor;
  return p;
}

// Element `at` of a plane in memory.
int64_t place(const PoolProblem& p, int64_t n, int64_t c, int64_t at, int64_t plane) {
  return p.layout == Layout::nchw ? (n * p.C + c) * plane + at : (n * plane + at) * p.C + c;
}

// The elements of axis a that window o takes, by their definition.
std::vector<int64_t> taken(const Axis& a, int64_t o) {
  std::vector<int64_t> found;
  if (a.adaptive) {
    for (int64_t i = 0; i < a.in; ++i)
      if (i >= o * a.in / a.out && i * a.out < (o + 1) * a.in) found.push_back(i);
    return found;
  }
  for (int64_t k = 0; k < a.kernel; ++k)
    if (const int64_t i = o * a.stride - a.pad + k * a.dil; i >= 0 && i < a.in) found.push_back(i);
  return found;
}
int64_t divisor(const Axis& a, int64_t o, bool count_pad) {
  if (a.adaptive || !count_pad) return int64_t(taken(a, o).size());
  return std::min(a.kernel, a.in + a.pad - (o * a.stride - a.pad));
}

// f(n, c, y's place in its plane, the window's places in the plane of x, what an average divides by)
template <class F>
void for_each_window(const PoolProblem& p, const F& f) {
  const Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
  for (int64_t o = 0; o < d.out; ++o)
    for (int64_t i = 0; i < h.out; ++i)
      for (int64_t j = 0; j < w.out; ++j) {
        std::vector<int64_t> places;
        for (int64_t z : taken(d, o))
          for (int64_t u : taken(h, i))
            for (int64_t v : taken(w, j)) places.push_back((z * h.in + u) * w.in + v);
        const double by =
            p.divisor ? double(p.divisor)
                      : double(divisor(d, o, p.count_pad) * divisor(h, i, p.count_pad) * divisor(w, j, p.count_pad));
        for (int64_t n = 0; n < p.N; ++n)
          for (int64_t c = 0; c < p.C; ++c) f(n, c, (o * h.out + i) * w.out + j, places, by);
      }
}

void expect(const PoolProblem& p, const char* what, bool ok) {
  TORCHCONV_CHECK(ok, what, " ", to_string(p.dtype), " ", to_string(p.layout), " ", to_string(p.isa), ", ", p.N, " x ",
                  p.C, " planes of ", p.x_plane(), ": expected the result of plain loops, got another");
}

int check_maxima(PoolProblem p, const Buffer& x, std::mt19937& random) {
  const int64_t X = p.x_plane(), Y = p.y_plane(), planes = p.N * p.C, item = itemsize(p.dtype);
  const Buffer y(planes * Y * item), alone(planes * Y * item), indices(planes * Y * 8), grad_y(planes * Y * item),
      grad_x(planes * X * item), sums(planes * X * item), picked(planes * Y * item), taps(planes * Y);
  auto* at = static_cast<int64_t*>(indices.data());
  const auto pool_into = [&](pool::Origin origin, const Buffer& result, void* origins) {
    p.origin = origin, p.gradient = false;
    const Buffer workspace(pool::pool_workspace(p));
    pool::max_pool(p, x.data(), result.data(), origins, workspace.data());
  };
  pool_into(pool::Origin::index, y, at);
  pool_into(pool::Origin::none, alone, nullptr);
  fill_with_integers(p.dtype, grad_y, planes * Y, random);
  for (int64_t i = 0; i < planes * X; ++i) set(p.dtype, sums.data(), i, 0);
  for_each_window(p, [&](int64_t n, int64_t c, int64_t o, const std::vector<int64_t>& places, double) {
    int64_t best = -1;
    double most = -INFINITY;
    for (int64_t i : places)
      if (const double v = get(p.dtype, x.data(), place(p, n, c, i, X)); v > most) most = v, best = i;
    const int64_t to = place(p, n, c, o, Y);
    expect(p, "max_pool", get(p.dtype, y.data(), to) == most && at[to] == best);
    if (best < 0) return;
    const int64_t from = place(p, n, c, best, X);
    set(p.dtype, sums.data(), from, get(p.dtype, sums.data(), from) + get(p.dtype, grad_y.data(), to));
  });
  expect(p, "max_pool without indices", largest_difference(p.dtype, y, alone, planes * Y) == 0);
  const auto check_gradient = [&](pool::Origin origin, const void* origins) {
    p.origin = origin, p.gradient = true;
    expect(p, "max_pool_gather", pool::max_pool_gather(p, x.data(), origins, picked.data()));
    for (int64_t i = 0; i < planes * Y; ++i)
      expect(p, "max_pool_gather", at[i] < 0 || get(p.dtype, picked.data(), i) == get(p.dtype, y.data(), i));
    const Buffer workspace(pool::pool_workspace(p));
    pool::max_pool_grad(p, grad_y.data(), origins, grad_x.data(), workspace.data());
    expect(p, "max_pool_grad", largest_difference(p.dtype, grad_x, sums, planes * X) == 0);
  };
  check_gradient(pool::Origin::index, at);
  const bool adaptive = p.axis[0].adaptive || p.axis[1].adaptive || p.axis[2].adaptive;
  if (adaptive || p.taps() > pool::kMostTaps) return 4;
  pool_into(pool::Origin::tap, alone, taps.data());
  expect(p, "max_pool with taps", largest_difference(p.dtype, y, alone, planes * Y) == 0);
  check_gradient(pool::Origin::tap, taps.data());
  return 7;
}

int check_averages(const PoolProblem& p, const Buffer& x, std::mt19937& random) {
  const int64_t X = p.x_plane(), Y = p.y_plane(), planes = p.N * p.C, item = itemsize(p.dtype);
  const Buffer y(planes * Y * item), grad_y(planes * Y * item), grad_x(planes * X * item),
      workspace(pool::pool_workspace(p));
  fill_with_integers(p.dtype, grad_y, planes * Y, random);
  pool::avg_pool(p, x.data(), y.data(), workspace.data());
  pool::avg_pool_grad(p, grad_y.data(), grad_x.data(), workspace.data());
  std::vector<double> spread(size_t(planes * X));
  const double tolerance = itemsize(p.dtype) == 2 ? 0.03 : 1e-5;
  for_each_window(p, [&](int64_t n, int64_t c, int64_t o, const std::vector<int64_t>& places, double by) {
    double sum = 0;
    const int64_t to = place(p, n, c, o, Y);
    for (int64_t i : places) {
      const int64_t from = place(p, n, c, i, X);
      sum += get(p.dtype, x.data(), from);
      spread[size_t(from)] += get(p.dtype, grad_y.data(), to) / by;
    }
    expect(p, "avg_pool", std::fabs(get(p.dtype, y.data(), to) - sum / by) < tolerance);
  });
  for (int64_t i = 0; i < planes * X; ++i)
    expect(p, "avg_pool_grad", std::fabs(get(p.dtype, grad_x.data(), i) - spread[size_t(i)]) < 2 * tolerance);
  return 2;
}

int check_shuffle(const PoolProblem& p, const Buffer& x) {
  const int64_t X = p.x_plane(), planes = p.N * p.C;
  int ran = 0;
  for (int64_t groups = 1; groups <= p.C; ++groups) {
    if (p.C % groups) continue;
    const Buffer y(planes * X * itemsize(p.dtype));
    pool::channel_shuffle(p, groups, x.data(), y.data());
    for (int64_t n = 0; n < p.N; ++n)
      for (int64_t c = 0; c < p.C; ++c)
        for (int64_t i = 0; i < X; ++i) {
          const int64_t to = c % (p.C / groups) * groups + c / (p.C / groups);
          expect(p, "channel_shuffle",
                 get(p.dtype, y.data(), place(p, n, to, i, X)) == get(p.dtype, x.data(), place(p, n, c, i, X)));
        }
    ++ran;
  }
  return ran;
}

}  // namespace

int main(int argc, char** argv) {
  std::mt19937 random(0);
  int ran = 0;
  const size_t few = argc > 1 ? size_t(std::atoi(argv[1])) : kCases.size();
  for (size_t i = 0; i < few; ++i)
    for (DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16})
      for (Layout layout : {Layout::nchw, Layout::nhwc})
        for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
          for (int threads : {1, 3}) {
            if (isa > detected_isa()) continue;
            const Case& c = kCases[i];
            const PoolProblem p = problem(c, dtype, layout, isa, threads);
            const Buffer x(p.N * p.C * p.x_plane() * itemsize(dtype));
            fill_with_integers(dtype, x, p.N * p.C * p.x_plane(), random);
            ran += check_maxima(p, x, random) + check_shuffle(p, x);
            if (c.d.dil == 1 && c.h.dil == 1 && c.w.dil == 1) ran += check_averages(p, x, random);  // as torch has them
          }
  if (few == kCases.size()) {
    const PoolProblem p = problem(kLarge, DType::f32, Layout::nchw, detected_isa(), 3);
    const Buffer x(p.N * p.C * p.x_plane() * itemsize(p.dtype));
    fill_with_integers(p.dtype, x, p.N * p.C * p.x_plane(), random);
    ran += check_maxima(p, x, random) + check_shuffle(p, x);
  }
  std::printf("%d poolings agree with plain loops\n", ran);
  return 0;
}
