#include "common/error.h"
#include "depthwise/depthwise.h"
#include "depthwise/planes.h"
#include "registry.h"

namespace torchconv {

static std::string supports(const ConvProblem& p) {
  if (p.N == 0 || p.C == 0 || p.H == 0 || p.W == 0 || p.K == 0) return "the sum is empty";
  if (p.Cg() != 1) return join("it has ", p.Cg(), " channels per group; depthwise means 1");
  if (p.has_depth()) return "it works on planes, and 3-D images have depth";
  if (p.layout == Layout::nhwc && p.K != p.C)
    return join("it has ", p.Kg(), " outputs per channel; in channels_last it takes 1");
  if (depthwise::way_for(p) == depthwise::Way::nchw) {
    const bool adjoint = p.pass == Pass::grad_input;
    const depthwise::Planes planes(height(p, adjoint), width(p, adjoint), adjoint ? p.Kg() : 1,
                                   p.dtype == DType::f64 ? 8 : 4);
    if (planes.bytes() > double(depthwise::kMostPlaneBytes))
      return join("a strip of its rows takes ", planes.bytes() / (1 << 20), " MiB; it takes at most ",
                  depthwise::kMostPlaneBytes >> 20);
  }
  return "";
}

// Multiply-adds per second and thread, measured on a Zen 4 at 3.7 GHz on kernels of 5x5 and more; every operand moved
// once at 8 GB/s.
static double cost(const ConvProblem& p) {
  const double f32 = p.isa >= Isa::avx512 ? 45e9 : p.isa == Isa::avx2 ? 35e9 : 8e9;
  const double speed = p.dtype == DType::f64 ? f32 / 2 : f32;
  const double moved = double(p.N) * p.x_stride_n() + double(p.N) * p.y_stride_n();
  return 3e-6 + p.macs() / speed / double(useful_threads(p.macs(), p.threads)) + moved * itemsize(p.dtype) / 8e9;
}

// Halves are summed in float: it is the rounding of the result that counts.
static double error(const ConvProblem& p) {
  return error_of_rounded_sums(p, p.dtype == DType::f64 ? 1.1e-16 : 6e-8) + error_of_result(p.dtype);
}

void add_depthwise_rows() {
  using namespace depthwise;
  add_row({"depthwise", Pass::fwd, Device::cpu, supports, cost, error, workspace_fwd, run_fwd, true, true});
  add_row(
      {"depthwise", Pass::grad_input, Device::cpu, supports, cost, error, workspace_grad_input, run_grad_input, true});
  add_row({"depthwise", Pass::grad_weight, Device::cpu, supports, cost, error, workspace_grad_weight, run_grad_weight,
           true});
}

}  // namespace torchconv
