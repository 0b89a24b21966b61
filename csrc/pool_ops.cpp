// The operators of pooling and channel_shuffle: schemas, checks, and the way from tensors to a PoolProblem and back.
#include "common/isa.h"
#include "common/parallel.h"
#include "pool/pool.h"
#include "profile.h"
#include "tensors.h"
#include "workspace.h"

namespace torchconv {
namespace {

using pool::Axis;
using pool::Origin;
using pool::PoolProblem;

// Indices are 32 bits wide inside the kernels, and products of two sizes have to fit 64.
constexpr int64_t kLargestPlane = INT32_MAX;

void check_image(const char* name, const Sizes& x) {
  TORCHCONV_CHECK(x.size() >= 3 && x.size() <= 5, name, ": expected [N, C, L], [N, C, H, W] or [N, C, D, H, W], got ",
                  to_string(x));
}

void check_plane(const char* name, const Sizes& x) {
  int64_t plane = 1;
  for (size_t i = 2; i < x.size(); ++i)
    TORCHCONV_CHECK(x[i] > 0 && !__builtin_mul_overflow(plane, x[i], &plane) && plane <= kLargestPlane, name,
                    ": expected spatial sizes of at least 1 and less than 2^31 elements in a plane, got ",
                    to_string(x));
}

// x and y agree in N and C, and share a memory format; the windows are still to be set.
PoolProblem make_problem(const Tensor& first, const Sizes& x, const Sizes& y, MemoryFormat format) {
  PoolProblem p{};
  p.dtype = dtype_of("x", first), p.layout = layout_of(format), p.isa = current_isa();
  p.N = x[0], p.C = x[1];
  const size_t d = x.size() - 2;
  for (size_t i = 0; i < d; ++i) p.axis[3 - d + i].in = x[2 + i], p.axis[3 - d + i].out = y[2 + i];
  return p;
}

void set_windows(PoolProblem& p, const Sizes& kernel_size, const Sizes& stride, const Sizes& padding,
                 const Sizes& dilation) {
  const size_t d = kernel_size.size();
  for (size_t i = 0; i < d; ++i) {
    Axis& a = p.axis[3 - d + i];
    a.kernel = kernel_size[i], a.stride = stride[i], a.pad = padding[i], a.dil = dilation[i];
  }
}

// Windows that divide x evenly are those of a stride, for which there are faster kernels; where there is one window in
// a plane, the plane is one row.
void set_adaptive_windows(PoolProblem& p) {
  Axis &d = p.axis[0], &h = p.axis[1], &w = p.axis[2];
  if (p.y_plane() == 1) w.in = p.x_plane(), d.in = h.in = 1;
  bool even = w.out > 0 && w.in / w.out <= 8;  // for wide windows, running along them is faster
  for (const Axis* a : {&d, &h, &w}) even = even && a->out > 0 && a->in % a->out == 0;
  for (Axis* a : {&d, &h, &w}) {
    a->adaptive = !even;
    if (even) a->kernel = a->stride = a->in / a->out;
  }
}

// A profiler sees "torchconv::max_pool [8, 64, 112, 112] -> [8, 64, 56, 56]".
std::string range_name(const char* op, const Tensor& from, const Tensor& to) {
  return join(op, " ", to_string(sizes_of(from)), " -> ", to_string(sizes_of(to)));
}

// Gives the kernel, which makes `to` from `from`, its threads and its workspace.
template <class Run>
void run(PoolProblem& p, const char* op, const Tensor& from, const Tensor& to, const Run& kernel) {
  const double work = double(p.N) * p.C * (double(p.x_plane()) + double(p.y_plane()) * p.taps());
  p.threads = int(useful_threads(work, num_threads()));
  const Workspace workspace(pool::pool_workspace(p), from);
  const ProfiledRange range([&] { return range_name(op, from, to); });
  kernel(p, workspace.data());
}

Sizes with_plane(const Tensor& t, const Sizes& spatial) {
  const Sizes size = sizes_of(t);
  TORCHCONV_CHECK(size.size() == spatial.size() + 2, "size: expected one entry per spatial dimension of ",
                  to_string(size), ", got ", to_string(spatial));
  Sizes out = {size[0], size[1]};
  out.insert(out.end(), spatial.begin(), spatial.end());
  return out;
}

void check_output_size(const Sizes& output_size) {
  for (int64_t v : output_size)
    TORCHCONV_CHECK(v >= 0 && v <= kLargestPlane, "output_size: expected numbers from 0 to 2^31, got ",
                    to_string(output_size));
}

// What a maximum keeps: "nothing", "indices" or "taps".
Origin parse_origin(const std::string& keep, const PoolProblem& p) {
  if (keep == "nothing") return Origin::none;
  if (keep == "indices") return Origin::index;
  TORCHCONV_CHECK(keep == "taps", "keep: expected \"nothing\", \"indices\" or \"taps\", got \"", keep, "\"");
  TORCHCONV_CHECK(p.taps() <= pool::kMostTaps, "keep: expected \"indices\" for windows of more than ", pool::kMostTaps,
                  " elements, got \"taps\"");
  return Origin::tap;
}

// The indices or taps of maxima, as they were kept: which of the two, their dtype says.
Origin origin_of(const Tensor& origins) {
  const ScalarType dtype = origins.scalar_type();
  TORCHCONV_CHECK(dtype == ScalarType::Long || dtype == ScalarType::Byte, "origins: expected dtype int64 (indices) or ",
                  "uint8 (taps), got ", torch::headeronly::toString(dtype));
  return dtype == ScalarType::Long ? Origin::index : Origin::tap;
}

// The problem of a forward pass, and the size of y.
struct Forward {
  PoolProblem p;
  Sizes y_size;
};

Forward with_windows(const Tensor& x, const Sizes& kernel_size, const Sizes& stride, const Sizes& padding,
                     const Sizes& dilation, bool ceil_mode) {
  dtype_of("x", x);
  const Sizes x_size = sizes_of(x);
  const Sizes y_size = pool_output_size(x_size, kernel_size, stride, padding, dilation, ceil_mode);
  check_plane("x", x_size);
  PoolProblem p = make_problem(x, x_size, y_size, format_of(x));
  set_windows(p, kernel_size, stride, padding, dilation);
  return {p, y_size};
}

Forward with_adaptive_windows(const Tensor& x, const Sizes& output_size) {
  dtype_of("x", x);
  check_image("x", sizes_of(x));
  check_output_size(output_size);
  const Sizes x_size = sizes_of(x), y_size = with_plane(x, output_size);
  check_plane("x", x_size);
  PoolProblem p = make_problem(x, x_size, y_size, format_of(x));
  set_adaptive_windows(p);
  return {p, y_size};
}

std::tuple<Tensor, Tensor> run_max_pool(PoolProblem& p, const Tensor& x, const Sizes& y_size) {
  check_cpu("x", x);
  const MemoryFormat format = format_of(x);
  const Tensor dense = make_dense(x, format), y = allocate(y_size, format, x);
  const ScalarType dtype = p.origin == Origin::tap ? ScalarType::Byte : ScalarType::Long;
  const Tensor origins =
      p.origin == Origin::none ? allocate({0}, MemoryFormat::Contiguous, x, dtype) : allocate(y_size, format, x, dtype);
  if (y.numel())
    run(p, "max_pool", x, y, [&](const PoolProblem& p, void* workspace) {
      pool::max_pool(p, dense.const_data_ptr(), y.mutable_data_ptr(), origins.mutable_data_ptr(), workspace);
    });
  return {y, origins};
}

std::tuple<Tensor, Tensor> max_pool(const Tensor& x, Sizes kernel_size, Sizes stride, Sizes padding, Sizes dilation,
                                    bool ceil_mode, std::string keep) {
  auto [p, y_size] = with_windows(x, kernel_size, stride, padding, dilation, ceil_mode);
  p.origin = parse_origin(keep, p);
  return run_max_pool(p, x, y_size);
}

std::tuple<Tensor, Tensor> adaptive_max_pool(const Tensor& x, Sizes output_size, bool with_indices) {
  auto [p, y_size] = with_adaptive_windows(x, output_size);
  p.origin = with_indices ? Origin::index : Origin::none;
  return run_max_pool(p, x, y_size);
}

// kernel_size is empty where the windows are adaptive.
Tensor max_pool_grad(const Tensor& grad_y, const Tensor& origins, Sizes x_plane, Sizes kernel_size, Sizes stride,
                     Sizes padding, Sizes dilation, bool ceil_mode) {
  dtype_of("grad_y", grad_y);
  check_cpu("grad_y", grad_y);
  const Sizes y_size = sizes_of(grad_y), x_size = with_plane(grad_y, x_plane);
  check_image("grad_y", y_size);
  check_plane("x_size", x_size);
  TORCHCONV_CHECK(sizes_of(origins) == y_size, "origins: expected size ", to_string(y_size), ", got ",
                  to_string(sizes_of(origins)));
  const MemoryFormat format = format_of(grad_y);
  const Tensor dense = make_dense(grad_y, format), at = make_dense(origins, format);
  Tensor grad_x = allocate(x_size, format, grad_y);
  PoolProblem p = make_problem(grad_y, x_size, y_size, format);
  p.origin = origin_of(origins), p.gradient = true;
  if (kernel_size.empty()) {
    TORCHCONV_CHECK(p.origin == Origin::index, "origins: expected int64 (indices) for adaptive windows, got uint8");
    set_adaptive_windows(p);
  } else {
    const Sizes expected = pool_output_size(x_size, kernel_size, stride, padding, dilation, ceil_mode);
    TORCHCONV_CHECK(y_size == expected, "grad_y: expected size ", to_string(expected), ", got ", to_string(y_size));
    set_windows(p, kernel_size, stride, padding, dilation);
  }
  if (!dense.numel()) return torch::stable::zero_(grad_x);
  run(p, "max_pool_grad", grad_y, grad_x, [&](const PoolProblem& p, void* workspace) {
    pool::max_pool_grad(p, dense.const_data_ptr(), at.const_data_ptr(), grad_x.mutable_data_ptr(), workspace);
  });
  return grad_x;
}

Tensor max_pool_gather(const Tensor& x, const Tensor& origins, Sizes kernel_size, Sizes stride, Sizes padding,
                       Sizes dilation, bool ceil_mode) {
  dtype_of("x", x);
  check_cpu("x", x);
  const Sizes x_size = sizes_of(x), y_size = sizes_of(origins);
  check_image("x", x_size);
  check_plane("x", x_size);
  TORCHCONV_CHECK(y_size.size() == x_size.size() && y_size[0] == x_size[0] && y_size[1] == x_size[1],
                  "origins: expected x's rank and first two sizes, ", to_string(x_size), ", got size ",
                  to_string(y_size));
  const MemoryFormat format = format_of(x);
  const Tensor dense = make_dense(x, format), at = make_dense(origins, format), y = allocate(y_size, format, x);
  PoolProblem p = make_problem(x, x_size, y_size, format);
  p.origin = origin_of(origins), p.threads = num_threads();
  if (p.origin == Origin::tap) {
    const Sizes expected = pool_output_size(x_size, kernel_size, stride, padding, dilation, ceil_mode);
    TORCHCONV_CHECK(y_size == expected, "origins: expected size ", to_string(expected), ", got ", to_string(y_size));
    set_windows(p, kernel_size, stride, padding, dilation);
  }
  const ProfiledRange range([&] { return range_name("max_pool_gather", x, y); });
  if (y.numel())
    TORCHCONV_CHECK(pool::max_pool_gather(p, dense.const_data_ptr(), at.const_data_ptr(), y.mutable_data_ptr()),
                    "origins: expected numbers below ", p.x_plane(), ", the size of a plane, got a larger one");
  return y;
}

void set_average(PoolProblem& p, bool count_include_pad, std::optional<int64_t> divisor) {
  TORCHCONV_CHECK(!divisor || *divisor != 0, "divisor_override: expected a number other than 0, got 0");
  p.count_pad = count_include_pad, p.divisor = divisor.value_or(0);
}

Tensor run_avg_pool(PoolProblem& p, const Tensor& x, const Sizes& y_size) {
  check_cpu("x", x);
  const MemoryFormat format = format_of(x);
  const Tensor dense = make_dense(x, format), y = allocate(y_size, format, x);
  if (y.numel())
    run(p, "avg_pool", x, y, [&](const PoolProblem& p, void* workspace) {
      pool::avg_pool(p, dense.const_data_ptr(), y.mutable_data_ptr(), workspace);
    });
  return y;
}

Tensor run_avg_pool_grad(PoolProblem& p, const Tensor& grad_y, const Sizes& x_size) {
  check_cpu("grad_y", grad_y);
  const MemoryFormat format = format_of(grad_y);
  const Tensor dense = make_dense(grad_y, format);
  Tensor grad_x = allocate(x_size, format, grad_y);
  if (!dense.numel()) return torch::stable::zero_(grad_x);
  run(p, "avg_pool_grad", grad_y, grad_x, [&](const PoolProblem& p, void* workspace) {
    pool::avg_pool_grad(p, dense.const_data_ptr(), grad_x.mutable_data_ptr(), workspace);
  });
  return grad_x;
}

Tensor avg_pool(const Tensor& x, Sizes kernel_size, Sizes stride, Sizes padding, bool ceil_mode, bool count_include_pad,
                std::optional<int64_t> divisor) {
  auto [p, y_size] = with_windows(x, kernel_size, stride, padding, Sizes(kernel_size.size(), 1), ceil_mode);
  set_average(p, count_include_pad, divisor);
  return run_avg_pool(p, x, y_size);
}

Tensor avg_pool_grad(const Tensor& grad_y, Sizes x_plane, Sizes kernel_size, Sizes stride, Sizes padding,
                     bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor) {
  dtype_of("grad_y", grad_y);
  const Sizes y_size = sizes_of(grad_y), x_size = with_plane(grad_y, x_plane), dilation(kernel_size.size(), 1);
  const Sizes expected = pool_output_size(x_size, kernel_size, stride, padding, dilation, ceil_mode);
  check_plane("x_size", x_size);
  TORCHCONV_CHECK(y_size == expected, "grad_y: expected size ", to_string(expected), ", got ", to_string(y_size));
  PoolProblem p = make_problem(grad_y, x_size, y_size, format_of(grad_y));
  set_windows(p, kernel_size, stride, padding, dilation);
  set_average(p, count_include_pad, divisor);
  return run_avg_pool_grad(p, grad_y, x_size);
}

Tensor adaptive_avg_pool(const Tensor& x, Sizes output_size) {
  auto [p, y_size] = with_adaptive_windows(x, output_size);
  return run_avg_pool(p, x, y_size);
}

Tensor adaptive_avg_pool_grad(const Tensor& grad_y, Sizes x_plane) {
  dtype_of("grad_y", grad_y);
  check_image("grad_y", sizes_of(grad_y));
  const Sizes y_size = sizes_of(grad_y), x_size = with_plane(grad_y, x_plane);
  check_plane("x_size", x_size);
  PoolProblem p = make_problem(grad_y, x_size, y_size, format_of(grad_y));
  set_adaptive_windows(p);
  return run_avg_pool_grad(p, grad_y, x_size);
}

Tensor channel_shuffle(const Tensor& x, int64_t groups) {
  const Sizes size = sizes_of(x);
  dtype_of("x", x);
  check_cpu("x", x);
  TORCHCONV_CHECK(size.size() >= 3 && size.size() <= 5, "x: expected [N, C, spatial...] of rank 3 to 5, got ",
                  to_string(size));
  TORCHCONV_CHECK(groups > 0, "groups: expected a positive number, got ", groups);
  TORCHCONV_CHECK(size[1] % groups == 0, "groups: expected a divisor of the ", size[1], " channels of x, got ", groups);
  const MemoryFormat format = format_of(x);
  const Tensor dense = make_dense(x, format), y = allocate(size, format, x);
  PoolProblem p = make_problem(x, size, size, format);
  p.threads = int(useful_threads(double(x.numel()), num_threads()));
  const ProfiledRange range([&] { return range_name("channel_shuffle", x, y); });
  if (y.numel()) pool::channel_shuffle(p, groups, dense.const_data_ptr(), y.mutable_data_ptr());
  return y;
}

}  // namespace
}  // namespace torchconv

