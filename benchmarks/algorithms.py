"""Every algorithm on one layer, and torch, taking turns; and the layers on which suite.py lets them race.

Which algorithms there are is the registry's to say.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import conv
import harness
import torch
from harness import Shape

import torchconv
from torchconv import _C

PASSES = conv.SINGLE
REFERENCE = "reference"  # plain loops, to test the others against: timed only where auto picks them, on one pixel
LARGEST_FLOP = 5e9  # of a layer in a sweep or a map: about 30 ms on two cores
SLOWEST = 10.0  # times the fastest: rows predicted to be slower do not run in sweeps and maps


def algorithms() -> list[str]:
    """Their names, in the order of the registry."""
    return list(dict.fromkeys(algo for algo, *_ in _C.rows()))


def candidates(pass_: str, s: Shape, x: torch.Tensor, w: torch.Tensor, slowest: float) -> dict[str, dict[str, Any]]:
    """The rows that can run it, by algorithm; of those, auto may find some too inexact."""
    stride, pad, dil = s.window
    rows = torchconv.explain(x, w, None, stride, pad, dil, s.groups).rows
    able = {row["algo"]: row for row in rows if row["pass"] == pass_ and row["supported"]}
    if REFERENCE in able and not able[REFERENCE]["chosen"]:
        del able[REFERENCE]
    fastest = min((row["seconds"] for row in able.values()), default=0.0)
    return {algo: row for algo, row in able.items() if row["chosen"] or row["seconds"] <= slowest * fastest}


@dataclass(frozen=True)
class Race:
    """How long each contender takes in the better of its layouts: every algorithm by its name, and "torch".

    Attributes:
        seconds: by contender.
        errors: by contender, where they were asked for: max|y - exact| / max|exact| against float64.
        picked: what auto takes, in the layout that suits auto best.
        picked_seconds: how long that takes.
        clean_samples: how many samples the least sure of these medians is of.
    """

    seconds: dict[str, float]
    errors: dict[str, float]
    picked: str
    picked_seconds: float
    clean_samples: int

    @property
    def winner(self) -> str:
        """The fastest algorithm; torch does not count."""
        return min((name for name in self.seconds if name != "torch"), key=lambda name: self.seconds[name])


def race(
    pass_: str, s: Shape, dtype: torch.dtype, options: Any, slowest: float = math.inf, errors: bool = False
) -> Race:
    """Times every algorithm that can run the layer's pass, and torch, in both layouts.

    Args:
        slowest: rows predicted to take more times as long as the fastest are left out.
        errors: whether to compare the results with exact ones.
    """
    plain = [torch.randn(size).to(dtype) for size in (s.x_size, s.w_size, s.y_size)]
    calls: dict[tuple[str, str], Callable[[], object]] = {}
    picked = {}
    for layout, memory_format in conv.FORMATS.items():
        tensors = [t.contiguous(memory_format=memory_format) for t in plain]
        for algo, row in candidates(pass_, s, *tensors[:2], slowest).items():
            calls[algo, layout] = conv.ours(pass_, s, algo, *tensors)
            if row["chosen"]:
                picked[layout] = algo
        calls["torch", layout] = conv.torchs(pass_, s, *tensors)
    timings = harness.measure(calls, options.samples, options.limit)
    seconds: dict[str, float] = {}
    for (name, _), timing in timings.items():
        seconds[name] = min(timing.seconds, seconds.get(name, math.inf))
    found = {}
    if errors:
        exact = conv.single(pass_, conv.torchs(pass_, s, *(t.double() for t in plain))())
        found = {name: conv.relative_error(conv.single(pass_, call()), exact) for (name, _), call in calls.items()}
    best = min(picked, key=lambda layout: timings[picked[layout], layout].seconds)
    clean = min(timing.clean for timing in timings.values())
    return Race(seconds, found, picked[best], timings[picked[best], best].seconds, clean)


def layer(C: int, H: int, kernel: int, depthwise: bool = False) -> Shape:
    """A layer that keeps the size of its image and the number of its channels, for one image."""
    return Shape("", 1, C, H, H, C, kernel, kernel, 1, kernel // 2, 1, C if depthwise else 1, 1)


@dataclass(frozen=True)
class SweepPlan:
    """One size of a layer that grows."""

    title: str
    axis: str
    sizes: tuple[int, ...]
    at: Callable[[int], Shape]


@dataclass(frozen=True)
class MapPlan:
    """Two sizes of a layer that grow: columns along x, rows along y."""

    title: str
    x_axis: str
    columns: tuple[int, ...]
    y_axis: str
    rows: tuple[int, ...]
    at: Callable[[int, int], Shape]


def sweep_plans(quick: bool) -> list[SweepPlan]:
    channels = (8, 16) if quick else (8, 16, 32, 64, 128, 256, 512)
    kernels = (1, 3) if quick else (1, 3, 5, 7, 9, 11, 15, 21, 31)
    images = (7, 8) if quick else (7, 14, 28, 56, 112, 224)
    C = 8 if quick else 64
    H = 8 if quick else 56
    of_kernels = "kernel size"
    return [
        SweepPlan("3x3 at 28x28", "channels, in and out", channels, lambda n: layer(n, 28, 3)),
        SweepPlan(f"{C} channels at {H}x{H}", of_kernels, kernels, lambda n: layer(C, H, n)),
        SweepPlan(f"depthwise, {C} channels at {H}x{H}", of_kernels, kernels, lambda n: layer(C, H, n, depthwise=True)),
        SweepPlan(f"3x3, {C} channels", "height and width of the image", images, lambda n: layer(C, n, 3)),
    ]


def map_plans(quick: bool) -> list[MapPlan]:
    channels = (8, 16) if quick else (16, 32, 64, 128, 256, 512)
    kernels = (1, 3) if quick else (1, 3, 5, 7, 9, 13)
    images = (7, 8) if quick else (7, 14, 28, 56, 112)
    long = (3, 5) if quick else (3, 5, 7, 13, 21, 31)
    of_channels, of_kernels, of_images = "channels, in and out", "kernel size", "height and width"
    C = 8 if quick else 128
    return [
        MapPlan("at 28x28", of_channels, channels, of_kernels, kernels, lambda c, k: layer(c, 28, k)),
        MapPlan("3x3", of_channels, channels, of_images, images, lambda c, h: layer(c, h, 3)),
        MapPlan(
            "depthwise",
            of_kernels,
            long,
            f"{of_images}, {C} channels",
            images,
            lambda k, h: layer(C, h, k, depthwise=True),
        ),
    ]
