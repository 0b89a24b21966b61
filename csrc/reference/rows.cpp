#include "reference/reference.h"

namespace torchconv {

static std::string anything(const ConvProblem&) { return ""; }
// A scalar loop of conversions and multiply-adds: about 1.5 ns each, measured; 100 ns to start.
static double cost(const ConvProblem& p) {
  return kCallSeconds + 1e-7 + p.macs() * 1.5e-9 / double(useful_threads(p.macs(), p.threads));
}
// Sums in double, so that only the rounding of the result is left in the shorter types.
static double error(const ConvProblem& p) {
  return p.dtype == DType::f64   ? error_of_rounded_sums(p, 1.1e-16)
         : p.dtype == DType::f32 ? 6e-8
         : p.dtype == DType::f16 ? 5e-4
                                 : 4e-3;
}
static int64_t no_workspace(const ConvProblem&) { return 0; }

void add_reference_rows() {
  using namespace reference;
  add_row({"reference", Pass::fwd, Device::cpu, anything, cost, error, no_workspace, run_fwd, true, true});
  add_row({"reference", Pass::grad_input, Device::cpu, anything, cost, error, no_workspace, run_grad_input, true});
  add_row({"reference", Pass::grad_weight, Device::cpu, anything, cost, error, no_workspace, run_grad_weight, true});
}

}  // namespace torchconv
