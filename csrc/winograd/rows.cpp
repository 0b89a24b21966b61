#include <algorithm>
#include <cmath>

#include "common/error.h"
#include "common/peak.h"
#include "registry.h"
#include "winograd/tiles.h"
#include "winograd/winograd.h"

namespace torchconv {

using winograd::Side;
using winograd::Tiles;

template <int M>
static std::string supports(const ConvProblem& p) {
  if (p.N == 0 || p.C == 0 || p.D == 0 || p.H == 0 || p.W == 0 || p.K == 0) return "the sum is empty";
  if (p.has_depth()) return "it works on planes, and 3-D images have depth";
  if (p.R * p.S == 1) return "a 1x1 kernel leaves it nothing to save";
  if (p.stride_h != 1 || p.stride_w != 1)
    return join("it takes stride 1, and this one is ", p.stride_h, "x", p.stride_w);
  if ((p.dil_h != 1 && p.R > 1) || (p.dil_w != 1 && p.S > 1))
    return join("it takes dilation 1, and this one is ", p.dil_h, "x", p.dil_w);
  if (!winograd::has_side(M, p.R) || !winograd::has_side(M, p.S))
    return join("its kernels have ",
                M == 6   ? "1 or 3"
                : M == 4 ? "1, 2, 3 or 5"
                         : "1, 3 or 5",
                " taps along each axis, and this one is ", p.R, "x", p.S);
  return "";
}

static Gather gather_of(const ConvProblem& p) {
  return p.pass == Pass::grad_input ? phase_gather(p, 0, 0, 0) : forward_gather(p);
}
static Tiles tiles_of(const ConvProblem& p, int64_t m) { return winograd::cut(gather_of(p), m); }

// How often all threads together transform each tile and each weight of a result that is an image.
struct Repeats {
  double tiles, weights;
};
static Repeats repeats(const ConvProblem& p, bool fused, int64_t tiles, double outputs, double tile_bytes,
                       int64_t threads) {
  if (fused) return {1, p.packed ? 0 : double(threads)};
  const auto panels = int64_t(std::ceil(outputs / 2));
  const int64_t parts = winograd::count_parts(tiles, gather_of(p), panels, int64_t(tile_bytes), threads);
  const double part = std::ceil(double(tiles) / double(parts)), share = double(p.G * parts * panels) / double(threads);
  const double met = double(threads) * std::ceil(share / double(panels)) / double(p.G * parts);
  return {std::max(met, 1.0), p.packed ? 0 : double(parts) * std::ceil(part / double(winograd::kMostBlock))};
}

// Seconds that the sums of a weight gradient take through memory and back, for each part of the tiles after the first.
static double seconds_of_sums(double sums, double tiles, double tile_bytes) {
  const double part = std::max(double(winograd::kPartBytes) / tile_bytes, double(winograd::kLeastPart));
  const double parts = std::ceil(tiles / part);
  return 2 * (parts - 1) * std::max(sums - double(winograd::kNearSums), 0.0) / 6e9;
}

// Prepared weights come from memory, as those of a network do, and there are more of them than plain ones. Of a frozen
// ResNet-50, one image, im2col saves 0.35 ms on each layer of 512 channels at 7x7, winograd4 0.12 at 256 channels.
static double seconds_of_packed(const ConvProblem& p, double products) {
  const double plain = double(p.K * p.Cg() * p.R * p.S * itemsize(p.dtype));
  return p.packed ? plain * (products / double(p.R * p.S) - 1) / (16e9 * relative_moves()) : 0;
}

// Measured on a Zen 4 at 3.7 GHz, by thread: multiply-adds per second, and seconds to transform a cache line of
// data, of results and of weights (that is, of what has n*n products). Fitted as im2col's: two thirds of the passes
// are within a factor of 1.25, 98% within 2. Sums that go on in memory are slower than those that stay in L2.
template <int M>
static double cost(const ConvProblem& p) {
  const Tiles tiles = tiles_of(p, M);
  const bool wide = p.isa >= Isa::avx2, half_speed = p.dtype == DType::f64, of_weights = p.pass == Pass::grad_weight;
  const double lanes = half_speed ? 8 : 16, size = half_speed ? 8 : 4, slower = wide ? 1 : 4;
  const double channels = double(p.pass == Pass::grad_input ? p.Kg() : p.Cg());
  const double outputs = double(p.pass == Pass::grad_input ? p.Cg() : p.Kg());
  const double in = std::ceil(channels / lanes), out = std::ceil(outputs / lanes);
  const double count = double(tiles.count()), products = double(tiles.products());
  const double threads = double(useful_threads(p.macs(), p.threads));
  double macs, lines, sums = 0;
  Repeats repeated{1, 1};
  bool near;
  if (of_weights) {  // multiplies whole cache lines of channels
    const double bytes = products * in * lanes * out * lanes * size;
    near = bytes <= double(winograd::kSplitSums);
    const auto wide = double(winograd::column_of_all_tiles(tiles.count(), int64_t(in), int64_t(out), int64_t(lanes),
                                                           int64_t(products * lanes * size)));
    if (wide)
      repeated.tiles = std::ceil(in / wide);  // of grad_y's
    else
      sums = seconds_of_sums(bytes, count, products * (in + out) * lanes * size);
    macs = count * in * lanes * out * lanes;
    lines = in * lanes * out * (near ? threads : 1);
  } else {  // a product of few rows loads as many weights: it is no faster than one of 6
    near = products * channels * out * lanes * size <= double(winograd::kFusedWeights);
    macs = std::max(count, 6.0) * channels * out * lanes;
    repeated = repeats(p, near, tiles.count(), out, products * in * lanes * size, int64_t(threads));
    lines = channels * out * repeated.weights;
  }
  const double relative = relative_speed(p.isa);
  const double speed = (wide ? near ? 50e9 : of_weights ? 38e9 : 41e9 : 10e9) / (half_speed ? 2 : 1) * relative;
  const double tail = p.layout == Layout::nhwc && p.G > 1 ? 8e-9 : 0;  // of a line that other groups share
  const double tails = tail * (std::fmod(channels, lanes) != 0) + tail * (std::fmod(outputs, lanes) != 0);
  // Pixels a multiple of 4 KiB apart fall into one set of the L1 cache (2,048 channels: 20 to 30 ns a line).
  const auto far = [&](int64_t all) {
    return p.layout == Layout::nhwc && all * itemsize(p.dtype) % 4096 == 0 ? 20e-9 : 0;
  };
  const double conflicts =
      of_weights ? in * far(p.C) + out * far(p.K) : in * far(p.pass == Pass::grad_input ? p.K : p.C);
  const double images =
      count * (tails + conflicts +
               (of_weights ? in * 4e-9 + repeated.tiles * out * 3.2e-9 : repeated.tiles * in * 6e-9 + out * 4.1e-9));
  const double weights = lines * (itemsize(p.dtype) == 2 ? 4e-9 : of_weights ? 2e-9 : 3e-9);
  const double groups = double(p.G - 1) * products * 0.1e-6;  // each product of a group begins anew
  const double transforms = (images + weights) * slower / std::sqrt(relative);
  const double work =
      double(p.G) * (products * (macs / speed + transforms) + sums) + groups + seconds_of_packed(p, products);
  return kCallSeconds + 5e-6 + work / threads + seconds_to_move(p);
}

// What the transforms along one axis lose, in errors of a plain sum.
static double loss(const Side& s) {
  if (s.r == 1) return 1;
  if (s.m == 2) return s.r == 3 ? 1.05 : 2.2;
  if (s.m == 6) return 5;
  return s.r == 2 ? 1.5 : s.r == 3 ? 2.1 : 4.8;
}

// Fits what was measured for 1 to 1,024 channels and 4 to 17,000 tiles within a factor of 2.
template <int M>
static double error(const ConvProblem& p) {
  const Tiles tiles = tiles_of(p, M);
  const double unit = (p.dtype == DType::f64 ? 1.1e-16 : 6e-8) * 0.9 * loss(tiles.h) * loss(tiles.w);
  const double channels = double(p.pass == Pass::grad_input ? p.Kg() : p.Cg());
  const double of_weights = (M == 4 ? 0.75 : 1) * (4.5 + 1.5 * std::pow(double(tiles.count()), 0.25));
  const double sums = p.pass == Pass::grad_weight ? of_weights : std::sqrt(30 + channels);
  return unit * sums + error_of_result(p.dtype);
}

template <int M>
static void add_rows(const char* name) {
  using namespace winograd;
  add_row({name, Pass::fwd, Device::cpu, supports<M>, cost<M>, error<M>,
           [](const ConvProblem& p) { return workspace_fwd(p, M); },
           [](const ConvProblem& p, const ConvOperands& o) { run_fwd(p, o, M); }, false, true,
           [](const ConvProblem& p) { return pack_bytes_fwd(p, M); },
           [](const ConvProblem& p, const void* w, void* to) { pack_fwd(p, w, to, M); }});
  add_row({name, Pass::grad_input, Device::cpu, supports<M>, cost<M>, error<M>,
           [](const ConvProblem& p) { return workspace_grad_input(p, M); },
           [](const ConvProblem& p, const ConvOperands& o) { run_grad_input(p, o, M); }, false});
  add_row({name, Pass::grad_weight, Device::cpu, supports<M>, cost<M>, error<M>,
           [](const ConvProblem& p) { return workspace_grad_weight(p, M); },
           [](const ConvProblem& p, const ConvOperands& o) { run_grad_weight(p, o, M); }, false});
}

void add_winograd_rows() {
  add_rows<2>("winograd2");
  add_rows<4>("winograd4");
  add_rows<6>("winograd6");
}

}  // namespace torchconv
