#include "im2col/im2col.h"
#include "registry.h"

namespace torchconv {

static std::string supports(const ConvProblem& p) {
  if (p.N == 0 || p.C == 0 || p.D == 0 || p.H == 0 || p.W == 0 || p.K == 0) return "the sum is empty";
  return "";
}

// Multiply-adds per second and thread that the micro-kernel reaches, measured on a Zen 4 at 3.7 GHz.
static double speed(const ConvProblem& p) {
  if (p.isa == Isa::avx512_bf16 && p.dtype == DType::bf16) return 100e9;
  const double f32 = p.isa >= Isa::avx512 ? 55e9 : p.isa == Isa::avx2 ? 50e9 : 10e9;
  return p.dtype == DType::f64 ? f32 / 2 : f32;
}

// Products at the speed of the micro-kernel, every operand moved once at 8 GB/s, and 4 us to start each product.
static double cost(const ConvProblem& p, double tile_macs, double starts = 1) {
  const double moved =
      double(p.N) * p.x_stride_n() + double(p.N) * p.y_stride_n() + double(p.K) * p.Cg() * p.T * p.R * p.S;
  return starts * 4e-6 + tile_macs / speed(p) / double(useful_threads(p.macs(), p.threads)) +
         moved * itemsize(p.dtype) / 8e9;
}
static double cost_fwd(const ConvProblem& p) { return cost(p, im2col::tile_macs_fwd(p)); }
static double cost_grad_input(const ConvProblem& p) {
  return cost(p, im2col::tile_macs_grad_input(p), double(im2col::products_grad_input(p)));
}
static double cost_grad_weight(const ConvProblem& p) { return cost(p, im2col::tile_macs_grad_weight(p)); }

// Halves are summed in float: it is the rounding of the result that counts. BF16 instructions take subnormal numbers
// for zero (docs/decisions.md), so predictions are for operands above 1.2e-38 there.
static double error(const ConvProblem& p) {
  return error_of_rounded_sums(p, p.dtype == DType::f64 ? 1.1e-16 : 6e-8) + error_of_result(p.dtype);
}

void add_im2col_rows() {
  using namespace im2col;
  add_row({"im2col", Pass::fwd, Device::cpu, supports, cost_fwd, error, workspace_fwd, run_fwd, true, true,
           pack_bytes_fwd, pack_fwd});
  add_row({"im2col", Pass::grad_input, Device::cpu, supports, cost_grad_input, error, workspace_grad_input,
           run_grad_input, true});
  add_row({"im2col", Pass::grad_weight, Device::cpu, supports, cost_grad_weight, error, workspace_grad_weight,
           run_grad_weight, true});
}

}  // namespace torchconv
