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
                M > 4    ? "1 or 3"
                : M == 4 ? "1, 2, 3 or 5"
                         : "1, 3 or 5",
                " taps along each axis, and this one is ", p.R, "x", p.S);
  return "";
}

static Tiles tiles_of(const ConvProblem& p, int64_t m) {
  return winograd::cut(p.pass == Pass::grad_input ? phase_gather(p, 0, 0, 0) : forward_gather(p), m);
}

// Channels of a group on the way in and out, and the chunks of `lanes` that hold them; of the micro-kernel's tile.
struct Channels {
  int64_t in, out, lanes, in_chunks, out_chunks, chunk_bytes, columns, rows;

  explicit Channels(const ConvProblem& p)
      : in(p.pass == Pass::grad_input ? p.Kg() : p.Cg()),
        out(p.pass == Pass::grad_input ? p.Cg() : p.Kg()),
        lanes(p.dtype == DType::f64 ? 8 : 16),
        in_chunks(winograd::ceil_of(in, lanes)),
        out_chunks(winograd::ceil_of(out, lanes)),
        chunk_bytes(64),
        columns(lanes * (p.isa >= Isa::avx512 ? 2 : 1)),
        rows(p.isa >= Isa::avx512 ? 14
             : p.isa == Isa::avx2 ? 6
                                  : 2) {}
  int64_t panel_bytes() const { return chunk_bytes * columns / lanes; }
};

// What all threads together do for each product of a group: multiply-adds, and cache lines that are transformed, of the
// operand that is an image (x, or grad_y of grad_input), of the other one (y, or grad_y of grad_weight), and of
// weights. And seconds in which sums go through memory.
struct Work {
  double macs, in, out, weights, sums;
  bool near;  // what is multiplied stays in L2
};

static bool is_fused(const ConvProblem& p, const Tiles& tiles, const Channels& c, int64_t threads) {
  const int64_t products = tiles.products(), tile_bytes = products * c.in_chunks * c.chunk_bytes;
  const int64_t all_weights = products * c.in * winograd::ceil_of(c.out, c.columns) * c.panel_bytes();
  const int64_t block = winograd::fused_block(tile_bytes + products * c.panel_bytes(), c.rows);
  return winograd::is_fused(all_weights, tiles.count(), block, p.G, threads);
}

static Work work_of_image(const ConvProblem& p, const Tiles& tiles, const Channels& c, int64_t threads) {
  const int64_t count = tiles.count(), products = tiles.products(), panels = winograd::ceil_of(c.out, c.columns);
  double in = 1, weights = double(p.G + threads - 1) / double(p.G);
  if (!is_fused(p, tiles, c, threads)) {
    const int64_t tile_bytes = products * c.in_chunks * c.chunk_bytes;
    const int64_t parts = winograd::count_parts(count, p.G, panels, tile_bytes, threads, p.packed);
    const int64_t share = winograd::ceil_of(p.G * parts * panels, threads);
    in = std::max(1.0, double(threads * winograd::parts_met(share, panels)) / double(p.G * parts));
    weights = double(parts * winograd::ceil_of(winograd::ceil_of(count, parts), winograd::kMostBlock));
  }
  // A product of few rows loads as many weights: it is no faster than one of 6. To begin and to end a tile takes as
  // long as 8 channels do.
  return {double(std::max<int64_t>(count, 6) * (c.in + 8) * c.out_chunks * c.lanes),
          in * double(count * c.in_chunks),
          double(count * c.out_chunks),
          p.packed ? 0 : weights * double(c.in * c.out_chunks),
          0,
          products * c.in * c.out_chunks * c.chunk_bytes <= winograd::kFusedWeights};
}

// Sums that do not stay in the caches go through memory and back for each part of the tiles after the first.
static Work work_of_weights(const Tiles& tiles, const Channels& c, int64_t threads) {
  const int64_t count = tiles.count(), chunk_bytes = tiles.products() * c.chunk_bytes;
  const int64_t sums = c.in_chunks * c.out_chunks * c.lanes * chunk_bytes;
  const bool near = sums <= winograd::kSplitSums;
  const int64_t part = winograd::tiles_of_part(c.in_chunks, c.columns / c.lanes, chunk_bytes);
  const int64_t wide = winograd::column_of_all_tiles(count, part, c.in_chunks, c.out_chunks, c.lanes, chunk_bytes);
  const int64_t panels = winograd::ceil_of(c.out, c.columns), parts = winograd::ceil_of(count, part);
  const int64_t in = near || wide ? 1 : std::min(threads, panels),
                out = wide ? winograd::ceil_of(c.in_chunks, wide) : 1;
  const int64_t far = wide ? 0 : std::max<int64_t>(sums - winograd::kNearSums, 0);
  return {double(count * c.in_chunks * c.lanes * c.out_chunks * c.lanes),
          double(in * count * c.in_chunks),
          double(out * count * c.out_chunks),
          double(c.in_chunks * c.lanes * c.out_chunks * (near ? threads : 1)),
          2 * double(parts - 1) * double(far) / 6e9,
          near};
}

