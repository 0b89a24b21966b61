#include "common/gemm/phases.h"
#include "common/peak.h"
#include "im2col/col2im.h"
#include "im2col/few_channels.h"
#include "im2col/few_pixels.h"
#include "im2col/im2col.h"
#include "im2col/join_taps.h"
#include "im2col/pixels.h"
#include "registry.h"

namespace torchconv {

static std::string supports(const ConvProblem& p) {
  if (p.N == 0 || p.C == 0 || p.D == 0 || p.H == 0 || p.W == 0 || p.K == 0) return "the sum is empty";
  return "";
}

// Multiply-adds per second and thread that the micro-kernel reaches, measured on a Zen 4 at 3.7 GHz.
static double speed(const ConvProblem& p) {
  const double relative = relative_speed(p.isa);
  if (p.isa == Isa::avx512_bf16 && p.dtype == DType::bf16) return 100e9 * relative;
  const double f32 = (p.isa >= Isa::avx512 ? 55e9 : p.isa == Isa::avx2 ? 50e9 : 10e9) * relative;
  return p.dtype == DType::f64 ? f32 / 2 : f32;
}

// Of a product over pixels, beside its multiply-adds: patches that are packed, by element and by piece of neighbouring
// channels; weights that are packed.
struct Packing {
  double patches = 0, pieces = 0, weights = 0;
};

static bool by_strips(const ConvProblem& p, const Gather& g) {
  const bool halves = p.isa == Isa::avx512_bf16 && p.dtype == DType::bf16;
  return p.pass != Pass::grad_weight && !halves && im2col::fits_strips(ascending(g), p.dtype == DType::f64 ? 8 : 4);
}

static void add_patches(const ConvProblem& p, const Gather& g, Packing& packing) {
  if (by_strips(p, g)) return;
  // NCHW: a panel of pixels of one image is used in place.
  if (g.layout == Layout::nhwc ? reads_in_order(g) : is_pointwise(g) && g.image() % 32 == 0) return;
  const double pieces = double(g.groups) * double(g.pixels()) * double(g.taps());
  packing.pieces += pieces, packing.patches += pieces * double(g.channels);
}

static Packing packing_of(const ConvProblem& p) {
  const ConvProblem joined = im2col::join_taps(p);
  Packing packing;
  if (im2col::takes_few_pixels(p)) return packing;
  if (p.pass == Pass::grad_input && im2col::scatters(p))  // columns are added up instead, which takes 6 times as long
    packing.patches = 6 * double(p.N) * double(p.O * p.P * p.Q) * double(p.T * p.R * p.S) * double(p.C);
  else if (p.pass == Pass::grad_input)
    for_each_phase(joined, [&](const Gather& g) { add_patches(joined, g, packing); });
  else
    add_patches(joined, forward_gather(joined), packing);
  if (!p.packed) packing.weights = double(p.K) * double(p.Cg()) * double(p.T * p.R * p.S);
  return packing;
}

// The times below were fitted to 145 random layers on one thread and 24 layers on two, in float32: of those and 160
// more, two thirds of the passes are within a factor of 1.25, and 95% within 2.
static double cost(const ConvProblem& p, double tile_macs, double starts, double packing, double each_group) {
  const double wide = p.dtype == DType::f64 ? 2 : 1, groups = double(p.G - 1) * starts * each_group;
  const double work = tile_macs / speed(p) + (packing * wide + groups) / relative_moves();
  return kCallSeconds + starts * 4e-6 + work / double(useful_threads(p.macs(), p.threads)) + seconds_to_move(p);
}

// NCHW: outputs are the rows of the product, so that a panel of patches is turned while it is packed, and weights of
// few outputs give short rows; results of several phases are written one by one, far apart (2 to 17 ns). channels_last:
// each piece is a copy of its own.
static double cost_pixels(const ConvProblem& p, double tile_macs, double starts) {
  const Packing packing = packing_of(p);
  const bool nhwc = p.layout == Layout::nhwc, strided = p.pass == Pass::grad_input && p.stride_h * p.stride_w > 1;
  const double results = double(p.N) * double(p.pass == Pass::grad_input ? p.x_stride_n() : p.y_stride_n());
  const double of_weights = nhwc ? 0.7e-9 : 1.3e-9, of_results = nhwc         ? 0.3e-9
                                                                 : !strided   ? 0.05e-9
                                                                 : starts > 1 ? 6e-9
                                                                              : 1e-9;
  const double packed = 0.15e-9 * packing.patches + (nhwc ? 2.3e-9 : 1.4e-9) * packing.pieces +
                        of_weights * packing.weights + of_results * results;
  return cost(p, nhwc ? tile_macs : 1.12 * tile_macs, starts, packed, nhwc ? 4e-6 : 1.5e-6);
}

static double cost_fwd(const ConvProblem& p) { return cost_pixels(p, im2col::tile_macs_fwd(p), 1); }
static double cost_grad_input(const ConvProblem& p) {
  return cost_pixels(p, im2col::tile_macs_grad_input(p), double(im2col::products_grad_input(p)));
}
// grad_y is turned, and the sums of a group are stored with the strides of the weights.
static double cost_grad_weight(const ConvProblem& p) {
  if (im2col::has_few_channels(p) || im2col::takes_few_pixels(p))
    return cost(p, im2col::tile_macs_grad_weight(p), 1, 0, 0);
  const Packing packing = packing_of(p);
  const bool nhwc = p.layout == Layout::nhwc;
  const double packed = (nhwc ? 0.06e-9 : 0.26e-9) * packing.patches + (nhwc ? 2.4e-9 : 1.3e-9) * packing.pieces +
                        0.5e-9 * packing.weights + 0.1e-9 * double(p.N) * double(p.y_stride_n());
  return cost(p, 1.12 * im2col::tile_macs_grad_weight(p), 1, packed, 4e-6);
}

// Halves are summed in float: it is the rounding of the result that counts. BF16 instructions take subnormal numbers
// for zero (docs/decisions.md), so predictions are for operands above 1.2e-38 there.
static double error(const ConvProblem& p) {
  return error_of_blocked_sums(p, p.dtype == DType::f64 ? 1.1e-16 : 6e-8, 512) + error_of_result(p.dtype);
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
