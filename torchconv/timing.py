"""Timing on a shared machine: rivals take turns in random order, and samples that were interrupted do not count.

Only ratios within one run mean anything.
"""

import gc
import platform
import random
import resource
import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
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
    pause: float = 0.0,
    warm: float = 0.0,
) -> dict[Key, Timing]:
    """Times every call until each has `samples` clean samples or `limit` seconds have passed, but once at least.

    cold: sweeps the caches before each sample. repeats: calls per sample. pause: seconds to wait before each sample,
    for libraries whose threads wait for more work in a loop, which takes the CPU from the next. warm: seconds of
    untimed calls before each sample, one at least, after which caches, threads and clocks are as between calls of the
    same, and not as a rival or the pause leaves them. A call that was always interrupted gets the median of all its
    samples, and its Timing says so.

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
            time.sleep(pause)
            until = time.perf_counter() + warm
            while warm and time.perf_counter() < until:
                calls[name]()
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


LOST = 2  # what takes longer than the fastest by this factor is not timed again
SAMPLE_SECONDS = 2e-4  # what a sample lasts at the least: short calls are repeated


def race(calls: Mapping[Key, Callable[[], object]], samples: int, limit: float) -> dict[Key, Timing]:
    """Times calls that do the same, fastest first; those that lose clearly once are not timed again.

    Args:
        calls: the rivals.
        samples, limit: as in measure.

    Example:
        >>> from torchconv.timing import race
        >>> sorted(race({"a": lambda: sum(range(10)), "b": lambda: sum(range(10_000))}, samples=3, limit=1.0))
        ['a', 'b']
    """
    timings = measure(calls, 1, limit)
    sure = [timing.seconds for timing in timings.values() if timing.clean]
    if sure and len(calls) > 1:
        best = min(sure)
        lost = {key for key, timing in timings.items() if timing.clean and timing.seconds > LOST * best}
        rivals = {key: call for key, call in calls.items() if key not in lost}
        timings |= measure(rivals, samples, limit, repeats=max(1, round(SAMPLE_SECONDS / best)))
    return dict(sorted(timings.items(), key=lambda item: item[1].seconds))


Window = int | tuple[int, int]  # one number for both dimensions, or height and width


def as_window(pair: Sequence[int]) -> Window:
    """Height and width as one number where they are equal."""
    first, last = pair
    return first if first == last else (first, last)


def _both(window: Window) -> list[int]:
    return [window] * 2 if isinstance(window, int) else list(window)


def written(window: Window) -> str:
    """As in a file of shapes: 2, or 25x2."""
    return str(window) if isinstance(window, int) else "x".join(map(str, window))


@dataclass(frozen=True)
class Shape:
    """One line of a file of shapes, as those in benchmarks/shapes/.

    A transposed convolution is the gradient of a convolution from K to C channels. Its C, H and W are what it takes and
    its K what it gives, as for every layer; its weights are [C, K / groups, R, S].
    """

    name: str
    N: int
    C: int
    H: int
    W: int
    K: int
    R: int
    S: int
    stride: Window
    pad: Window
    dil: Window
    groups: int
    count: int
    transposed: bool = False

    @property
    def x_size(self) -> list[int]:
        return [self.N, self.C, self.H, self.W]

    @property
    def w_size(self) -> list[int]:
        first, second = (self.C, self.K) if self.transposed else (self.K, self.C)
        return [first, second // self.groups, self.R, self.S]

    @property
    def window(self) -> tuple[list[int], list[int], list[int]]:
        """stride, padding and dilation, as torch takes them."""
        return _both(self.stride), _both(self.pad), _both(self.dil)

    @property
    def geometry(self) -> tuple[list[int], list[int], list[int], int]:
        """stride, padding, dilation and groups, as the operators take them."""
        stride, pad, dil = self.window
        return stride, [n for n in pad for _ in range(2)], dil, self.groups

    @property
    def y_size(self) -> list[int]:
        if not self.transposed:
            return _C.conv_output_size(self.x_size, self.w_size, *self.geometry)
        windows = zip(self.x_size[2:], self.w_size[2:], *self.window)
        return [self.N, self.K, *((n - 1) * stride - 2 * pad + dil * (r - 1) + 1 for n, r, stride, pad, dil in windows)]

    @property
    def conv_x_size(self) -> list[int]:
        """The size of x in the operators: a transposed convolution gives it, every other one takes it."""
        return self.y_size if self.transposed else self.x_size

    def operator(self, pass_: str) -> str:
        """Which pass of the operators does this pass of the layer."""
        swapped = {"fwd": "grad_input", "grad_input": "fwd"}
        return swapped.get(pass_, pass_) if self.transposed else pass_

    @property
    def line(self) -> str:
        """Its line in a file of shapes."""
        return " ".join([self.name, *(written(getattr(self, n)) for n in FIELDS[1:])]) + " transposed" * self.transposed

    @property
    def flop(self) -> float:
        positions = self.x_size if self.transposed else self.y_size
        return 2.0 * torch.Size(positions).numel() * torch.Size(self.w_size[1:]).numel()


FIELDS = tuple(Shape.__dataclass_fields__)[:-1]
WINDOWS = ("stride", "pad", "dil")


def read_shapes(path: str | Path, batch: int | None = None) -> list[Shape]:
    """The shapes of a file: a line for each, with the fields of Shape between blanks; # begins a comment.

    stride, pad and dil may be two numbers, height x width, as 25x2. The word transposed may end a line.

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


