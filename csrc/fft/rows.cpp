#include "fft/fft.h"

#include "common/error.h"
#include "fft/tiles.h"
#include "registry.h"

namespace torchconv {

static std::string supports(const ConvProblem& p) {
  if (p.N == 0 || p.C == 0 || p.H == 0 || p.W == 0 || p.K == 0) return "the sum is empty";
  if (p.has_depth()) return "it works on planes, and 3-D images have depth";
  if (p.stride_h != 1 || p.stride_w != 1)
    return join("it computes every place of the map; the stride is ", p.stride_h, " x ", p.stride_w);
  if (p.R == 1 && p.S == 1) return "a kernel of 1x1 has no products to share";
  const fft::Tiling tiles = fft::choose_tiles(p);
  if (!tiles.w.tiles)
    return join("the kernel reaches over ", fft::height(p).reach(), " x ", fft::width(p).reach(),
                " elements; its transforms have at most ", fft::kMostSize);
  const double bytes = double(p.K) * double(p.Cg()) * double(p.R * tiles.w.size) * (p.dtype == DType::f64 ? 8 : 4);
  if (!fft::is_depthwise(p) && bytes > double(fft::kMostRowWeights))
    return join("its transformed weights take ", int64_t(bytes) >> 20, " MiB; it takes at most ",
                fft::kMostRowWeights >> 20);
  return "";
}

static double cost(const ConvProblem& p) {
  return kCallSeconds + 5e-6 + fft::seconds(p, fft::choose_tiles(p)) / double(useful_threads(p.macs(), p.threads)) +
         seconds_to_move(p);
}

static double error(const ConvProblem& p) { return (p.dtype == DType::f64 ? 1e-15 : 5e-7) + error_of_result(p.dtype); }

void add_fft_rows() {
  using namespace fft;
  add_row({"fft", Pass::fwd, Device::cpu, supports, cost, error, workspace_fwd, run_fwd, false, true});
  add_row({"fft", Pass::grad_input, Device::cpu, supports, cost, error, workspace_grad_input, run_grad_input, false});
  add_row(
      {"fft", Pass::grad_weight, Device::cpu, supports, cost, error, workspace_grad_weight, run_grad_weight, false});
}

}  // namespace torchconv
