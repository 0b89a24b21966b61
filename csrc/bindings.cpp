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
#include "plans.h"
#include "registry.h"
#include "workspace.h"

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
                                bool w_channels_last, int threads, bool packed = false) {
  const Geometry g{stride, padding, dilation, groups};
  ConvProblem p = make_problem(parse_enum("pass", pass, {Pass::fwd, Pass::grad_input, Pass::grad_weight}), x, w,
                               conv_output_size(x, w, g), g);
  p.dtype = parse_enum("dtype", dtype, {DType::f32, DType::f64, DType::f16, DType::bf16});
  p.layout = layout_to_compute(p, parse_enum("layout", layout, {Layout::nchw, Layout::nhwc}));
  p.device = parse_enum("device", device, {Device::cpu, Device::cuda});
  p.isa = current_isa();
  p.threads = threads > 0 ? threads : num_threads();
  p.has_bias = has_bias;
  p.packed = packed;
  set_dense_weights(p, w_channels_last ? Layout::nhwc : Layout::nchw);
  return p;
}

// The sizes of a dimension that a problem has; a problem without height counts as one of height 1.
static Sizes spatial(const ConvProblem& p, int64_t d, int64_t h, int64_t w) {
  return p.has_depth() ? Sizes{d, h, w} : Sizes{h, w};
}
static Sizes with_spatial(int64_t first, int64_t second, const Sizes& sizes) {
  Sizes all = {first, second};
  all.insert(all.end(), sizes.begin(), sizes.end());
  return all;
}

