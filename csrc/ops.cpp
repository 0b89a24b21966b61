// The operators: schemas, checks on tensors, and the way from tensors to a ConvProblem and back.
// Built against the libtorch stable ABI only, so that one binary serves every torch from 2.10 on.
#include "ops.h"

#include "common/isa.h"
#include "common/parallel.h"
#include "log.h"
#include "pack.h"
#include "plans.h"
#include "im2col/gemm.h"
#include "profile.h"
#include "registry.h"
#include "tensors.h"
#include "workspace.h"
#include "unfold/unfold.h"

namespace torchconv {
namespace {

void check_bias(const std::optional<Tensor>& bias, int64_t channels, const char* first_name, const Tensor& first) {
  if (!bias) return;
  check_same("bias", *bias, first_name, first);
  TORCHCONV_CHECK(bias->dim() == 1 && bias->size(0) == channels, "bias: expected size [", channels,
                  "], one entry per output channel, got ", to_string(sizes_of(*bias)));
}

void set_weight_strides(ConvProblem& p, const Tensor& w) {
  const auto s = w.strides();
  const size_t missing = 5 - s.size();  // of T, R, S: those have one entry, so that their stride does not matter
  p.w_stride[0] = s[0], p.w_stride[1] = s[1];
  for (size_t i = 2; i < 5; ++i) p.w_stride[i] = i < 2 + missing ? 0 : s[i - missing];
}

// Fills in what a problem does not have from sizes.
void set_circumstances(ConvProblem& p, const Tensor& first) {
  p.device = first.is_cpu() ? Device::cpu : Device::cuda;
  p.dtype = dtype_of("x", first);
  p.isa = current_isa();
  p.threads = num_threads();
}

const Row& pick(const ConvProblem& p, const std::string& algo) {
  parse_algo(algo, p);
  // A row need not know empty sums, but asking for it by name is no mistake.
  const std::string asked = p.products_per_output() ? algo : "auto";
  const Row& row = select(p, asked);
  if (logging()) log_pick(p, asked);
  if (watching_problems() && asked.rfind("auto", 0) == 0 && p.products_per_output()) note_problem(p, asked);
  return row;
}

// Gives a row its workspace and runs it. a and b are the tensors behind the operands.
void run(const Row& row, const ConvProblem& p, const Tensor& a, const Tensor& b, ConvOperands operands) {
  const Workspace workspace(row.workspace(p), a);
  operands.workspace = workspace.data();
  const ProfiledRange range([&] {
    return join(row.algo, " ", to_string(p.pass), " ", to_string(sizes_of(a)), " x ", to_string(sizes_of(b)));
  });
  row.run(p, operands);
}

void run(ConvProblem& p, const Tensor& a, const Tensor& b, const ConvOperands& operands, const std::string& algo) {
  set_circumstances(p, a);
  p.has_bias = operands.bias != nullptr;
  run(pick(p, algo), p, a, b, operands);
}

}  // namespace

const void* data_or_null(const std::optional<Tensor>& t) { return t ? t->const_data_ptr() : nullptr; }
std::optional<Tensor> dense_bias(const std::optional<Tensor>& bias) {
  return bias && !bias->is_contiguous() ? std::optional<Tensor>(torch::stable::contiguous(*bias)) : bias;
}

Forward check_forward(const Tensor& like, const Sizes& x_size, MemoryFormat format, const Tensor& w,
                      const Geometry& g) {
  dtype_of("x", like);
  check_same("w", w, "x", like);
  Sizes y_size = conv_output_size(x_size, sizes_of(w), g);
  ConvProblem p = make_problem(Pass::fwd, x_size, sizes_of(w), y_size, g);
  p.layout = layout_to_compute(p, layout_of(format));
  set_weight_strides(p, w);
  set_circumstances(p, like);
  return {std::move(y_size), format, p};
}

const Row* check_fused(ConvProblem& p, const Tensor& like, const std::optional<Tensor>& bias, bool residual,
                       const std::optional<Tensor>& pack, const std::string& activation, const std::string& algo) {
  check_bias(bias, p.K, "x", like);
  p.epilogue = parse_activation(activation);
  p.has_bias = bias.has_value(), p.epilogue.residual = residual;
  const bool empty = !(p.N * p.K * p.O * p.P * p.Q);
  if (empty) parse_algo(algo, p);  // a wrong one is a mistake there, too
  const Row* row = pack ? &row_of_pack(*pack, p) : empty ? nullptr : &pick(p, algo);
  p.packed = pack.has_value();
  return empty ? nullptr : row;
}

void check_residual(const Sizes& size, const Sizes& y_size) {
  TORCHCONV_CHECK(size == y_size, "residual: expected size ", to_string(y_size), ", that of the result, got ",
                  to_string(size));
}

namespace {

Forward check_forward(const Tensor& x, const Tensor& w, const Geometry& g) {
  return check_forward(x, sizes_of(x), format_of(x), w, g);
}

Tensor conv_fused(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias,
                  const std::optional<Tensor>& residual, const std::optional<Tensor>& pack, Sizes stride, Sizes padding,
                  Sizes dilation, int64_t groups, std::string activation, std::string algo) {
  auto [y_size, format, p] = check_forward(x, w, {std::move(stride), std::move(padding), std::move(dilation), groups});
  if (residual) check_same("residual", *residual, "x", x), check_residual(sizes_of(*residual), y_size);
  const Row* const row = check_fused(p, x, bias, residual.has_value(), pack, activation, algo);
  const Tensor y = allocate(y_size, format, x), dense = make_dense(x, format);
  const auto b = dense_bias(bias);
  const Tensor add = residual ? make_dense(*residual, format) : Tensor();
  const ConvOperands operands{dense.const_data_ptr(),
                              pack ? weights_in(*pack) : w.const_data_ptr(),
                              data_or_null(b),
                              y.mutable_data_ptr(),
                              nullptr,
                              residual ? add.const_data_ptr() : nullptr};
  if (row) run(*row, p, x, w, operands);
  return y;
}

Tensor conv_fwd(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias, Sizes stride, Sizes padding,
                Sizes dilation, int64_t groups, std::string algo) {
  return conv_fused(x, w, bias, {}, {}, std::move(stride), std::move(padding), std::move(dilation), groups, "none",
                    std::move(algo));
}

// The weights as the row prepares them that conv_fused would take for such an x; empty where it prepares none.
Tensor conv_pack(const Tensor& x, const Tensor& w, Sizes stride, Sizes padding, Sizes dilation, int64_t groups,
                 std::string activation, bool residual, std::string algo) {
  ConvProblem p = check_forward(x, w, {std::move(stride), std::move(padding), std::move(dilation), groups}).p;
  p.epilogue = parse_activation(activation);
  p.epilogue.residual = residual;
  p.packed = true;  // so that the choice is that for calls whose weights are prepared
  const Row& row = pick(p, algo);
  p.packed = false;
  return make_pack(row, p, w);
}

Tensor conv_grad_input(const Tensor& grad_y, const Tensor& w, const std::optional<Tensor>& bias, Sizes x_size,
                       Sizes stride, Sizes padding, Sizes dilation, int64_t groups, std::string algo) {
  const Geometry g{std::move(stride), std::move(padding), std::move(dilation), groups};
  dtype_of("grad_y", grad_y);
  check_same("w", w, "grad_y", grad_y);
  const Sizes w_size = sizes_of(w), y_size = sizes_of(grad_y);
  check_output_size("grad_y", x_size, w_size, y_size, g);
  check_bias(bias, x_size[1], "grad_y", grad_y);
  const MemoryFormat format = format_of(grad_y);
  const Tensor grad_x = allocate(x_size, format, grad_y), dense = make_dense(grad_y, format);
  const auto b = dense_bias(bias);
  ConvProblem p = make_problem(Pass::grad_input, x_size, w_size, y_size, g);
  p.layout = layout_to_compute(p, layout_of(format));
  set_weight_strides(p, w);
  if (grad_x.numel())
    run(p, grad_y, w, {dense.const_data_ptr(), w.const_data_ptr(), data_or_null(b), grad_x.mutable_data_ptr(), nullptr},
        algo);
  else
    parse_algo(algo, p);
  return grad_x;
}

Tensor conv_grad_weight(const Tensor& x, const Tensor& grad_y, Sizes w_size, Sizes stride, Sizes padding,
                        Sizes dilation, int64_t groups, std::string algo) {
  const Geometry g{std::move(stride), std::move(padding), std::move(dilation), groups};
  dtype_of("x", x);
  check_same("grad_y", grad_y, "x", x);
  const Sizes x_size = sizes_of(x), y_size = sizes_of(grad_y);
  check_output_size("grad_y", x_size, w_size, y_size, g);
  const MemoryFormat format = format_of(x);
  const Tensor grad_w = allocate(w_size, format, x), dense_x = make_dense(x, format),
               dense_y = make_dense(grad_y, format);
  ConvProblem p = make_problem(Pass::grad_weight, x_size, w_size, y_size, g);
  p.layout = layout_to_compute(p, layout_of(format));
  set_weight_strides(p, grad_w);
  if (grad_w.numel())
    run(p, x, grad_y, {dense_x.const_data_ptr(), dense_y.const_data_ptr(), nullptr, grad_w.mutable_data_ptr(), nullptr},
        algo);
  else
    parse_algo(algo, p);
  return grad_w;
}

Tensor unfold(const Tensor& x, Sizes kernel_size, Sizes stride, Sizes padding, Sizes dilation) {
  const DType dtype = dtype_of("x", x);
  check_cpu("x", x);
  const Sizes x_size = sizes_of(x);
  TORCHCONV_CHECK(x_size.size() == 4, "x: expected [N, C, H, W], got ", to_string(x_size));
  ConvProblem p =
      make_unfold_problem("x", x_size, kernel_size, {std::move(stride), std::move(padding), std::move(dilation), 1});
  const MemoryFormat format = format_of(x);
  const Tensor columns = allocate({p.N, p.C * p.R * p.S, p.P * p.Q}, MemoryFormat::Contiguous, x),
               dense = make_dense(x, format);
  p.layout = layout_of(format), p.dtype = dtype, p.threads = num_threads();
  const ProfiledRange range([&] { return join("unfold ", to_string(x_size), " -> ", to_string(sizes_of(columns))); });
  if (columns.numel()) run_unfold(p, dense.const_data_ptr(), columns.mutable_data_ptr());
  return columns;
}

Tensor fold(const Tensor& columns, Sizes output_size, Sizes kernel_size, Sizes stride, Sizes padding, Sizes dilation) {
  const DType dtype = dtype_of("columns", columns);
  check_cpu("columns", columns);
  const Sizes size = sizes_of(columns);
  TORCHCONV_CHECK(size.size() == 3, "columns: expected [N, C*R*S, P*Q], got ", to_string(size));
  TORCHCONV_CHECK(output_size.size() == 2, "output_size: expected 2 entries, got ", to_string(output_size));
  TORCHCONV_CHECK(kernel_size.size() == 2 && kernel_size[0] > 0 && kernel_size[1] > 0,
                  "kernel_size: expected 2 positive numbers, got ", to_string(kernel_size));
  const int64_t R = kernel_size[0], S = kernel_size[1];
  TORCHCONV_CHECK(size[1] % R == 0 && size[1] / R % S == 0, "columns: expected a multiple of ", R, " * ", S,
                  " (the kernel size) in dimension 1, got ", to_string(size));
  const Sizes x_size = {size[0], size[1] / R / S, output_size[0], output_size[1]};
  ConvProblem p = make_unfold_problem("output_size", x_size, kernel_size,
                                      {std::move(stride), std::move(padding), std::move(dilation), 1});
  TORCHCONV_CHECK(size[2] == p.P * p.Q, "columns: expected ", p.P * p.Q, " (", p.P, " * ", p.Q,
                  " places of the kernel) in dimension 2, got ", to_string(size));
  const Tensor x = allocate(x_size, MemoryFormat::Contiguous, columns),
               dense = make_dense(columns, MemoryFormat::Contiguous);
  p.dtype = dtype, p.threads = num_threads();
  const ProfiledRange range([&] { return join("fold ", to_string(size), " -> ", to_string(x_size)); });
  if (x.numel()) run_fold(p, dense.const_data_ptr(), x.mutable_data_ptr());
  return x;
}

Tensor gemm(const Tensor& a, const Tensor& b) {
  const Sizes a_size = sizes_of(a), b_size = sizes_of(b);
  const DType dtype = dtype_of("a", a);
  TORCHCONV_CHECK(dtype == DType::f32 || dtype == DType::f64, "a: expected dtype float32 or float64, got ",
                  to_string(dtype));
  check_same("b", b, "a", a);
  check_cpu("a", a);
  TORCHCONV_CHECK(a_size.size() == 2, "a: expected [M, K], got ", to_string(a_size));
  TORCHCONV_CHECK(b_size.size() == 2 && b_size[0] == a_size[1], "b: expected [", a_size[1], ", N] for a of size ",
                  to_string(a_size), ", got ", to_string(b_size));
  const im2col::GemmProblem p{current_isa(), dtype,     num_threads(), a_size[0],
                              b_size[1],     a_size[1], b.stride(0),   b.stride(1)};
  const Tensor rows = make_dense(a, MemoryFormat::Contiguous);
  Tensor c = allocate({p.M, p.N}, MemoryFormat::Contiguous, a);
  if (c.numel() && !p.K) return torch::stable::zero_(c);
  if (!c.numel()) return c;
  const Workspace workspace(im2col::gemm_workspace(p), a);
  const ProfiledRange range([&] { return join("gemm ", to_string(a_size), " x ", to_string(b_size)); });
  im2col::run_gemm(p, rows.const_data_ptr(), b.const_data_ptr(), c.mutable_data_ptr(), workspace.data());
  return c;
}

}  // namespace
}  // namespace torchconv

