"""Timing on a shared machine: rivals take turns in random order, and samples that were interrupted do not count.

Only ratios within one run mean anything.
"""

import gc
import platform
import random
import resource
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from torchconv import _C
from torchconv.errors import TorchconvError

# An idle machine's own housekeeping takes the CPU for moments: a sample may lose it once for so many seconds it lasts.
SECONDS_PER_SWITCH = 0.02
CACHE_BYTES = 256 << 20  # more than the last-level cache of any machine this runs on

Key = TypeVar("Key", bound=Hashable)


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
    calls: Mapping[Key, Callable[[], object]],
    samples: int = 9,
    limit: float = 10.0,
    cold: bool = False,
    repeats: int = 1,
) -> dict[Key, Timing]:
    """Times every call until each has `samples` clean samples or `limit` seconds have passed, but once at least.

    cold: sweeps the caches before each sample. repeats: calls per sample. A call that was always interrupted gets the
    median of all its samples, and its Timing says so.

    Example:
        >>> from torchconv.timing import measure
        >>> timings = measure({"short": lambda: sum(range(10)), "long": lambda: sum(range(100_000))}, samples=3)
        >>> timings["short"].seconds < timings["long"].seconds
        True
    """
    sweep = torch.zeros(CACHE_BYTES // 4) if cold else None
    clean: dict[Key, list[float]] = {name: [] for name in calls}
    interrupted: dict[Key, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    collecting = gc.isenabled()
    gc.disable()
    end = time.perf_counter() + limit
    while True:
        for name in random.sample(list(calls), len(calls)):
            if sweep is not None:
                sweep += 1
            elapsed, undisturbed = sample(calls[name], repeats)
            (clean if undisturbed else interrupted)[name].append(elapsed)
        if min(map(len, clean.values())) >= samples or time.perf_counter() >= end:
            break
    if collecting:
        gc.enable()
    return {
        name: Timing(statistics.median(clean[name] or interrupted[name]), len(clean[name]), len(interrupted[name]))
        for name in calls
    }


@dataclass(frozen=True)
class Shape:
    """One line of a file of shapes, as those in benchmarks/shapes/."""

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


FIELDS = tuple(Shape.__dataclass_fields__)


def read_shapes(path: str | Path, batch: int | None = None) -> list[Shape]:
    """The shapes of a file: a line for each, with the fields of Shape between blanks; # begins a comment.

    Args:
        path: the file.
        batch: N, instead of the file's.

    Raises:
        TorchconvError: the file cannot be read, or a line of it is no convolution; it names the line.
    """
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TorchconvError(f"{path}: expected a file of shapes, got {error}") from None
    shapes = []
    for i, line in enumerate(lines, 1):
        if fields := line.split("#")[0].split():
            shapes.append(_shape(f"{path}, line {i}", fields, batch))
    if not shapes:
        raise TorchconvError(f"{path}: expected at least one shape, got none")
    return shapes


def _shape(where: str, fields: list[str], batch: int | None) -> Shape:
    name, *numbers = fields
    if len(fields) != len(FIELDS) or not all(number.isdecimal() for number in numbers):
        wanted = f"{len(FIELDS)} fields, {' '.join(FIELDS)}, all but the name whole numbers"
        raise TorchconvError(f"{where}: expected {wanted}, got {' '.join(fields)!r}")
    shape = Shape(name, batch or int(numbers[0]), *map(int, numbers[1:]))
    if 0 in (shape.groups, shape.count) or shape.C % shape.groups or shape.K % shape.groups:
        raise TorchconvError(f"{where}: expected a positive count, and groups that divide C and K, got {shape}")
    try:
        size = shape.y_size
    except RuntimeError as error:
        raise TorchconvError(f"{where}: {str(error).removeprefix('torchconv: ')}") from None
    if 0 in size + shape.w_size:
        raise TorchconvError(f"{where}: expected a result that is not empty, got size {size}")
    return shape


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
