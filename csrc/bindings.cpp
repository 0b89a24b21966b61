// The control plane for Python: registry, explain, ISA. Tensors never pass here.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "common/error.h"
#include "common/isa.h"
#include "common/parallel.h"
#include "common/peak.h"
#include "cuda_library.h"
#include "fft/tiles.h"
#include "geometry.h"
#include "registry.h"

namespace py = pybind11;
using namespace torchconv;

template <class E>
static E parse_enum(const char* name, const std::string& text, std::initializer_list<E> values) {
  std::string names;
  for (E v : values) {
    if (text == to_string(v)) return v;
    names += (names.empty() ? "" : ", ") + std::string(to_string(v));
  }
  throw ConvError(join("torchconv: ", name, ": expected one of ", names, ", got '", text, "'"));
}

static ConvProblem problem_from(const std::string& pass, const Sizes& x, const Sizes& w, const Sizes& stride,
                                const Sizes& padding, const Sizes& dilation, int64_t groups, const std::string& dtype,
                                const std::string& layout, const std::string& device, bool has_bias,
                                bool w_channels_last, int threads) {
  const Geometry g{stride, padding, dilation, groups};
  ConvProblem p = make_problem(parse_enum("pass", pass, {Pass::fwd, Pass::grad_input, Pass::grad_weight}), x, w,
                               conv_output_size(x, w, g), g);
  p.dtype = parse_enum("dtype", dtype, {DType::f32, DType::f64, DType::f16, DType::bf16});
  p.layout = parse_enum("layout", layout, {Layout::nchw, Layout::nhwc});
  p.device = parse_enum("device", device, {Device::cpu, Device::cuda});
  p.isa = current_isa();
  p.threads = threads > 0 ? threads : num_threads();
  p.has_bias = has_bias;
  set_dense_weights(p, w_channels_last ? Layout::nhwc : Layout::nchw);
  return p;
}

