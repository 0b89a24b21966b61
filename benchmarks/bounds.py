"""How near layers come to the least time that this machine allows. Prints JSON.

    python benchmarks/bounds.py [--shapes resnet50] [--only 3x3] [--batch 1] [--pass fwd] [--frozen]

The bound of an algorithm: its multiply-adds, and each operation of its transforms as one more, at the peak of the
registers; or with --frozen, where weights are prepared and the caches swept, its operands, each moved once, at the
speed of the memory, if that takes longer. A layer is held to the least of direct sums and of Winograd's F(2, r) to
F(6, r), of each phase by itself where it has a stride. What may do with less, as Fourier transforms, is not counted.
"""

import itertools
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import conv
import harness
import torch
from harness import Shape
from rich.table import Table

from torchconv import ops

sys.path.append(str(Path(__file__).parent.parent / "tools"))
import generate_winograd as generator

PASSES = ("fwd", "grad_input", "grad_weight")


class Machine(NamedTuple):
    multiply_adds: float  # per second, of all threads
    bytes: float  # per second, read and written


class Side(NamedTuple):
    """An axis under F(m, r): m = 0 for direct sums, which leave it as it is."""

    m: int
    r: int
    outputs: int

    @property
    def cut(self) -> bool:
        return self.m > 0 and self.r > 1

    @property
    def n(self) -> int:
        return self.m + self.r - 1 if self.cut else 1

    @property
    def tiles(self) -> int:
        return -(-self.outputs // self.m) if self.cut else self.outputs

    def operations(self, kind: str) -> tuple[int, int, int]:
        """Of a line of elements: how many there are before and after its transform, and the operations on them."""
        if not self.cut:
            return 1, 1, 0
        t = generator.transforms(self.m, self.r, generator.POINTS[self.n])
        matrix = {
            "data": t.data, "weights": t.weights, "result": t.result,
            "result_transposed": generator.transpose(t.result), "weights_transposed": generator.transpose(t.weights),
        }[kind]  # fmt: skip
        code = generator.program(matrix)
        # A sum of k terms is k - 1 additions or multiply-adds if one term stands alone, else k.
        count = sum(len(s) - any(abs(c) == 1 for c in s.values()) for _, s in code.statements)
        return code.inputs, code.outputs, count


def operations(h: Side, w: Side, kind: str) -> int:
    """Of a tile: its rows are transformed, then the columns of what they become."""
    rows, columns = w.operations(kind), h.operations(kind)
    return columns[0] * rows[2] + rows[1] * columns[2]


def side(m: int, taps: int, outputs: int) -> Side | None:
    if taps == 1 or m == 0:
        return Side(0, taps, outputs)
    known = (r for r in (taps, taps + 1) if (m, r) in generator.TILES)  # 4 taps are 5 with one of zeros
    return next((Side(m, r, outputs) for r in known), None)


def phases(taps: int, stride: int) -> list[int]:
    """How many taps each phase of a stride meets."""
    return [n for n in ((taps - first + stride - 1) // stride for first in range(stride)) if n]


def work(s: Shape, pass_: str, m: int, taps: tuple[int, int], frozen: bool) -> tuple[float, float] | None:
    """Multiply-adds and operations of a phase, and the bytes of its weights; None where F(m, r) is not generated."""
    pass_ = s.operator(pass_)
    outputs = s.y_size[2:] if not s.transposed else s.x_size[2:]
    h, w = (side(m, r, q) for r, q in zip(taps, outputs, strict=True))
    if h is None or w is None:
        return None
    into, out = s.w_size[1], s.w_size[0] // s.groups  # channels of a group
    tiles, products = s.N * h.tiles * w.tiles, h.n * w.n
    direct = math.prod(axis.r for axis in (h, w) if not axis.cut)
    sums = s.groups * into * out * tiles * products * direct
    kinds = {
        "fwd": ("data", "result", "weights"),
        "grad_input": ("data", "result", "weights"),
        "grad_weight": ("data", "result_transposed", "weights_transposed"),
    }[pass_]
    x, y = (out, into) if pass_ == "grad_input" else (into, out)
    counts = (tiles * x * s.groups, tiles * y * s.groups, 0 if frozen else into * out * s.groups)
    extra = sum(count * operations(h, w, kind) * direct for count, kind in zip(counts, kinds, strict=True))
    return sums + extra, 4.0 * s.groups * into * out * products * direct


def bound(s: Shape, pass_: str, machine: Machine, frozen: bool) -> tuple[float, str]:
    """The least seconds, and what they go by."""
    stride = s.window[0]
    cut = [phases(taps, step) for taps, step in zip((s.R, s.S), stride, strict=True)]
    moved = 4.0 * (math.prod(s.x_size) + math.prod(s.y_size))
    found = []
    for m in (0, 2, 4, 5, 6):
        if m and s.w_size[1] == 1:
            continue  # depthwise: no sum over channels in which transforms could be shared
        parts = [work(s, pass_, m, taps, frozen) for taps in itertools.product(*cut)]
        known = [part for part in parts if part]
        if len(known) < len(parts):
            continue
        name = f"winograd{m}" if m else "direct"
        found.append((sum(part[0] for part in known) / machine.multiply_adds, name))
        if frozen:
            memory = (moved + sum(part[1] for part in known)) / machine.bytes
            found[-1] = max(found[-1], (memory, f"memory, {name}"))
    return min(found)


def call_of(s: Shape, pass_: str, memory_format: torch.memory_format, frozen: bool) -> Callable[[], object]:
    x, w, grad_y = (torch.randn(size).to(memory_format=memory_format) for size in (s.x_size, s.w_size, s.y_size))
    if not frozen or s.transposed:
        return conv.ours(pass_, s, "auto", x, w, grad_y)
    rest = s.geometry
    pack = ops.conv_pack(x, w, *rest, "none", False, "auto")
    prepared = pack if pack.numel() else None
    return lambda: ops.conv_fused(x, w, None, None, prepared, *rest, "none", "auto")


def compare(s: Shape, pass_: str, machine: Machine, options: Any) -> dict[str, Any]:
    calls = {name: call_of(s, pass_, f, options.frozen) for name, f in conv.FORMATS.items()}
    timings = harness.measure(calls, options.samples, options.limit, options.frozen)
    seconds = min(timing.seconds for timing in timings.values())
    least, by = bound(s, pass_, machine, options.frozen)
    return {
        "layer": s.name,
        "pass": pass_,
        "count": s.count,
        "seconds": seconds,
        "bound": least,
        "by": by,
        "percent": 100 * least / seconds,
        "clean_samples": min(timing.clean for timing in timings.values()),
    }


def table(rows: list[dict[str, Any]]) -> Table:
    out = Table("layer", "pass", "count", "ms", "bound", "of the bound, %", "it goes by")
    for row in rows:
        times = (f"{1e3 * row[name]:.3f}" for name in ("seconds", "bound"))
        out.add_row(row["layer"], row["pass"], str(row["count"]), *times, f"{row['percent']:.0f}", row["by"])
    return out


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--shapes", default=["resnet50"], nargs="+", help="files in shapes/")
    parser.add_argument("--only", default="", help="part of a layer's name")
    parser.add_argument("--batch", type=int, help="instead of the file's")
    parser.add_argument("--pass", dest="passes", choices=PASSES, nargs="+", default=PASSES)
    parser.add_argument("--frozen", action="store_true", help="forward, weights prepared, caches swept")
    options = parser.parse_args()
    if options.frozen:
        options.passes = ("fwd",)
    harness.start(options)
    about = harness.machine()
    machine = Machine(about["peak_gflops"] / 2 * 1e9, harness.bandwidth(options) * 1e9)
    layers = [s for name in options.shapes for s in harness.read_shapes(name, options.batch) if options.only in s.name]
    rows = [compare(s, pass_, machine, options) for s in layers for pass_ in options.passes]
    harness.messages.print(table(rows))
    whole, least = (sum(row["count"] * row[name] for row in rows) for name in ("seconds", "bound"))
    harness.write({
        "percent": 100 * least / whole,
        "percent_geomean": harness.geomean([row["percent"] for row in rows]),
        "seconds": whole,
        "bound": least,
        "memory_gb_per_second": machine.bytes * 1e-9,
        "layers": rows,
        "machine": about,
    })  # fmt: skip


if __name__ == "__main__":
    main()
