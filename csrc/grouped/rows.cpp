#include <cmath>

#include "common/error.h"
#include "common/peak.h"
#include "grouped/grouped.h"
#include "grouped/strips.h"
#include "registry.h"

namespace torchconv {

using grouped::Strips;
using grouped::Units;

static int64_t item_of(const ConvProblem& p) { return p.dtype == DType::f64 ? 8 : 4; }  // halves are summed in float

static Units units_of(const ConvProblem& p) {
  const bool adjoint = p.pass == Pass::grad_input;
  const int64_t vector = p.isa >= Isa::avx512 ? 64 : p.isa == Isa::avx2 ? 32 : 16;
  return Units(p.G, adjoint ? p.Kg() : p.Cg(), adjoint ? p.Cg() : p.Kg(), vector / item_of(p), p.isa >= Isa::avx2);
}

static Strips strips_of(const ConvProblem& p, const Units& u) {
  const bool adjoint = p.pass == Pass::grad_input, nhwc = p.layout == Layout::nhwc;
  const int64_t results = nhwc && p.pass != Pass::grad_weight ? 0 : u.blocks;
  return Strips(height(p, adjoint), width(p, adjoint), u, p.N, results, item_of(p), p.threads, nhwc);
}

static std::string supports(const ConvProblem& p) {
  if (p.N == 0 || p.C == 0 || p.H == 0 || p.W == 0 || p.K == 0) return "the sum is empty";
  if (p.G == 1) return "it has one group; it takes several, of few channels";
  if (p.Cg() < 2 || p.Cg() > grouped::kMostChannels || p.Kg() < 2 || p.Kg() > grouped::kMostChannels)
    return join("its groups have ", p.Cg(), " channels and ", p.Kg(), " outputs; it takes 2 to ",
                grouped::kMostChannels, " of both");
  if (p.has_depth()) return "it works on planes, and 3-D images have depth";
  const Units u = units_of(p);
  const Strips s = strips_of(p, u);
  const double bytes = double(s.reach) * double(s.width) * double(u.planes * u.lanes * item_of(p));
  if (bytes > double(grouped::kMostStripBytes))
    return join("a strip of its rows takes ", int64_t(bytes) >> 20, " MiB; it takes at most ",
                grouped::kMostStripBytes >> 20);
  return "";
}

// Measured on a Zen 4 at 3.7 GHz, by thread: seconds for a vector of products under taps that share what they load, and
// under others; to start a block of 7 places; to bring a vector into the workspace or back; and to pack a weight or
// write one.
static double cost(const ConvProblem& p) {
  const Units u = units_of(p);
  const bool adjoint = p.pass == Pass::grad_input, of_weights = p.pass == Pass::grad_weight;
  const double product = (p.isa >= Isa::avx2 ? 0.25e-9 : 0.3e-9) / relative_speed(p.isa);
  const bool shared = (adjoint ? p.S / p.stride_w : p.S) >= 3 && p.dil_w == 1 && p.stride_w <= 2;
  const double phases = adjoint ? double(p.stride_h * p.stride_w) : 1, units = double(u.count * u.blocks);
  const int64_t Q = adjoint ? (p.W + p.stride_w - 1) / p.stride_w : p.Q;
  const double rows = double(p.N) * double(adjoint ? p.H : p.P) * (adjoint ? double(p.stride_w) : 1);
  const double blocks = rows * std::ceil(double(Q) / 7) * units,
               places = of_weights ? rows * double(Q) * units : 7 * blocks;
  const double products = places * double(p.R * p.S * u.sources) / phases * (shared ? 1 : 1.4);
  const double x = double(p.N * p.H * p.W), y = double(p.N * p.P * p.Q);
  const double vectors =
      ((adjoint ? y : x) * double(u.planes) + (adjoint ? x : y) * double(u.blocks)) * double(u.count);
  const double weights = p.packed ? 0 : units * double(u.lanes * u.sources * p.R * p.S);
  const double moves =
      blocks * (of_weights ? 5e-9 : 15e-9) + vectors * (p.layout == Layout::nchw ? 2.2e-9 : 1e-9) + weights * 1.5e-9;
  const double work = products * product + moves / relative_moves();
  return kCallSeconds + work / double(useful_threads(p.macs(), p.threads)) + seconds_to_move(p);
}

// Halves are summed in float: it is the rounding of the result that counts.
static double error(const ConvProblem& p) {
  const double unit = p.dtype == DType::f64 ? 1.1e-16 : 6e-8;
  const bool of_weights = p.pass == Pass::grad_weight;  // a few rows are summed at a time, of about so many places
  return (of_weights ? error_of_blocked_sums(p, unit, 64) : error_of_rounded_sums(p, unit)) + error_of_result(p.dtype);
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
