"""Single layers on torchconv and other libraries: one image, one thread, forward, weights prepared once. Prints JSON.

    python benchmarks/peers.py [--shapes resnet50] [--only 3x3] [--peers onnxruntime openvino]

The rivals are torch in both layouts, torch.compile with freezing, ONNX Runtime, OpenVINO and ncnn; those three are of
the extra `bench`, and what is not installed is said and left out. Each side may choose its layout; results stay in the
layout that the library chose where it can say so. All compute in float32.
"""

import importlib.util
import tempfile
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import conv
import harness
import torch
from harness import Shape, geomean
from rich.progress import track
from rich.table import Table
from torch import Tensor

from torchconv import ops

Call = Callable[[], Tensor]  # gives y, or something that `as_tensor` makes y of
OWN_BARS = ("1x1", "dw7x7")  # kinds of layers that are held against one peer
LARGEST_DIFFERENCE = 1e-3  # relative; a peer that is further off computes something else, or not in float32


def torchconv_calls(s: Shape, x: Tensor, w: Tensor) -> dict[str, Call]:
    return {f"torchconv {layout}": ours(s, *in_layout(layout, x, w)) for layout in conv.FORMATS}


def ours(s: Shape, x: Tensor, w: Tensor) -> Call:
    if s.transposed:  # which has no pack
        return lambda: ops.conv_grad_input(x, w, None, s.conv_x_size, *s.geometry, "auto")
    pack = ops.conv_pack(x, w, *s.geometry, "none", False, "auto")
    rest = (None, None, pack if pack.numel() else None, *s.geometry, "none", "auto")
    return lambda: ops.conv_fused(x, w, *rest)


def in_layout(layout: str, *tensors: Tensor) -> list[Tensor]:
    return [t.contiguous(memory_format=conv.FORMATS[layout]) for t in tensors]


def torch_calls(s: Shape, x: Tensor, w: Tensor) -> dict[str, Call]:
    return {f"torch {layout}": conv.torchs("fwd", s, *in_layout(layout, x, w), x) for layout in conv.FORMATS}


def compile_calls(s: Shape, x: Tensor, w: Tensor) -> dict[str, Call]:
    """Freezing lets the compiler prepare the weights; it chooses their layout."""
    import torch._dynamo  # here, since it takes seconds
    import torch._inductor.config

    torch._inductor.config.freezing = True
    torch._dynamo.reset()  # after eight layers it would compile no more and fall back to eager
    calls = {}
    for layout in conv.FORMATS:
        module = torch.nn.ConvTranspose2d if s.transposed else torch.nn.Conv2d
        layer = module(s.C, s.K, (s.R, s.S), s.stride, s.pad, dilation=s.dil, groups=s.groups, bias=False).eval()
        layer.weight.data, image = in_layout(layout, w, x)
        compiled = torch.compile(layer, dynamic=False, fullgraph=True)
        calls[f"torch.compile {layout}"] = lambda compiled=compiled, image=image: compiled(image)
    return calls


