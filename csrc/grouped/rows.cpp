#include "common/error.h"
#include "grouped/grouped.h"
#include "registry.h"

namespace torchconv {

static std::string supports(const ConvProblem& p) {
  if (p.N == 0 || p.C == 0 || p.H == 0 || p.W == 0 || p.K == 0) return "the sum is empty";
  if (p.G == 1) return "it has one group; it takes several, of few channels";
  if (p.Cg() < 2 || p.Cg() > 16 || p.Kg() < 2 || p.Kg() > 16)
    return join("its groups have ", p.Cg(), " channels and ", p.Kg(), " outputs; it takes 2 to 16 of both");
  if (p.has_depth()) return "it works on planes, and 3-D images have depth";
  return "";
}

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

void add_grouped_rows() {
  using namespace grouped;
  add_row({"grouped", Pass::fwd, Device::cpu, supports, cost, error, workspace_fwd, run_fwd, true, true, pack_bytes_fwd,
           pack_fwd});
  add_row(
      {"grouped", Pass::grad_input, Device::cpu, supports, cost, error, workspace_grad_input, run_grad_input, true});
  add_row(
      {"grouped", Pass::grad_weight, Device::cpu, supports, cost, error, workspace_grad_weight, run_grad_weight, true});
}

}  // namespace torchconv
