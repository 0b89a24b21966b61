#include "geometry.h"

#include <string>

#include "common/error.h"

namespace torchconv {

std::string to_string(const Sizes& sizes) {
  std::string out = "[";
  for (size_t i = 0; i < sizes.size(); ++i) out += (i ? ", " : "") + std::to_string(sizes[i]);
  return out + "]";
}

// Beyond this, sums and products of a few sizes could leave int64.
constexpr int64_t kLargest = int64_t(1) << 40;

static void check_list(const char* name, const Sizes& list, size_t length, int64_t least) {
  TORCHCONV_CHECK(list.size() == length, name, ": expected ", length, " entries, got ", to_string(list));
  for (int64_t v : list)
    TORCHCONV_CHECK(v >= least && v <= kLargest, name, ": expected ",
                    least == 0 ? "numbers that are not negative" : "positive numbers",
                    v > kLargest ? " up to 2^40" : "", ", got ", to_string(list));
}

static void check_numel(const char* name, const Sizes& sizes) {
  int64_t numel = 1;
  for (int64_t s : sizes)
    TORCHCONV_CHECK(s >= 0 && !__builtin_mul_overflow(numel, s ? s : 1, &numel) && numel <= (INT64_MAX >> 4), name,
                    ": expected a size that fits in memory, got ", to_string(sizes));
}

static void check_window(size_t d, const Geometry& g) {
  check_list("stride", g.stride, d, 1);
  check_list("dilation", g.dilation, d, 1);
  check_list("padding", g.padding, 2 * d, 0);
}

// The number of places that a kernel of this size can be at along spatial dimension i.
static int64_t places(const char* x_name, int64_t x, const char* kernel_name, int64_t kernel, size_t i,
                      const Geometry& g) {
  TORCHCONV_CHECK(x >= 0 && x <= kLargest, x_name, ": expected sizes from 0 to 2^40, got ", x, " in spatial dimension ",
                  i);
  TORCHCONV_CHECK(kernel >= 1 && kernel <= kLargest, kernel_name, ": expected kernel sizes from 1 to 2^40, got ",
                  kernel, " in spatial dimension ", i);
  const __int128 padded = __int128(x) + g.padding[2 * i] + g.padding[2 * i + 1];
  const __int128 extent = __int128(g.dilation[i]) * (kernel - 1) + 1;
  TORCHCONV_CHECK(extent <= padded, kernel_name, ": expected a kernel no larger than the padded input (",
                  int64_t(padded), " in spatial dimension ", i, "), got ",
                  extent > kLargest ? std::string("more than 2^40") : std::to_string(int64_t(extent)),
                  " = dilation * (size - 1) + 1");
  return int64_t((padded - extent) / g.stride[i] + 1);
}

Sizes conv_output_size(const Sizes& x, const Sizes& w, const Geometry& g) {
  const size_t rank = x.size();
  TORCHCONV_CHECK(rank >= 3 && rank <= 5, "x: expected [N, C, L], [N, C, H, W] or [N, C, D, H, W], got ", to_string(x));
  TORCHCONV_CHECK(w.size() == rank, "w: expected ", rank, " dimensions as x has, got ", to_string(w));
  check_window(rank - 2, g);
  TORCHCONV_CHECK(g.groups > 0, "groups: expected a positive number, got ", g.groups);
  TORCHCONV_CHECK(x[1] % g.groups == 0, "groups: expected a divisor of the ", x[1], " channels of x, got ", g.groups);
  TORCHCONV_CHECK(w[0] % g.groups == 0, "groups: expected a divisor of the ", w[0], " output channels of w, got ",
                  g.groups);
  TORCHCONV_CHECK(w[1] == x[1] / g.groups, "w: expected size ", x[1] / g.groups,
                  " in dimension 1 (channels of x / groups = ", x[1], " / ", g.groups, "), got ", to_string(w));
  Sizes y = {x[0], w[0]};
  for (size_t i = 0; i + 2 < rank; ++i) y.push_back(places("x", x[2 + i], "w", w[2 + i], i, g));
  check_numel("x", x);
  check_numel("w", w);
  check_numel("y", y);
  return y;
}

void check_output_size(const char* name, const Sizes& x, const Sizes& w, const Sizes& y, const Geometry& g) {
  const Sizes expected = conv_output_size(x, w, g);
  TORCHCONV_CHECK(y == expected, name, ": expected size ", to_string(expected), " for x of size ", to_string(x),
                  " and w of size ", to_string(w), ", got ", to_string(y));
}

ConvProblem make_problem(Pass pass, const Sizes& x, const Sizes& w, const Sizes& y, const Geometry& g) {
  ConvProblem p{};
  // Of the dimensions D, H, W (i = 0, 1, 2), those before the first are missing: one place, and nothing around it.
  const size_t first = 5 - x.size();
  const auto size = [&](const Sizes& sizes, size_t i) { return i < first ? 1 : sizes[2 + i - first]; };
  const auto step = [&](const Sizes& steps, size_t i) { return i < first ? 1 : steps[i - first]; };
  const auto pad = [&](size_t side) { return side < 2 * first ? 0 : g.padding[side - 2 * first]; };
  p.pass = pass;
  p.N = x[0], p.C = x[1], p.D = size(x, 0), p.H = size(x, 1), p.W = size(x, 2);
  p.K = w[0], p.T = size(w, 0), p.R = size(w, 1), p.S = size(w, 2);
  p.O = size(y, 0), p.P = size(y, 1), p.Q = size(y, 2);
  p.G = g.groups;
  p.stride_d = step(g.stride, 0), p.stride_h = step(g.stride, 1), p.stride_w = step(g.stride, 2);
  p.dil_d = step(g.dilation, 0), p.dil_h = step(g.dilation, 1), p.dil_w = step(g.dilation, 2);
  p.pad_front = pad(0), p.pad_back = pad(1), p.pad_top = pad(2), p.pad_bottom = pad(3);
  p.pad_left = pad(4), p.pad_right = pad(5);
  return p;
}

Layout layout_to_compute(const ConvProblem& p, Layout layout) {
  const bool single = p.D * p.H * p.W == 1 && p.O * p.P * p.Q == 1;
  const bool single_w = p.T * p.R * p.S == 1 || p.pass != Pass::grad_weight;
  return single && single_w ? Layout::nhwc : layout;
}

ConvProblem make_unfold_problem(const char* x_name, const Sizes& x, const Sizes& kernel_size, const Geometry& g) {
  TORCHCONV_CHECK(x.size() == 4, x_name, ": expected [N, C, H, W], got ", to_string(x));
  check_window(2, g);
  check_list("kernel_size", kernel_size, 2, 1);
  const int64_t P = places(x_name, x[2], "kernel_size", kernel_size[0], 0, g),
                Q = places(x_name, x[3], "kernel_size", kernel_size[1], 1, g);
  check_numel(x_name, x);
  check_numel("columns", {x[0], x[1], kernel_size[0], kernel_size[1], P, Q});
  return make_problem(Pass::fwd, x, {1, x[1], kernel_size[0], kernel_size[1]}, {x[0], 1, P, Q}, g);
}

Sizes pool_output_size(const Sizes& x, const Sizes& kernel_size, const Sizes& stride, const Sizes& padding,
                       const Sizes& dilation, bool ceil_mode) {
  TORCHCONV_CHECK(x.size() >= 3 && x.size() <= 5, "x: expected [N, C, L], [N, C, H, W] or [N, C, D, H, W], got ",
                  to_string(x));
  check_numel("x", x);
  const size_t d = x.size() - 2;
  check_list("kernel_size", kernel_size, d, 1);
  check_list("stride", stride, d, 1);
  check_list("padding", padding, d, 0);
  check_list("dilation", dilation, d, 1);
  Sizes y = {x[0], x[1]};
  for (size_t i = 0; i < d; ++i) {
    const int64_t in = x[2 + i];
    TORCHCONV_CHECK(in > 0, "x: expected spatial sizes of at least 1, got ", to_string(x));
    const __int128 extent = __int128(dilation[i]) * (kernel_size[i] - 1) + 1, rest = in + 2 * padding[i] - extent;
    TORCHCONV_CHECK(padding[i] <= extent / 2,
                    "padding: expected at most half of dilation * (kernel_size - 1) + 1, got ", to_string(padding),
                    " for kernel_size ", to_string(kernel_size));
    TORCHCONV_CHECK(rest >= 0 || (ceil_mode && -rest < stride[i]),
                    "kernel_size: expected windows no larger than the padded input (", in + 2 * padding[i],
                    " in spatial dimension ", i, "), got ", to_string(kernel_size), " with dilation ",
                    to_string(dilation));
    int64_t out = rest >= 0 ? int64_t(rest / stride[i]) + 1 : 0;
    // One more where elements are left over, if its window begins inside x or the padding before it.
    const bool left_over = rest < 0 || rest % stride[i] != 0;
    if (ceil_mode && left_over && out * stride[i] < in + padding[i]) ++out;
    TORCHCONV_CHECK(out > 0, "kernel_size: expected at least one window, got ", to_string(kernel_size));
    y.push_back(out);
  }
  check_numel("y", y);
  return y;
}

// The dimensions from the innermost outwards: W H (D) C N, or C W H (D) N.
static int dimension_from_inside(int i, int rank, Layout layout) {
  if (layout == Layout::nchw || i == rank - 1) return rank - 1 - i;
  return i == 0 ? 1 : rank - i;
}

bool suggests_channels_last(int rank, const int64_t* sizes, const int64_t* strides) {
  if (strides[1] == 0) return false;
  int64_t least = 0;
  for (int i = 0; i < rank; ++i) {
    const int d = dimension_from_inside(i, rank, Layout::nhwc);
    if (sizes[d] == 0 || strides[d] < least) return false;
    if (d == 0 && least == strides[1]) return false;  // ambiguous: torch decides for contiguous
    least = strides[d] * (sizes[d] > 1 ? sizes[d] : 1);
  }
  return true;
}

bool is_dense(int rank, const int64_t* sizes, const int64_t* strides, Layout layout) {
  int64_t expected = 1;
  for (int i = 0; i < rank; ++i) {
    const int d = dimension_from_inside(i, rank, layout);
    if (sizes[d] != 1 && strides[d] != expected) return false;
    expected *= sizes[d];
  }
  return true;
}

}  // namespace torchconv
