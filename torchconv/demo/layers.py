"""Times each convolution of a network on torch and on torchconv, and sums by kind of layer."""

import copy
import random
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

Key = tuple[str, str, str]  # pass, library, layout
LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


def kind_of(conv: nn.Conv2d) -> str:
    """The name under which a layer is summed: "stem 3x3 /2", "1x1", "depthwise 5x5" ..."""
    r, s = conv.kernel_size
    name = f"{r}x{s}" + (f" /{conv.stride[0]}" if conv.stride[0] > 1 else "")
    if conv.groups > 1:
        return ("depthwise " if conv.groups == conv.in_channels else "grouped ") + name
    return ("stem " if conv.in_channels == 3 else "") + name


def convolutions(network: nn.Module) -> dict[str, nn.Conv2d]:
    return {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}


@torch.no_grad()
def record_inputs(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """What each convolution is given when the network runs on x."""
    inputs: dict[str, Tensor] = {}
    hooks = [
        conv.register_forward_pre_hook(lambda _, args, name=name: inputs.__setitem__(name, args[0]))
        for name, conv in convolutions(network).items()
    ]
    network(x)
    for hook in hooks:
        hook.remove()
    return inputs


def interleaved_medians(calls: dict[Key, Callable[[], object]], repeats: int) -> dict[Key, float]:
    """The median time of each call in seconds: all of them in every round, in an order shuffled anew each time."""
    seconds: dict[Key, list[float]] = {key: [] for key in calls}
    for call in calls.values():
        call()
    for _ in range(repeats):
        for key in random.sample(list(calls), len(calls)):
            start = time.perf_counter()
            calls[key]()
            seconds[key].append(time.perf_counter() - start)
    return {key: statistics.median(times) for key, times in seconds.items()}


def _forward(conv: nn.Conv2d, x: Tensor) -> Callable[[], object]:
    @torch.no_grad()
    def call() -> None:
        conv(x)

    return call


def _training(conv: nn.Conv2d, x: Tensor) -> Callable[[], object]:
    """Forward, and the gradients of x and of the weight."""
    x = x.detach().requires_grad_()
    grad_y = torch.ones_like(conv(x))

    def call() -> None:
        torch.autograd.grad(conv(x), (x, conv.weight), grad_y)

    return call


PASSES = {"forward": _forward, "training": _training}


def _in_layout(memory_format: torch.memory_format, conv: nn.Conv2d, x: Tensor) -> tuple[nn.Conv2d, Tensor]:
    return copy.deepcopy(conv).to(memory_format=memory_format), x.contiguous(memory_format=memory_format)


@dataclass
class Kind:
    """The layers of one kind and their seconds in all."""

    layers: int = 0
    seconds: dict[Key, float] = field(default_factory=dict)

    def best(self, what: str, library: str) -> float:
        """The time in the layout that suits the library best."""
        return min(self.seconds[what, library, layout] for layout in LAYOUTS)


def time_by_kind(
    networks: dict[str, nn.Module],
    inputs: dict[str, Tensor],
    repeats: int,
    progress: Callable[[list[str]], Iterable[str]] = iter,
) -> dict[str, Kind]:
    """Every layer in `inputs`, in each of the `networks` (by library) and in both layouts."""
    libraries = {library: convolutions(network) for library, network in networks.items()}
    kinds: dict[str, Kind] = {}
    for name in progress(list(inputs)):
        kind = kinds.setdefault(kind_of(libraries["torch"][name]), Kind())
        kind.layers += 1
        for what, make in PASSES.items():
            calls = {
                (what, library, layout): make(*_in_layout(memory_format, convs[name], inputs[name]))
                for library, convs in libraries.items()
                for layout, memory_format in LAYOUTS.items()
            }
            for key, seconds in interleaved_medians(calls, repeats).items():
                kind.seconds[key] = kind.seconds.get(key, 0.0) + seconds
    return kinds
