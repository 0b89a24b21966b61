"""Timing on a shared machine: rivals take turns in random order, and samples that were interrupted do not count.

Only ratios within one run mean anything.
"""

import argparse
import gc
import json
import platform
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from torchconv import _C

# An idle machine's own housekeeping takes the CPU for moments: a sample may lose it once for so many seconds it lasts.
SECONDS_PER_SWITCH = 0.02
CACHE_BYTES = 256 << 20  # more than the last-level cache of any machine this runs on
messages = Console(stderr=True)  # JSON alone goes to the standard output


@dataclass
class Timing:
    seconds: float  # median of the samples that were not interrupted
    clean: int  # how many these were
    interrupted: int


def sample(call: Callable[[], object], repeats: int = 1) -> tuple[float, bool]:
    """Seconds per call, and whether the process kept the CPU (but for SECONDS_PER_SWITCH)."""
    switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    elapsed = time.perf_counter() - start
    lost = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - switches
    return elapsed / repeats, lost <= elapsed / SECONDS_PER_SWITCH


def measure(
    calls: dict[Hashable, Callable[[], object]],
    samples: int = 9,
    limit: float = 10.0,
    cold: bool = False,
    repeats: int = 1,
) -> dict[Hashable, Timing]:
    """Times every call until each has `samples` clean samples or `limit` seconds have passed.

    cold: sweeps the caches before each sample. repeats: calls per sample. A call that was always interrupted gets the
    median of all its samples, and its Timing says so.
    """
    sweep = torch.zeros(CACHE_BYTES // 4) if cold else None
    clean: dict[Hashable, list[float]] = {name: [] for name in calls}
    interrupted: dict[Hashable, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    gc.disable()
    end = time.perf_counter() + limit
    while min(map(len, clean.values())) < samples and time.perf_counter() < end:
        for name in random.sample(list(calls), len(calls)):
            if sweep is not None:
                sweep += 1
            elapsed, undisturbed = sample(calls[name], repeats)
            (clean if undisturbed else interrupted)[name].append(elapsed)
    gc.enable()
    return {
        name: Timing(statistics.median(clean[name] or interrupted[name]), len(clean[name]), len(interrupted[name]))
        for name in calls
    }


@dataclass(frozen=True)
class Shape:
    """One line of a file in shapes/."""

    name: str
    N: int
    C: int
    H: int
    W: int
    K: int
    R: int
    S: int
    stride: int
    pad: int
    dil: int
    groups: int
    count: int

    @property
    def x_size(self) -> list[int]:
        return [self.N, self.C, self.H, self.W]

    @property
    def w_size(self) -> list[int]:
        return [self.K, self.C // self.groups, self.R, self.S]

    @property
    def geometry(self) -> tuple[list[int], list[int], list[int], int]:
        """stride, padding, dilation and groups, as the operators take them."""
        return [self.stride] * 2, [self.pad] * 4, [self.dil] * 2, self.groups

    @property
    def y_size(self) -> list[int]:
        return _C.conv_output_size(self.x_size, self.w_size, *self.geometry)

    @property
    def flop(self) -> float:
        return 2.0 * torch.Size(self.y_size).numel() * torch.Size(self.w_size[1:]).numel()


def read_shapes(name: str, batch: int | None = None) -> list[Shape]:
    lines = (Path(__file__).parent / "shapes" / f"{name}.txt").read_text().splitlines()
    fields = [line.split() for line in lines if line and not line.startswith("#")]
    return [Shape(f[0], batch or int(f[1]), *map(int, f[2:])) for f in fields]


def geomean(values: list[float]) -> float:
    return statistics.geometric_mean(values)


def machine() -> dict[str, Any]:
    """What the figures were measured on, with the multiply-add peak of this very run."""
    isa, threads = _C.current_isa(), torch.get_num_threads()
    return {
        "cpu": cpu_name(),
        "isa": isa,
        "threads": threads,
        "torch": torch.__version__,
        "torch_capability": torch.backends.cpu.get_cpu_capability(),
        "peak_gflops": _C.measure_peak(isa, threads),
    }


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.processor())


def arguments(description: str) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--samples", type=int, default=9, help="clean samples per call")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds per comparison, however many samples")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    return parser


def start(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)


def write(figures: dict[str, Any]) -> None:
    json.dump(figures, sys.stdout, indent=2)
    print()