// What problem_from takes, by name.
static py::dict dict_from(const ConvProblem& p) {
  Sizes padding = {p.pad_top, p.pad_bottom, p.pad_left, p.pad_right};
  if (p.has_depth()) padding.insert(padding.begin(), {p.pad_front, p.pad_back});
  py::dict d;
  d["pass"] = to_string(p.pass);
  d["x"] = with_spatial(p.N, p.C, spatial(p, p.D, p.H, p.W));
  d["w"] = with_spatial(p.K, p.Cg(), spatial(p, p.T, p.R, p.S));
  d["stride"] = spatial(p, p.stride_d, p.stride_h, p.stride_w);
  d["padding"] = padding;
  d["dilation"] = spatial(p, p.dil_d, p.dil_h, p.dil_w);
  d["groups"] = p.G;
  d["dtype"] = to_string(p.dtype);
  d["layout"] = to_string(p.layout);
  d["device"] = to_string(p.device);
  d["threads"] = p.threads;
  d["isa"] = to_string(p.isa);
  d["packed"] = p.packed;
  d["w_channels_last"] = p.w_stride[1] == 1 && p.R * p.S > 1 && p.Cg() > 1;
  return d;
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
         const std::string& layout, const std::string& device, bool has_bias, bool w_channels_last, int threads,
         bool packed) {
        const ConvProblem p = problem_from(pass, x, w, stride, padding, dilation, groups, dtype, layout, device,
                                           has_bias, w_channels_last, threads, packed);
        py::list out;
        for (const Candidate& c : explain(p, algo)) {
          py::dict d;
          d["algo"] = c.row->algo;
          const bool chosen = c.allowed && c.reason.empty();
          d["chosen"] = chosen;
          d["supported"] = c.supported;
          d["direct"] = c.row->direct;
          d["reason"] = c.reason;
          d["plan"] = c.plan;
          d["seconds"] = c.supported ? py::object(py::float_(c.cost)) : py::none();
          d["error"] = c.supported ? py::object(py::float_(c.error)) : py::none();
          d["workspace"] = c.supported ? py::object(py::int_(c.workspace)) : py::none();
          d["allowed"] = c.allowed;
          d["tuned"] = chosen && c.measured > 0 && algo.rfind("auto", 0) == 0;
          d["measured"] = c.measured > 0 ? py::object(py::float_(c.measured)) : py::none();
          out.append(d);
        }
        return out;
      },
      py::arg("pass_"), py::arg("x_size"), py::arg("w_size"), py::arg("stride"), py::arg("padding"),
      py::arg("dilation"), py::arg("groups"), py::arg("algo") = "auto", py::arg("dtype") = "float32",
      py::arg("layout") = "nchw", py::arg("device") = "cpu", py::arg("has_bias") = false,
      py::arg("w_channels_last") = false, py::arg("threads") = 0, py::arg("packed") = false,
      "Every row of the pass: whether it was chosen, the reason if not, predicted seconds, error and workspace, and "
      "what "
      "tune() measured.");

  m.def(
      "add_plan",
      [](const std::string& pass, const Sizes& x, const Sizes& w, const Sizes& stride, const Sizes& padding,
         const Sizes& dilation, int64_t groups, const std::string& dtype, const std::string& layout,
         const std::string& device, int threads, const std::string& isa, bool packed,
         const std::vector<std::pair<std::string, double>>& timed) {
        ConvProblem p = problem_from(pass, x, w, stride, padding, dilation, groups, dtype, layout, device, false, false,
                                     threads, packed);
        p.isa = parse_isa("isa", isa);
        Plan plan;
        for (const auto& [algo, seconds] : timed) plan.push_back({algo, seconds});
        add_plan(p, std::move(plan));
      },
      py::arg("pass_"), py::arg("x_size"), py::arg("w_size"), py::arg("stride"), py::arg("padding"),
      py::arg("dilation"), py::arg("groups"), py::arg("dtype"), py::arg("layout"), py::arg("device"),
      py::arg("threads"), py::arg("isa"), py::arg("packed"), py::arg("timed"),
      "From now on auto takes the first algorithm of `timed`, fastest first, that is there and within the budgets.");
  m.def("clear_plans", &clear_plans);
  m.def("set_workspace_limit", &set_workspace_limit, py::arg("bytes"));
  m.def("workspace_limit", &workspace_limit);
  m.def(
      "keep_workspace", [](bool on) { Workspace::keeping = on; }, py::arg("on"),
      "Whether threads keep their workspace for the next call; off, torch allocates each, and can fill it with "
      "garbage.");
  m.def("kept_workspace", &Workspace::kept_bytes, "Bytes that the calling thread keeps.");
  m.def("set_idle_memory_limit", &set_idle_memory_limit, py::arg("bytes"), "Of results that were freed; 0 keeps none.");
  m.def("idle_memory_limit", &idle_memory_limit);
  m.def("idle_memory", &idle_memory, "Bytes of freed results that stay for later ones.");
  m.def("plan_generation", &plan_generation, "Another number where auto may choose anew.");
  m.def("watch_problems", &watch_problems, py::arg("on"), "Keeps each problem that auto chooses an algorithm for.");
  m.def(
      "watched_problems",
      [] {
        py::list out;
        for (const auto& [p, algo] : watched_problems()) out.append(py::make_tuple(dict_from(p), algo));
        return out;
      },
      "What was kept while watching: (problem, algo), the problem as add_plan takes it, and w_channels_last.");

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
      "relative_speed", [](const std::string& isa) { return relative_speed(parse_isa("isa", isa)); }, py::arg("isa"),
      "By how much predicted times scale multiply-adds: 1 on the machine that they were fitted on.");
  m.def(
      "measure_peak",
      [](const std::string& isa, int threads, const std::string& dtype) {
        return measure_peak(parse_isa("isa", isa), threads, parse_enum("dtype", dtype, {DType::f32, DType::f64}));
      },
      py::arg("isa"), py::arg("threads"), py::arg("dtype") = "float32",
      "GFLOP/s of multiply-adds on registers alone, measured now (about 0.1 s).");
  m.def("measure_round_trip", &measure_round_trip, py::call_guard<py::gil_scoped_release>(),
        "Nanoseconds in which a cache line goes to another core and back, measured now (some 10 ms).");
  m.def("load_cuda_library", &load_cuda_library, "Loads the library with the CUDA kernels and adds its rows.");
}
