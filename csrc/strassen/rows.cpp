#include <algorithm>
#include <cmath>
#include <cstring>

#include "registry.h"
#include "strassen/halves.h"
#include "strassen/strassen.h"

namespace torchconv {

static std::string supports(const ConvProblem& p) {
  if (itemsize(p.dtype) < 4) return "it takes float32 and float64: sums of operands do not fit into half precision";
  if (p.N == 0 || p.C == 0 || p.D == 0 || p.H == 0 || p.W == 0 || p.K == 0) return "the sum is empty";
  if (p.Cg() < 2 || p.Kg() < 2) return "it halves the channels of a group, and there is one";
  // A phase of a strided gradient is no 1x1 problem, even if the kernel is.
  const bool strided = p.pass == Pass::grad_input && p.stride_d * p.stride_h * p.stride_w != 1;
  if (p.N < 2 && (strided || strassen::divisible(forward_gather(p)) < 2))
    return "it halves the batch, or the pixels under a 1x1 kernel of stride 1, and there is one image";
  return "";
}

static double cost_of_im2col(const ConvProblem& p) {
  for (const Row& row : rows())
    if (row.pass == p.pass && row.device == p.device && std::strcmp(row.algo, "im2col") == 0) return row.cost(p);
  return 0;
}

// Of im2col's time, by what was measured on 1x1 layers from 256 to 1,024 channels and 3x3 layers from 128 to 512: seven
// products of eight, patches that are packed seven times instead of four (12), sums of the source and of the result (24
// each), sums of weights (40); and what is computed twice where a size is odd.
static double cost_pixels(const ConvProblem& p) {
  const Gather g = forward_gather(p);
  const auto twice = [](int64_t n) { return 2.0 * double(strassen::half_of(n)) / double(n); };
  const double outputs = double(p.pass == Pass::fwd ? p.Kg() : p.Cg()), taps = double(g.taps());
  const double relative = 0.9 * twice(strassen::divisible(g)) * twice(p.Cg()) * twice(p.Kg()) + 12 / outputs +
                          24 / (outputs * taps) + 24 / p.products_per_output() + 40 / double(g.pixels());
  return 10e-6 + cost_of_im2col(p) * relative;
}

// Sums of both operands and all seven products go through memory: 1.02 to 1.05 times im2col's time on 3x3 layers of 512
// channels, 1.4 on 1x1 layers of 1,024.
static double cost_grad_weight(const ConvProblem& p) {
  return 20e-6 + cost_of_im2col(p) * (1 + 400 / (double(std::min(p.Kg(), p.Cg())) * p.T * p.R * p.S));
}

// Sums of four operands and of four products lose more than the products themselves: the factors fit float32 and
// float64 for 2 to 4,096 products per output, within a factor of 1.3.
static double error(const ConvProblem& p) {
  double products = p.products_per_output();
  if (p.pass == Pass::grad_weight && products > 512) products = 512 + products / 512;  // im2col sums those in blocks
  return (p.dtype == DType::f64 ? 1.1e-16 : 6e-8) * (4 + 1.75 * std::sqrt(products));
}

void add_strassen_rows() {
  using namespace strassen;
  add_row({"strassen", Pass::fwd, Device::cpu, supports, cost_pixels, error, workspace_fwd, run_fwd, false});
  add_row({"strassen", Pass::grad_input, Device::cpu, supports, cost_pixels, error, workspace_grad_input,
           run_grad_input, false});
  add_row({"strassen", Pass::grad_weight, Device::cpu, supports, cost_grad_weight, error, workspace_grad_weight,
           run_grad_weight, false});
}

}  // namespace torchconv
