#include "common/error.h"
#include "common/peak.h"
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

static double rounded(int64_t n, int64_t to) { return double((n + to - 1) / to * to); }

// Multiply-adds with the tails of blocks of 7 places and of vectors, and the starts of rows of taps: by thread,
// measured on a Zen 4 at 3.7 GHz for 140 passes, of which half are within a factor of 1.25 and 88% within 2.
static double cost(const ConvProblem& p) {
  using depthwise::Way;
  const bool adjoint = p.pass == Pass::grad_input, wide = p.dtype == DType::f64;
  const Way way = depthwise::way_for(p);
  const int64_t lanes = wide ? 8 : 16, P = adjoint ? p.H : p.P, Q = adjoint ? p.W : p.Q;
  const double places = way == Way::nchw ? rounded(P, 7) * rounded(Q, lanes) : double(P) * rounded(Q, 7);
  const double channels = way == Way::nchw ? double(p.K) : rounded(p.K, lanes);
  const double taps = double(p.R * p.S) / double(adjoint ? p.stride_h * p.stride_w : 1);
  const double results = double(p.N) * places * channels;
  const double speed = (p.isa >= Isa::avx512 ? 70e9 : p.isa == Isa::avx2 ? 55e9 : 12e9) / (wide ? 2 : 1);
  const double each_row = way == Way::nchw ? 0.08e-9 : way == Way::nhwc ? 0.025e-9 : 0.12e-9;
  // Pixels a multiple of 4 KiB apart fall into one set of the L1 cache (13x13 on 1,024 channels: 2 to 5 times as long).
  const bool conflicts = way == Way::nhwc && p.C * itemsize(p.dtype) % 4096 == 0 && p.R * p.S > 49;
  const double work = results * (taps / speed + double(p.R) * each_row) * (conflicts ? 2.5 : 1) / relative_speed(p.isa);
  return kCallSeconds + 3e-6 + work / double(useful_threads(p.macs(), p.threads)) + seconds_to_move(p);
}

// Halves are summed in float: it is the rounding of the result that counts.
static double error(const ConvProblem& p) {
  const double unit = p.dtype == DType::f64 ? 1.1e-16 : 6e-8;
  const bool of_weights = p.pass == Pass::grad_weight;  // a few rows are summed at a time, of about so many places
  return (of_weights ? error_of_blocked_sums(p, unit, 64) : error_of_rounded_sums(p, unit)) + error_of_result(p.dtype);
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