def onnxruntime_calls(s: Shape, x: Tensor, w: Tensor) -> dict[str, Call]:
    """With its own blocked layout between two reorderings, and without: which is faster depends on the layer."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    stride, pad, dil = s.window
    window = {"strides": stride, "pads": [*pad, *pad], "dilations": dil, "kernel_shape": [s.R, s.S], "group": s.groups}
    node = helper.make_node("ConvTranspose" if s.transposed else "Conv", ["x", "w"], ["y"], **window)
    images = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, size) for n, size in (("x", s.x_size), ("y", s.y_size))
    ]
    graph = helper.make_graph([node], "layer", images[:1], images[1:], [numpy_helper.from_array(w.numpy(), "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    levels = onnxruntime.GraphOptimizationLevel
    calls = {}
    for name, level in (("blocked", levels.ORT_ENABLE_ALL), ("nchw", levels.ORT_ENABLE_EXTENDED)):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = level
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        y, binding = torch.empty(s.y_size), session.io_binding()
        binding.bind_input("x", "cpu", 0, "float32", s.x_size, x.data_ptr())
        binding.bind_output("y", "cpu", 0, "float32", s.y_size, y.data_ptr())

        def call(session: Any = session, binding: Any = binding, y: Tensor = y, x: Tensor = x) -> Tensor:
            session.run_with_iobinding(binding)
            return y

        calls[f"onnxruntime {name}"] = call
    return calls


def openvino_calls(s: Shape, x: Tensor, w: Tensor) -> dict[str, Call]:
    import openvino
    from openvino import opset13

    stride, pad, dil = s.window
    parameter = opset13.parameter(s.x_size, openvino.Type.f32)
    weights, rest = w, (stride, pad, pad, dil)
    if s.groups > 1:
        weights = w.reshape(s.groups, w.shape[0] // s.groups, *w.shape[1:])
    constant = opset13.constant(weights.numpy())
    if s.transposed:
        layer = opset13.group_convolution_backprop_data if s.groups > 1 else opset13.convolution_backprop_data
        node = layer(parameter, constant, stride, pads_begin=pad, pads_end=pad, dilations=dil)
    else:
        layer = opset13.group_convolution if s.groups > 1 else opset13.convolution
        node = layer(parameter, constant, *rest)
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(openvino.Model([node], [parameter], "layer"), "CPU", settings)
    request, y = compiled.create_infer_request(), torch.empty(s.y_size)
    request.set_input_tensor(openvino.Tensor(x.numpy(), shared_memory=True))
    request.set_output_tensor(openvino.Tensor(y.numpy(), shared_memory=True))

    def call() -> Tensor:
        request.infer()
        return y

    return {"openvino": call}


def ncnn_calls(s: Shape, x: Tensor, w: Tensor) -> dict[str, Call]:
    """Its x and y have the channels packed as its layers like them; the result that is checked is unpacked."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1
    for reduced in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
        setattr(net.opt, f"use_{reduced}", False)
    kind = ("Deconvolution" if s.transposed else "Convolution") + "DepthWise" * (s.groups > 1)
    stride, pad, dil = s.window
    if s.transposed:
        w = w.reshape(s.groups, s.C // s.groups, -1, s.R, s.S).transpose(1, 2)
    numbers = {0: s.K, 1: s.S, 2: dil[1], 3: stride[1], 4: pad[1], 5: 0, 6: w.numel(), 7: s.groups}
    numbers |= {11: s.R, 12: dil[0], 13: stride[0], 14: pad[0]}
    described = " ".join(f"{key}={number}" for key, number in numbers.items())
    net.load_param_mem(f"7767517\n2 2\nInput x 0 1 x\n{kind} layer 1 1 x y {described}\n")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.bin"
        path.write_bytes(bytes(4) + w.contiguous().numpy().tobytes())  # four zeros: float32 follows
        net.load_model(str(path))
    image, elements = ncnn.Mat(x[0].numpy()).clone(), next(n for n in (16, 8, 4, 1) if s.C % n == 0)
    packed = ncnn.Mat()
    ncnn.convert_packing(image, packed, elements, net.opt)

    def call(unpacked: bool = False) -> Any:
        extractor = net.create_extractor()
        extractor.input("x", packed)
        status, y = extractor.extract("y", 0 if unpacked else 1)
        if status:
            raise RuntimeError(f"ncnn: expected a result, got status {status}")
        return torch.from_numpy(y.numpy().copy())[None] if unpacked else y

    return {"ncnn": call}


# By peer: what makes its calls, and the modules that it takes.
PEERS: dict[str, tuple[Callable[[Shape, Tensor, Tensor], dict[str, Call]], tuple[str, ...]]] = {
    "torch": (torch_calls, ()),
    "torch.compile": (compile_calls, ()),
    "onnxruntime": (onnxruntime_calls, ("onnxruntime", "onnx")),
    "openvino": (openvino_calls, ("openvino",)),
    "ncnn": (ncnn_calls, ("ncnn",)),
}


def installed(names: list[str], peers: Mapping[str, tuple[Any, Sequence[str]]] = PEERS) -> list[str]:
    """Those of the peers whose modules are here; says which are not, and how to get them."""
    found = []
    for name in names:
        missing = [module for module in peers[name][1] if importlib.util.find_spec(module) is None]
        if missing:
            harness.messages.print(f"{name} is left out: no module {', '.join(missing)}; make peers installs it")
        else:
            found.append(name)
    return found


def compare(s: Shape, peers: list[str], options: Any) -> dict[str, Any]:
    """Milliseconds of one layer for each contender in its best form, after its result was compared with torch's."""
    x, w = torch.randn(s.x_size), torch.randn(s.w_size)
    exact = conv.torchs("fwd", s, x.double(), w.double(), x)()
    calls: dict[Hashable, Callable[[], object]] = {}
    errors: dict[str, float] = {}
    for peer, make in {"torchconv": torchconv_calls, **{name: PEERS[name][0] for name in peers}}.items():
        for form, call in make(s, x, w).items():
            y = call(unpacked=True) if peer == "ncnn" else call()
            errors[form] = conv.relative_error(y, exact)
            if not errors[form] <= LARGEST_DIFFERENCE:
                raise RuntimeError(f"{form}: expected the result of torch on {s.line}, got one {errors[form]:.1e} off")
            calls[peer, form] = call
    timings = harness.measure(calls, options.samples, options.limit)
    best: dict[str, float] = {}
    for (peer, _), timing in timings.items():
        best[peer] = min(timing.seconds, best.get(peer, float("inf")))
    return {
        "layer": s.name,
        "H": s.H,
        "seconds": best,
        "forms": {form: timing.seconds for (_, form), timing in timings.items()},
        "errors": errors,
        "ratio": {peer: best[peer] / best["torchconv"] for peer in peers},
        "clean_samples": min(timing.clean for timing in timings.values()),
    }


def summary(rows: list[dict[str, Any]], peers: list[str]) -> dict[str, Any]:
    """Geometric means: above 1 torchconv is faster than the peer; "others": of the kinds that have no bar of their own.

    "worst" is of maps from 14 to 112, and not a mean.
    """
    rivals = {name: {peer: [row["ratio"][peer] for row in of] for peer in peers} for name, of in groups(rows).items()}
    figures: dict[str, Any] = {}
    for name, by_peer in rivals.items():
        start = f"{name}_" if name else ""
        figures |= {f"{start}{peer}": geomean(ratios) for peer, ratios in by_peer.items()}
        figures[f"{start}best_peer"] = geomean([min(ratios) for ratios in zip(*by_peer.values(), strict=True)])
    middling = [row for row in rows if 14 <= row["H"] <= 112] or rows
    worst = min(middling, key=lambda row: min(row["ratio"].values()))
    figures["worst"] = min(worst["ratio"].values())
    samples = dict.fromkeys(figures, min(row["clean_samples"] for row in rows))
    return {**figures, "worst_is": worst["layer"], "clean_samples": samples}


def groups(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """All rows, and those of each kind of layer: how its name begins."""
    kinds = {row["layer"].partition("_")[0]: [] for row in rows}
    for row in rows:
        kinds[row["layer"].partition("_")[0]].append(row)
    others = [row for kind, of in kinds.items() for row in of if kind not in OWN_BARS]
    return {"": rows, **kinds, **({"others": others} if others else {})}


def table(rows: list[dict[str, Any]], peers: list[str]) -> Table:
    out = Table("layer", "torchconv", *peers, "clean", title="ms")
    for row in rows:
        times = [f"{1e3 * row['seconds'][name]:.3f}" for name in ("torchconv", *peers)]
        out.add_row(row["layer"], *times, str(row["clean_samples"]))
    return out


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.set_defaults(threads=1, limit=3.0)
    parser.add_argument("--shapes", default="resnet50", help="a file in shapes/")
    parser.add_argument("--only", default="", help="part of a layer's name")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    options = parser.parse_args()
    if options.threads != 1:
        parser.error(f"--threads: expected 1, the one number that all peers keep to, got {options.threads}")
    harness.start(options)
    peers = installed(options.peers)
    shapes = [s for s in harness.read_shapes(options.shapes, 1) if options.only in s.name]
    rows = [compare(s, peers, options) for s in track(shapes, "layers", console=harness.messages)]
    figures = summary(rows, peers)
    harness.messages.print(table(rows, peers))
    missing = [name for name in options.peers if name not in peers]
    harness.write({**figures, "not_installed": missing, "layers": rows, "machine": harness.machine()})


if __name__ == "__main__":
    main()
