"""Times each convolution of a network on torch and on torchconv, and says which algorithm runs it."""

import copy
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from torchconv.convert import convert
from torchconv.plan import explain
from torchconv.timing import Shape, measure

LAYOUTS = ("nchw", "channels_last")
LIBRARIES = ("torch", "torchconv")
_CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}  # 1-D convolutions have no such format


def tensor_in_layout(layout: str, t: Tensor) -> Tensor:
    format_ = _CHANNELS_LAST.get(t.dim()) if layout == "channels_last" else None
    return t.contiguous(memory_format=format_ or torch.contiguous_format)


def in_layout(layout: str, module: nn.Module) -> nn.Module:
    """A copy of the module with its weights in that layout."""
    module = copy.deepcopy(module)
    for parameter in module.parameters():
        parameter.data = tensor_in_layout(layout, parameter.data)
    return module


@dataclass
class Layer:
    """A convolution of a network, or several that do the same."""

    name: str  # of the first
    count: int
    conv: _ConvNd
    x: Tensor
    grad_x: bool  # whether training needs the gradient of x: not for the first layer of a network

    @property
    def is_batched(self) -> bool:
        return self.x.dim() == self.conv.weight.dim()


def _joined(numbers: Iterable[int]) -> str:
    return "x".join(map(str, numbers))


def kind_of(conv: _ConvNd) -> str:
    """The name under which a layer is summed: "stem 3x3 /2", "1x1", "depthwise 5x5" ..."""
    stride = conv.stride if len(set(conv.stride)) > 1 else conv.stride[:1]
    name = _joined(conv.kernel_size) + (f" /{_joined(stride)}" if max(stride) > 1 else "")
    if max(conv.dilation) > 1:
        name += f" dilated {max(conv.dilation)}"
    if isinstance(conv, _ConvTransposeNd):
        name = "transposed " + name
    if conv.groups > 1:
        return ("depthwise " if conv.groups == conv.in_channels else "grouped ") + name
    return ("stem " if conv.in_channels == 3 else "") + name


def description(layer: Layer) -> str:
    """ "3x3 /2, 64 to 128, at 56x56" """
    conv = layer.conv
    size = _joined(layer.x.shape[-len(conv.kernel_size) :])
    return f"{kind_of(conv)}, {conv.in_channels} to {conv.out_channels}, at {size}"


def convolutions(network: nn.Module) -> dict[str, _ConvNd]:
    return {name: module for name, module in network.named_modules() if isinstance(module, _ConvNd)}


def layers_of(network: nn.Module, inputs: Sequence[Any], training: bool = False) -> list[Layer]:
    """The convolutions that the network computes with these inputs, in order; equal ones are one layer."""
    found: dict[tuple[Any, ...], Layer] = {}

    def record(name: str, conv: _ConvNd, x: Tensor) -> None:
        key = (type(conv), x.shape, x.dtype, conv.weight.shape, conv.bias is None, conv.extra_repr())
        layer = found.setdefault(key, Layer(name, 0, conv, x.detach(), False))
        layer.count += 1
        layer.grad_x |= x.requires_grad

    hooks = [
        conv.register_forward_pre_hook(lambda conv, args, name=name: record(name, conv, args[0]))
        for name, conv in convolutions(network).items()
    ]
    try:
        with torch.set_grad_enabled(training):
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return list(found.values())


def layers_from(shapes: Iterable[Shape]) -> list[Layer]:
    """The layers of a file of shapes, with random weights and inputs."""
    layers = []
    for s in shapes:
        kind = nn.ConvTranspose2d if s.transposed else nn.Conv2d
        conv = kind(s.C, s.K, (s.R, s.S), s.stride, s.pad, dilation=s.dil, groups=s.groups, bias=False)
        layers.append(Layer(s.name, s.count, conv, torch.randn(s.x_size), True))
    return layers


def _forward(conv: nn.Module, x: Tensor, grad_x: bool) -> Callable[[], tuple[Tensor, ...]]:
    @torch.no_grad()
    def call() -> tuple[Tensor, ...]:
        return (conv(x),)

    return call


def _training(conv: nn.Module, x: Tensor, grad_x: bool) -> Callable[[], tuple[Tensor, ...]]:
    """Forward, and the gradients of the parameters and of x."""
    parameters = [p for p in conv.parameters() if p.requires_grad]
    x = x.detach().requires_grad_(grad_x or not parameters)
    wanted = [*parameters, x] if x.requires_grad else parameters
    grad_y = torch.ones_like(conv(x))

    def call() -> tuple[Tensor, ...]:
        return torch.autograd.grad(conv(x), wanted, grad_y)

    return call


PASSES = {"forward": _forward, "training": _training}


@dataclass
class LayerFigures:
    """What was found about a layer; as_dict() is what JSON gets.

    Attributes:
        count: how many convolutions of the network do the same.
        algorithms: by pass ("fwd", "grad_input", "grad_weight"), in the layout in which torchconv is fastest.
        gflop: of one of them, by what is done ("forward" or "training").
        seconds: the medians, for one of them, by what is done, library and layout.
        clean_samples: how many samples the least sure of these medians is of.
        error: by library, max|y - exact| / max|exact| against float64, of one image.
    """

    name: str
    count: int
    kind: str
    description: str
    x: list[int]
    w: list[int]
    algorithms: dict[str, str] = field(default_factory=dict)
    gflop: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    clean_samples: int = 0
    error: dict[str, float] = field(default_factory=dict)

    def best(self, what: str, library: str) -> float:
        """The time of all that do the same, in the layout that suits the library best."""
        return self.count * min(self.seconds[what][library].values())

    def ratio(self, what: str) -> float:
        return self.best(what, "torch") / self.best(what, "torchconv")

    def gflops(self, what: str) -> float:
        return self.gflop[what] * self.count / self.best(what, "torchconv")

    def algorithm(self, what: str) -> str:
        """The names of the algorithms, each once."""
        names = self.algorithms.values() if what == "training" else list(self.algorithms.values())[:1]
        return " ".join(dict.fromkeys(names))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": {what: self.ratio(what) for what in self.seconds}}


