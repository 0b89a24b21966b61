#include "registry.h"
#include "strassen/halves.h"
#include "strassen/strassen.h"

namespace torchconv {

static std::string supports(const ConvProblem& p) {
  if (itemsize(p.dtype) < 4) return "its sums of operands would be rounded to half precision";
  if (p.N == 0 || p.C == 0 || p.D == 0 || p.H == 0 || p.W == 0 || p.K == 0) return "the sum is empty";
  if (p.Cg() < 2 || p.Kg() < 2) return "it halves the channels, and there is one in a group";
  if (strassen::divisible(forward_gather(p)) < 2) return "it halves the batch (or the pixels of a 1x1 kernel), and there is one image";
  return "";
}
static double cost(const ConvProblem&) { return 9; }
static double error(const ConvProblem& p) { return error_of_rounded_sums(p, p.dtype == DType::f64 ? 3.3e-16 : 18e-8); }

void add_strassen_rows() {
  using namespace strassen;
  add_row({"strassen", Pass::fwd, Device::cpu, supports, cost, error, workspace_fwd, run_fwd, false});
  add_row({"strassen", Pass::grad_input, Device::cpu, supports, cost, error, workspace_grad_input, run_grad_input, false});
}

}  // namespace torchconv
