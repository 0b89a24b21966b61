#include <cmath>

#include "common/error.h"
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

static Tiles tiles_of(const ConvProblem& p, int64_t m) {
  return winograd::cut(p.pass == Pass::grad_input ? phase_gather(p, 0, 0, 0) : forward_gather(p), m);
}

// Measured on a Zen 4 at 3.7 GHz, by thread: multiply-adds per second, and seconds to transform a cache line of data,
// of results and of weights (that is, of what has n*n products). Every operand is moved once at 16 GB/s.
template <int M>
static double cost(const ConvProblem& p) {
  const Tiles tiles = tiles_of(p, M);
  const bool wide = p.isa >= Isa::avx2;
  const double chunk = 64.0 / double(p.dtype == DType::f64 ? 8 : 4);
  const double speed = (wide ? 55e9 : 10e9) / (p.dtype == DType::f64 ? 2 : 1), slower = wide ? 1 : 4;
  const auto whole = [&](int64_t channels) { return std::ceil(double(channels) / chunk); };
  const bool weights_last = p.pass == Pass::grad_weight;
  const double in = p.pass == Pass::grad_input ? whole(p.Kg()) : whole(p.Cg());
  const double out = p.pass == Pass::grad_input ? whole(p.Cg()) : whole(p.Kg());
  const double rows = double(tiles.count()), deep = double(p.pass == Pass::grad_input ? p.Kg() : p.Cg());
  // A product of few rows loads as many weights: it is no faster than one of 6.
  const double macs = std::max(rows, 6.0) * deep * out * chunk;
  const double transforms = rows * (in * 4e-9 + out * (weights_last ? 4e-9 : 2.5e-9)) +
                            std::max(1.0, weights_last ? 1 : rows / 112) * in * out * chunk * 1.7e-9;
  const double moved = double(p.N) * p.x_stride_n() + double(p.N) * p.y_stride_n();
  return 12e-6 +
         double(p.G * tiles.products()) * (macs / speed + transforms * slower) /
             double(useful_threads(p.macs(), p.threads)) +
         moved * double(itemsize(p.dtype)) / 16e9;
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
  const double sums =
      p.pass == Pass::grad_weight ? 4.5 + 1.5 * std::pow(double(tiles.count()), 0.25) : std::sqrt(30 + channels);
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
