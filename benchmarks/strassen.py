"""Strassen's product against im2col and torch on wide layers, all three passes. Prints JSON.

    python benchmarks/strassen.py [--shapes wide] [--only 3x3] [--pass fwd] [--dtype float32]

One thread, and its CPU time: so processes beside it count for less, and a gain of 5% shows. "ratios" are im2col's time
over strassen's in each memory format, "ratio" is their mean; "ratio_torch" is torch's best time over strassen's best.
"""

import random
import statistics
import time
from collections.abc import Callable, Hashable
from typing import Any

import conv
import harness
import torch
from harness import Shape, geomean
from rich.table import Table

ALGOS = ("im2col", "strassen")


def measure(calls: dict[Hashable, Callable[[], object]], samples: int) -> dict[Hashable, float]:
    """Median CPU seconds of each call, which take turns in random order."""
    seconds: dict[Hashable, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(samples):
        for name in random.sample(list(calls), len(calls)):
            start = time.thread_time()
            calls[name]()
            seconds[name].append(time.thread_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def compare(pass_: str, s: Shape, options: Any) -> dict[str, Any]:
    calls: dict[Hashable, Callable[[], object]] = {}
    for layout, memory_format in conv.FORMATS.items():
        sizes = (s.x_size, s.w_size, s.y_size)
        tensors = [torch.randn(size).to(options.dtype, memory_format=memory_format) for size in sizes]
        for algo in ALGOS:
            calls[algo, layout] = conv.ours(pass_, s, algo, *tensors)
        calls["torch", layout] = conv.torchs(pass_, s, *tensors)
    timings = measure(calls, options.samples)
    seconds = {side: {name: timings[side, name] for name in conv.FORMATS} for side in (*ALGOS, "torch")}
    ratios = {name: seconds["im2col"][name] / seconds["strassen"][name] for name in conv.FORMATS}
    best = {side: min(by_format.values()) for side, by_format in seconds.items()}
    return {
        "layer": s.name,
        "pass": pass_,
        "ratios": ratios,
        "ratio": geomean(list(ratios.values())),
        "ratio_torch": best["torch"] / best["strassen"],
        "gflops": s.flop / best["strassen"] * 1e-9,  # of the multiply-adds that it does without, too
        "errors": {algo: conv.error(pass_, s, algo, options.dtype, batch=2) for algo in ALGOS},
        "seconds": seconds,
    }


def table(rows: list[dict[str, Any]], peak: float) -> Table:
    out = Table("layer", "pass", "NCHW", "channels_last", "torch", "% of peak", "error: im2col, strassen")
    for row in rows:
        ratios = [f"{row['ratios'][name]:.2f}" for name in conv.FORMATS]
        errors = ", ".join(f"{error:.1e}" for error in row["errors"].values())
        percent = f"{100 * row['gflops'] / peak:.0f}"
        out.add_row(row["layer"], row["pass"], *ratios, f"{row['ratio_torch']:.2f}", percent, errors)
    return out


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--shapes", default="wide", help="a file in shapes/")
    parser.add_argument("--only", default="", help="part of a layer's name")
    parser.add_argument("--pass", dest="passes", choices=conv.SINGLE, nargs="+", default=conv.SINGLE)
    parser.add_argument("--batch", type=int, help="instead of the file's")
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args()
    options.dtype, options.threads = getattr(torch, options.dtype), 1
    harness.start(options)
    machine = harness.machine()
    rows = []
    for s in harness.read_shapes(options.shapes, options.batch):
        if options.only in s.name:
            for pass_ in options.passes:
                rows.append(compare(pass_, s, options))
                harness.messages.print(f"{s.name} {pass_}: {rows[-1]['ratio']:.2f}")
    harness.messages.print(table(rows, machine["peak_gflops"]))
    figures = {f"{p}_geomean": geomean([row["ratio"] for row in rows if row["pass"] == p]) for p in options.passes}
    harness.write({**figures, "layers": rows, "machine": machine})


if __name__ == "__main__":
    main()