def _number(field: str, text: str) -> Window:
    """The number that is written there, or the two; equal ones are one."""
    parts = text.split("x") if field in WINDOWS else [text]
    if not all(part.isdecimal() for part in parts) or len(parts) > 2:
        raise ValueError(text)
    return as_window((int(parts[0]), int(parts[-1])))


def _shape(where: str, fields: list[str], batch: int | None) -> Shape:
    transposed = fields[-1] == "transposed"
    name, *texts = fields[: len(fields) - transposed]
    try:
        numbers: list[Any] = [_number(field, text) for field, text in zip(FIELDS[1:], texts, strict=True)]
    except ValueError:
        wanted = f"{len(FIELDS)} fields, {' '.join(FIELDS)} (stride, pad and dil may be as 2x1), all but the name "
        wanted += "whole numbers"
        raise TorchconvError(f"{where}: expected {wanted}, got {' '.join(fields)!r}") from None
    shape = Shape(name, *[batch or numbers[0], *numbers[1:], transposed])
    if 0 in (shape.groups, shape.count) or shape.C % shape.groups or shape.K % shape.groups:
        raise TorchconvError(f"{where}: expected a positive count, and groups that divide C and K, got {shape}")
    try:
        size = shape.y_size
        _C.conv_output_size(shape.conv_x_size, shape.w_size, *shape.geometry)
    except RuntimeError as error:
        raise TorchconvError(f"{where}: {str(error).removeprefix('torchconv: ')}") from None
    if 0 in size + shape.x_size + shape.w_size:
        raise TorchconvError(f"{where}: expected a result that is not empty, got size {size}")
    return shape


def geomean(values: list[float]) -> float:
    return statistics.geometric_mean(values)


def machine() -> dict[str, Any]:
    """What the figures were measured on, with the multiply-add peak of this very run, and how far cores are apart."""
    isa, threads = _C.current_isa(), torch.get_num_threads()
    return {
        "cpu": cpu_name(),
        "isa": isa,
        "threads": threads,
        "torch": torch.__version__,
        "torch_capability": torch.backends.cpu.get_cpu_capability(),
        "peak_gflops": _C.measure_peak(isa, threads),
        "round_trip_ns": _C.measure_round_trip(),
    }


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.processor())