PYBIND11_MODULE(_C, m) {
  m.doc() = "torchconv's operators (registered on import) and the registry behind them";

  m.def(
      "rows",
      [] {
        py::list out;
        for (const Row& row : rows()) out.append(py::make_tuple(row.algo, to_string(row.pass), to_string(row.device)));
        return out;
      },
      "Every row as (algo, pass, device), in the order in which they are considered.");

  m.def(
      "conv_output_size",
      [](const Sizes& x, const Sizes& w, const Sizes& stride, const Sizes& padding, const Sizes& dilation,
         int64_t groups) { return conv_output_size(x, w, {stride, padding, dilation, groups}); },
      py::arg("x_size"), py::arg("w_size"), py::arg("stride"), py::arg("padding"), py::arg("dilation"),
      py::arg("groups"), "Validates a convolution's sizes and returns the size of y.");

  m.def(
      "check_activation", [](const std::string& name) { parse_activation(name); }, py::arg("name"),
      "Raises unless conv_fused has such an activation.");

  m.def(
      "check_output_size",
      [](const std::string& name, const Sizes& x, const Sizes& w, const Sizes& y, const Sizes& stride,
         const Sizes& padding, const Sizes& dilation,
         int64_t groups) { check_output_size(name.c_str(), x, w, y, {stride, padding, dilation, groups}); },
      py::arg("name"), py::arg("x_size"), py::arg("w_size"), py::arg("y_size"), py::arg("stride"), py::arg("padding"),
      py::arg("dilation"), py::arg("groups"),
      "Raises unless y_size is the size of y; name is what the caller calls y.");

  m.def("pool_output_size", &pool_output_size, py::arg("x_size"), py::arg("kernel_size"), py::arg("stride"),
        py::arg("padding"), py::arg("dilation"), py::arg("ceil_mode"),
        "Validates a pooling's sizes and returns that of y.");

  m.def(
      "unfold_places",
      [](const std::string& x_name, const Sizes& x, const Sizes& kernel_size, const Sizes& stride, const Sizes& padding,
         const Sizes& dilation) {
        const ConvProblem p = make_unfold_problem(x_name.c_str(), x, kernel_size, {stride, padding, dilation, 1});
        return std::make_pair(p.P, p.Q);
      },
      py::arg("x_name"), py::arg("x_size"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"),
      py::arg("dilation"),
      "Validates an unfold's sizes and returns how many places the kernel takes down and across x.");

  m.def(
      "explain",
      [](const std::string& pass, const Sizes& x, const Sizes& w, const Sizes& stride, const Sizes& padding,
         const Sizes& dilation, int64_t groups, const std::string& algo, const std::string& dtype,
         const std::string& layout, const std::string& device, bool has_bias, bool w_channels_last, int threads) {
        const ConvProblem p = problem_from(pass, x, w, stride, padding, dilation, groups, dtype, layout, device,
                                           has_bias, w_channels_last, threads);
        py::list out;
        for (const Candidate& c : explain(p, algo)) {
          py::dict d;
          d["algo"] = c.row->algo;
          d["chosen"] = c.supported && c.reason.empty();
          d["supported"] = c.supported;
          d["direct"] = c.row->direct;
          d["reason"] = c.reason;
          d["plan"] = c.plan;
          d["seconds"] = c.supported ? py::object(py::float_(c.cost)) : py::none();
          d["error"] = c.supported ? py::object(py::float_(c.error)) : py::none();
          d["workspace"] = c.supported ? py::object(py::int_(c.workspace)) : py::none();
          out.append(d);
        }
        return out;
      },
      py::arg("pass_"), py::arg("x_size"), py::arg("w_size"), py::arg("stride"), py::arg("padding"),
      py::arg("dilation"), py::arg("groups"), py::arg("algo") = "auto", py::arg("dtype") = "float32",
      py::arg("layout") = "nchw", py::arg("device") = "cpu", py::arg("has_bias") = false,
      py::arg("w_channels_last") = false, py::arg("threads") = 0,
      "Every row of the pass: whether it was chosen, the reason if not, predicted seconds, error and workspace.");

  m.def(
      "fft_tiles",
      [](const std::string& pass, const Sizes& x, const Sizes& w, const Sizes& padding, const Sizes& dilation,
         int64_t groups) {
        const Sizes stride(dilation.size(), 1);
        const fft::Tiling t = fft::choose_tiles(
            problem_from(pass, x, w, stride, padding, dilation, groups, "float32", "nchw", "cpu", false, false, 1));
        const auto tuple = [](const fft::Axis& a) { return std::make_tuple(a.size, a.step, a.tiles); };
        return std::make_pair(tuple(t.h), tuple(t.w));
      },
      py::arg("pass_"), py::arg("x_size"), py::arg("w_size"), py::arg("padding"), py::arg("dilation"),
      py::arg("groups"),
      "How algo='fft' cuts a problem on one thread: along H and along W, the size of a transform, the results of a "
      "tile, and the tiles.");

  m.def("detected_isa", [] { return to_string(detected_isa()); });
  m.def("current_isa", [] { return to_string(current_isa()); });
  m.def(
      "set_max_isa", [](const std::string& name) { set_max_isa(parse_isa("name", name)); },
      "Caps the instruction set in use; never raises it above detected_isa().");
  m.def("num_threads", &num_threads);
  m.def(
      "measure_peak",
      [](const std::string& isa, int threads, const std::string& dtype) {
        return measure_peak(parse_isa("isa", isa), threads, parse_enum("dtype", dtype, {DType::f32, DType::f64}));
      },
      py::arg("isa"), py::arg("threads"), py::arg("dtype") = "float32",
      "GFLOP/s of multiply-adds on registers alone, measured now (about 0.1 s).");
  m.def("load_cuda_library", &load_cuda_library, "Loads the library with the CUDA kernels and adds its rows.");
}