def measure_layer(
    layer: Layer,
    whats: Sequence[str] = ("forward", "training"),
    layouts: Sequence[str] = LAYOUTS,
    samples: int = 5,
    limit: float = 2.0,
) -> LayerFigures:
    """Times a layer on both libraries, in each of the layouts.

    Args:
        layer: what layers_of or layers_from gave; its conv is torch's.
        whats: of "forward" and "training".
        layouts: of LAYOUTS.
        samples, limit: as in torchconv.timing.measure.
    """
    x_size, w_size = list(layer.x.shape), list(layer.conv.weight.shape)
    figures = LayerFigures(layer.name, layer.count, kind_of(layer.conv), description(layer), x_size, w_size)
    convs = {"torch": layer.conv, "torchconv": convert(copy.deepcopy(layer.conv))}
    operands = {
        (library, layout): (in_layout(layout, conv), tensor_in_layout(layout, layer.x))
        for library, conv in convs.items()
        for layout in layouts
    }
    clean = []
    for what in whats:
        calls = {key: PASSES[what](*pair, layer.grad_x) for key, pair in operands.items()}
        timings = measure(calls, samples, limit)
        clean += [timing.clean for timing in timings.values()]
        figures.seconds[what] = {
            library: {layout: timings[library, layout].seconds for layout in layouts} for library in convs
        }
    figures.clean_samples = min(clean)
    ours = figures.seconds[whats[0]]["torchconv"]
    fastest = min(ours, key=lambda layout: ours[layout])
    figures.algorithms, gflop = _choices(*operands["torchconv", fastest])
    backward = 2 if layer.grad_x else 1
    figures.gflop = {what: gflop * (1 + backward * (what == "training")) for what in whats}
    figures.error = errors(layer, whats[-1])
    return figures


class _RecordCalls(TorchDispatchMode):
    """Keeps the operators of torchconv that run, with their arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "torchconv":
            self.calls.append((func.__name__.split(".")[0], args))
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def _choices(conv: nn.Module, x: Tensor) -> tuple[dict[str, str], float]:
    """The algorithm of each pass, the module's forward first, and the GFLOP of the forward.

    What the module hands to the operators counts, since a subclass may pad on its own.
    """
    with FlopCounterMode(display=False) as flop, _RecordCalls() as record:
        conv(x)
    algorithms: dict[str, str] = {}
    for name, args in record.calls:
        if name not in ("conv_fwd", "conv_grad_input"):
            continue
        first, w, _, *rest = args  # the bias
        if name == "conv_grad_input":  # a transposed convolution
            size, *rest = rest
            first = tensor_in_layout(_layout_of(first), torch.empty(size, dtype=w.dtype, device="meta"))
        stride, padding, dilation, groups, algo = rest
        sides = tuple(zip(padding[::2], padding[1::2]))
        rows = explain(first, w.to(first.device), None, stride, sides, dilation, groups, algo).rows
        chosen = {row["pass"]: row["algo"] for row in rows if row["chosen"]}
        own = name.removeprefix("conv_")
        for pass_ in sorted(chosen, key=lambda pass_: pass_ != own):
            algorithms.setdefault(pass_, chosen[pass_])
    return algorithms, flop.get_total_flops() * 1e-9


def _layout_of(t: Tensor) -> str:
    format_ = _CHANNELS_LAST.get(t.dim())
    return "channels_last" if format_ and t.is_contiguous(memory_format=format_) else "nchw"


def errors(layer: Layer, what: str) -> dict[str, float]:
    """By library, the largest error of a result, or in training of a gradient, for one image."""
    x = layer.x[:1] if layer.is_batched else layer.x
    exact = PASSES[what](copy.deepcopy(layer.conv).double(), x.double(), layer.grad_x)()
    found = {}
    for library, conv in (("torch", layer.conv), ("torchconv", convert(copy.deepcopy(layer.conv)))):
        results = PASSES[what](conv, x, layer.grad_x)()
        found[library] = max(relative_error(a, b) for a, b in zip(results, exact))
    return found


def relative_error(result: Tensor, exact: Tensor) -> float:
    """max|result - exact| / max|exact|; where all is exactly zero, 0."""
    if exact.numel() == 0:
        return 0.0
    largest = max(exact.abs().max().item(), sys.float_info.min)
    return (result.double() - exact.double()).abs().max().item() / largest


def measure_layers(
    layers: Sequence[Layer],
    progress: Callable[[Sequence[Layer]], Iterable[Layer]] = iter,
    seed: int = 0,
    **options: Any,
) -> list[LayerFigures]:
    """measure_layer of each, with the same random order every time."""
    random.seed(seed)
    return [measure_layer(layer, **options) for layer in progress(layers)]