#define TORCHCONV_GEOMETRY "int[] stride, SymInt[] padding, int[] dilation, int groups, str algo) -> Tensor"

STABLE_TORCH_LIBRARY(torchconv, m) {
  m.def("conv_fwd(Tensor x, Tensor w, Tensor? bias, " TORCHCONV_GEOMETRY);
  m.def(
      "conv_fused(Tensor x, Tensor w, Tensor? bias, Tensor? residual, Tensor? pack, int[] stride, SymInt[] padding, "
      "int[] dilation, int groups, str activation, str algo) -> Tensor");
  m.def(
      "conv_pack(Tensor x, Tensor w, int[] stride, SymInt[] padding, int[] dilation, int groups, str activation, "
      "bool residual, str algo) -> Tensor");
  m.def("conv_chain(Tensor[] tensors, int[] steps, int[] results, str[] names) -> Tensor[]");
  m.def("conv_grad_input(Tensor grad_y, Tensor w, Tensor? bias, SymInt[] x_size, " TORCHCONV_GEOMETRY);
  m.def("conv_grad_weight(Tensor x, Tensor grad_y, SymInt[] w_size, " TORCHCONV_GEOMETRY);
  m.def("unfold(Tensor x, int[] kernel_size, int[] stride, SymInt[] padding, int[] dilation) -> Tensor");
  m.def("gemm(Tensor a, Tensor b) -> Tensor");
  m.def(
      "fold(Tensor columns, SymInt[] output_size, int[] kernel_size, int[] stride, SymInt[] padding, int[] dilation) "
      "-> Tensor");
}

static void add_kernels(torch::stable::detail::StableLibrary& m) {
  m.impl("conv_fwd", TORCH_BOX(&torchconv::conv_fwd));
  m.impl("conv_fused", TORCH_BOX(&torchconv::conv_fused));
  m.impl("conv_chain", TORCH_BOX(&torchconv::conv_chain));
  m.impl("conv_pack", TORCH_BOX(&torchconv::conv_pack));
  m.impl("conv_grad_input", TORCH_BOX(&torchconv::conv_grad_input));
  m.impl("conv_grad_weight", TORCH_BOX(&torchconv::conv_grad_weight));
  m.impl("unfold", TORCH_BOX(&torchconv::unfold));
  m.impl("fold", TORCH_BOX(&torchconv::fold));
  m.impl("gemm", TORCH_BOX(&torchconv::gemm));
}

// CUDA shares the code: a device without rows is refused by select() or check_cpu(), which say so.
STABLE_TORCH_LIBRARY_IMPL(torchconv, CPU, m) { add_kernels(m); }
STABLE_TORCH_LIBRARY_IMPL(torchconv, CUDA, m) { add_kernels(m); }