#define TORCHCONV_WINDOWS "int[] kernel_size, int[] stride, int[] padding, "
#define TORCHCONV_DILATED TORCHCONV_WINDOWS "int[] dilation, bool ceil_mode"
#define TORCHCONV_AVERAGE TORCHCONV_WINDOWS "bool ceil_mode, bool count_include_pad, int? divisor_override) -> Tensor"

STABLE_TORCH_LIBRARY_FRAGMENT(torchconv, m) {
  m.def("max_pool(Tensor x, " TORCHCONV_DILATED ", str keep) -> (Tensor, Tensor)");
  m.def("adaptive_max_pool(Tensor x, SymInt[] output_size, bool with_indices) -> (Tensor, Tensor)");
  m.def("max_pool_grad(Tensor grad_y, Tensor origins, SymInt[] x_size, " TORCHCONV_DILATED ") -> Tensor");
  m.def("max_pool_gather(Tensor x, Tensor origins, " TORCHCONV_DILATED ") -> Tensor");
  m.def("avg_pool(Tensor x, " TORCHCONV_AVERAGE);
  m.def("avg_pool_grad(Tensor grad_y, SymInt[] x_size, " TORCHCONV_AVERAGE);
  m.def("adaptive_avg_pool(Tensor x, SymInt[] output_size) -> Tensor");
  m.def("adaptive_avg_pool_grad(Tensor grad_y, SymInt[] x_size) -> Tensor");
  m.def("channel_shuffle(Tensor x, int groups) -> Tensor");
}

static void add_kernels(torch::stable::detail::StableLibrary& m) {
  m.impl("max_pool", TORCH_BOX(&torchconv::max_pool));
  m.impl("adaptive_max_pool", TORCH_BOX(&torchconv::adaptive_max_pool));
  m.impl("max_pool_grad", TORCH_BOX(&torchconv::max_pool_grad));
  m.impl("max_pool_gather", TORCH_BOX(&torchconv::max_pool_gather));
  m.impl("avg_pool", TORCH_BOX(&torchconv::avg_pool));
  m.impl("avg_pool_grad", TORCH_BOX(&torchconv::avg_pool_grad));
  m.impl("adaptive_avg_pool", TORCH_BOX(&torchconv::adaptive_avg_pool));
  m.impl("adaptive_avg_pool_grad", TORCH_BOX(&torchconv::adaptive_avg_pool_grad));
  m.impl("channel_shuffle", TORCH_BOX(&torchconv::channel_shuffle));
}

STABLE_TORCH_LIBRARY_IMPL(torchconv, CPU, m) { add_kernels(m); }
STABLE_TORCH_LIBRARY_IMPL(torchconv, CUDA, m) { add_kernels(m); }