// Prepared weights come from memory, as those of a network do, and are more than the plain ones that seconds_to_move()
// counts. Of a frozen ResNet-50, one image, im2col saves 0.35 ms on each layer of 512 channels at 7x7, and winograd4
// 0.12 ms at 256 channels; 16 GB/s lies between.
static double seconds_of_packed(const ConvProblem& p, double products) {
  const double weights = double(p.K * p.Cg() * p.R * p.S), size = p.dtype == DType::f64 ? 8 : 4;
  const double more = weights * (products / double(p.R * p.S) * size - double(itemsize(p.dtype)));
  return p.packed ? more / (16e9 * relative_moves()) : 0;
}

// By thread: multiply-adds per second, of weight gradients as measured on a Zen 4 at 3.7 GHz, of images on a Zen 5,
// divided by its relative speed; and seconds to transform a cache line of data, of results and of weights (that is, of
// what has n*n products), of a Zen 5. 80% of 1,006 predictions are 0.84 to 1.6 times what was measured there.
// Sums that go on in memory are slower than those that stay in L2.
template <int M>
static double cost(const ConvProblem& p) {
  const Tiles tiles = tiles_of(p, M);
  const Channels c(p);
  const int64_t threads = useful_threads(p.macs(), p.threads);
  const bool wide = p.isa >= Isa::avx2, of_weights = p.pass == Pass::grad_weight;
  const Work w = of_weights ? work_of_weights(tiles, c, threads) : work_of_image(p, tiles, c, threads);
  const double relative = relative_speed(p.isa), products = double(tiles.products());
  const double near = of_weights ? 50e9 : 60e9, beyond = of_weights ? 38e9 : 54e9;
  const double speed = (!wide ? 10e9 : w.near ? near : beyond) / (p.dtype == DType::f64 ? 2 : 1) * relative;
  const double tail = p.layout == Layout::nhwc && p.G > 1 ? 8e-9 : 0;  // of a line that other groups share
  const double tails = tail * (c.in % c.lanes != 0) + tail * (c.out % c.lanes != 0);
  // Pixels a multiple of 4 KiB apart fall into one set of the L1 cache (1,024 and 2,048 channels: 3 to 4 ns a line).
  const auto far = [&](int64_t all) {
    return p.layout == Layout::nhwc && all * itemsize(p.dtype) % 4096 == 0 ? 4e-9 : 0;
  };
  const double in = (of_weights ? 3e-9 : 2.3e-9) + far(p.pass == Pass::grad_input ? p.K : p.C);
  const double out = of_weights ? 2.5e-9 + far(p.K) : 2e-9;
  const double taps = itemsize(p.dtype) == 2 ? 4e-9 : of_weights ? 1.5e-9 : 2.2e-9;
  const double transforms = (w.in * in + w.out * out + w.weights * taps + double(tiles.count()) * tails) *
                            (wide ? 1 : 4) / std::sqrt(relative);
  const double groups = double(p.G - 1) * products * 0.1e-6;  // each product of a group begins anew
  const double work =
      double(p.G) * (products * (w.macs / speed + transforms) + w.sums) + groups + seconds_of_packed(p, products);
  return kCallSeconds + 5e-6 + work / double(threads) + seconds_to_move(p);
}

// What the transforms along one axis lose, in errors of a plain sum.
static double loss(const Side& s) {
  if (s.r == 1) return 1;
  if (s.m == 2) return s.r == 3 ? 1.05 : 2.2;
  if (s.m == 5) return 3.45;
  if (s.m == 6) return 5.6;
  return s.r == 2 ? 1.5 : s.r == 3 ? 2.1 : 4.8;
}

// How many channels an image sums in one chain.
static int64_t chain_of_image(const ConvProblem& p, const Tiles& tiles, const Channels& c) {
  const bool whole = p.packed || is_fused(p, tiles, c, useful_threads(p.macs(), p.threads));
  const int64_t most = whole ? c.in : winograd::chain_of_weights(tiles.products(), c.panel_bytes(), c.lanes);
  return std::max<int64_t>(std::min({c.in, most, winograd::kMostChain}), 1);
}

// 0.3 to 1.1 times this was measured for 1 to 2,048 channels and 1 to 25,000 tiles. Images err with the root of a
// chain, and hardly more with the number of chains.
template <int M>
static double error(const ConvProblem& p) {
  const Tiles tiles = tiles_of(p, M);
  const double unit = (p.dtype == DType::f64 ? 1.1e-16 : 6e-8) * 0.9 * loss(tiles.h) * loss(tiles.w);
  const Channels c(p);
  const double chain = double(chain_of_image(p, tiles, c));
  const double of_image = std::sqrt(30 + chain) * std::pow(std::max(double(c.in), 1.0) / chain, 0.1);
  const double of_weights = (M == 4 ? 0.75 : M == 6 ? 0.65 : 1) * (4.5 + 1.5 * std::pow(double(tiles.count()), 0.25));
  const double sums = p.pass == Pass::grad_weight ? of_weights : of_image;
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
  add_rows<5>("winograd5");
  add_rows<6>("winograd6");
}

}  // namespace torchconv
