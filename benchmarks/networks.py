"""Whole networks against torch and the other libraries. Prints JSON; above 1 torchconv is faster.

    python benchmarks/networks.py [--network resnet50] [--batch 1] [--training] [--peers onnxruntime ncnn]

Inference: the frozen network against torch in both memory formats, torch.compile with freezing, ONNX Runtime, OpenVINO
and ncnn, with the same number of threads; all prepare their weights once and compute in float32, and each timed call
follows others of the same network, as where it runs again and again. Training: forward and backward of the converted
network against torch's in channels_last. The weights are random, but EfficientNet-Lite0's.
"""

import copy
import io
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import numpy
import peers
import torch
import torch._inductor.config
import torchvision
from conv import FORMATS
from rich.table import Table
from torch import Tensor, nn

import torchconv
from torchconv.demo import efficientnet

Call = Callable[[], Any]
# Seconds after which no library's threads wait for more work in a loop: onnxruntime's do for 34 ms, all others' for 11.
PAUSE = 0.05
# Seconds of calls that are not timed: after 50 ms of sleep the first MobileNetV2 takes 1.5x as long, the second 1.15x.
WARM = 0.02
REDUCED = ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage")


class Residual(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def large_kernel_blocks(channels: int, kernel: int) -> list[nn.Module]:
    """A block of RepLKNet with its large kernel (Ding et al. 2022, figure 2), and a feed-forward block."""

    def unit(into: int, out: int, size: int, groups: int = 1) -> list[nn.Module]:
        return [nn.Conv2d(into, out, size, padding=size // 2, groups=groups, bias=False), nn.BatchNorm2d(out)]

    large = [nn.ReLU(), *unit(channels, channels, kernel, channels), nn.ReLU()]
    return [
        Residual(*unit(channels, channels, 1), *large, *unit(channels, channels, 1)),
        Residual(*unit(channels, 4 * channels, 1), nn.GELU(), *unit(4 * channels, channels, 1)),
    ]


def replknet_stages() -> nn.Module:
    """RepLKNet-31B's four stages, of one block each, with the halving between them."""
    layers: list[nn.Module] = [nn.Conv2d(3, 128, 4, stride=4)]
    for channels, kernel in zip((128, 256, 512, 1024), (31, 29, 27, 13), strict=True):
        if channels > 128:
            layers.append(nn.Conv2d(channels // 2, channels, 2, stride=2))
        layers += large_kernel_blocks(channels, kernel)
    return nn.Sequential(*layers)


OWN: dict[str, Callable[[], nn.Module]] = {
    "replknet31b": replknet_stages,
    "efficientnet_lite0": efficientnet.load_network,
}


def make(name: str) -> nn.Module:
    own = OWN.get(name)
    return own() if own else getattr(torchvision.models, name)(weights=None)


# Of each contender, its calls by form.


def torchconv_calls(model: nn.Module, x: Tensor, threads: int) -> dict[str, Call]:
    frozen = torchconv.freeze(model)
    images = {layout: x.contiguous(memory_format=f) for layout, f in FORMATS.items()}
    return {f"torchconv {layout}": lambda image=image: frozen(image) for layout, image in images.items()}


def torch_calls(model: nn.Module, x: Tensor, threads: int) -> dict[str, Call]:
    calls = {}
    for layout, memory_format in FORMATS.items():
        theirs, image = copy.deepcopy(model).to(memory_format=memory_format), x.contiguous(memory_format=memory_format)
        calls[f"torch {layout}"] = lambda theirs=theirs, image=image: theirs(image)
    return calls


def compile_calls(model: nn.Module, x: Tensor, threads: int) -> dict[str, Call]:
    torch._inductor.config.freezing = True
    calls = {}
    for layout, memory_format in FORMATS.items():
        theirs = torch.compile(copy.deepcopy(model).to(memory_format=memory_format), dynamic=False)
        image = x.contiguous(memory_format=memory_format)
        calls[f"torch.compile {layout}"] = lambda theirs=theirs, image=image: theirs(image)
    return calls


def onnxruntime_calls(model: nn.Module, x: Tensor, threads: int) -> dict[str, Call]:
    import onnxruntime

    file = io.BytesIO()
    torch.onnx.export(model, (x,), file, input_names=["x"], output_names=["y"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(file.getvalue(), options, ["CPUExecutionProvider"])
    image = {"x": x.numpy()}
    return {"onnxruntime": lambda: torch.from_numpy(session.run(["y"], image)[0])}


def openvino_calls(model: nn.Module, x: Tensor, threads: int) -> dict[str, Call]:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    found = openvino.convert_model(model, example_input=x, input=[x.shape])
    request = openvino.Core().compile_model(found, "CPU", settings).create_infer_request()
    request.set_input_tensor(openvino.Tensor(x.numpy(), shared_memory=True))

    def call() -> Tensor:
        request.infer()
        return torch.from_numpy(numpy.array(request.get_output_tensor().data))

    return {"openvino": call}


def ncnn_calls(model: nn.Module, x: Tensor, threads: int) -> dict[str, Call]:
    """It takes one image at a time."""
    import ncnn
    import pnnx

    net = ncnn.Net()
    net.opt.num_threads = threads
    for reduced in REDUCED:
        setattr(net.opt, f"use_{reduced}", False)
    with tempfile.TemporaryDirectory() as folder:
        traced = Path(folder) / "model.pt"
        torch.jit.trace(model, x[:1]).save(traced)
        size = ",".join(map(str, (1, *x.shape[1:])))
        command = [pnnx.EXEC_PATH, str(traced), f"inputshape=[{size}]f32", "fp16=0"]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
        net.load_param(str(traced.with_suffix(".ncnn.param")))
        net.load_model(str(traced.with_suffix(".ncnn.bin")))
    images = [ncnn.Mat(image.numpy()).clone() for image in x]

    def call() -> Tensor:
        results = []
        for image in images:
            extractor = net.create_extractor()
            extractor.input("in0", image)
            results.append(torch.from_numpy(extractor.extract("out0")[1].numpy().copy()))
        return torch.stack(results)

    return {"ncnn": call}


# What makes their calls, and the modules that they take.
PEERS: dict[str, tuple[Callable[[nn.Module, Tensor, int], dict[str, Call]], tuple[str, ...]]] = {
    "torch": (torch_calls, ()),
    "torch.compile": (compile_calls, ()),
    "onnxruntime": (onnxruntime_calls, ("onnxruntime", "onnx")),
    "openvino": (openvino_calls, ("openvino",)),
    "ncnn": (ncnn_calls, ("ncnn", "pnnx")),
}


def inference_calls(model: nn.Module, x: Tensor, names: list[str], threads: int) -> dict[tuple[str, str], Call]:
    """Each gave torch's result, or this raises."""
    expected, calls = model(x), {}
    for name, prepare in {"torchconv": torchconv_calls, **{n: PEERS[n][0] for n in names}}.items():
        for form, call in prepare(model, x, threads).items():
            apart = ((call().reshape(expected.shape) - expected).abs().max() / expected.abs().max()).item()
            if not apart <= peers.LARGEST_DIFFERENCE:
                raise RuntimeError(f"{form}: expected the result of torch, got one {apart:.1e} off")
            calls[name, form] = call
    return calls


def training_calls(model: nn.Module, x: Tensor) -> dict[tuple[str, str], Call]:
    """Forward and backward, of the mean square of the result."""
    calls = {}
    for name in ("torchconv", "torch"):
        for layout, memory_format in FORMATS.items():
            network = copy.deepcopy(model).to(memory_format=memory_format).train()
            if name == "torchconv":
                torchconv.convert(network)
            image = x.contiguous(memory_format=memory_format)

            def step(network: nn.Module = network, image: Tensor = image) -> None:
                with torch.enable_grad():
                    network(image).square().mean().backward()

            calls[name, f"{name} {layout}"] = step
    return calls


def summary(timings: dict[tuple[str, str], harness.Timing]) -> dict[str, Any]:
    best: dict[str, harness.Timing] = {}
    for (name, _), timing in timings.items():
        best[name] = min(timing, best.get(name, timing), key=lambda t: t.seconds)
    ours = best.pop("torchconv")
    rival = min(best, key=lambda name: best[name].seconds)
    figures = {
        "ratio": best[rival].seconds / ours.seconds,
        "best_rival": rival,
        "ratios": {name: timing.seconds / ours.seconds for name, timing in best.items()},
        "milliseconds": {form: timing.seconds * 1e3 for (_, form), timing in timings.items()},
    }
    clean = {"ratio": min(ours.clean, best[rival].clean)}
    if channels_last := timings.get(("torch", "torch nhwc")):
        figures["channels_last"] = channels_last.seconds / ours.seconds
        clean["channels_last"] = min(ours.clean, channels_last.clean)
    return {**figures, "clean_samples": clean}


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.set_defaults(limit=60.0)
    parser.add_argument("--network", default="resnet50", help=f"one of torchvision's, or {', '.join(OWN)}")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--training", action="store_true")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    options = parser.parse_args()
    harness.start(options)
    warnings.simplefilter("ignore")  # the exporters' about themselves
    model = make(options.network).eval()
    x = torch.randn(options.batch, 3, options.size, options.size)
    missing: list[str] = []
    if options.training:
        calls = training_calls(model, x)
    else:
        names = peers.installed(options.peers, PEERS)
        missing = [name for name in options.peers if name not in names]
        calls = inference_calls(model, x, names, options.threads)
    timings = harness.measure(calls, options.samples, options.limit, pause=PAUSE, warm=0 if options.training else WARM)
    out = Table("", "ms", "clean", title=f"{options.network}, batch {options.batch}")
    for (_, form), timing in timings.items():
        out.add_row(form, f"{timing.seconds * 1e3:.2f}", str(timing.clean))
    harness.messages.print(out)
    harness.write({**summary(timings), "not_installed": missing, "machine": harness.machine()})


if __name__ == "__main__":
    main()
