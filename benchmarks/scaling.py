"""Whether time is linear in work and in threads: layers at batch 1 to 64, and on one thread and two. Prints JSON.

    python benchmarks/scaling.py [--shapes scaling] [--batches 1 4 16 64]

Forward in channels_last, auto, weights prepared. "batches": of each layer the longest time per image, at any batch,
over the shortest. "threads": of each layer and batch that takes a millisecond on one thread, how many times as fast it
is on two.
"""

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any

import harness
import torch
from harness import Shape, geomean
from rich.progress import track
from rich.table import Table

from torchconv import ops

LONG = 1e-3  # seconds on one thread


def call(s: Shape) -> Callable[[], object]:
    x, w = (torch.randn(size).contiguous(memory_format=torch.channels_last) for size in (s.x_size, s.w_size))
    packs: dict[int, tuple[Any, ...]] = {}  # by the number of threads

    def run() -> object:
        threads = torch.get_num_threads()
        if threads not in packs:
            pack = ops.conv_pack(x, w, *s.geometry, "none", False, "auto")
            packs[threads] = (None, None, pack if pack.numel() else None, *s.geometry, "none", "auto")
        return ops.conv_fused(x, w, *packs[threads])

    return run


def on(threads: int, run: Callable[[], object]) -> Callable[[], object]:
    def timed() -> object:
        torch.set_num_threads(threads)
        return run()

    return timed


def compare(s: Shape, options: Any) -> dict[str, Any]:
    calls: dict[Hashable, Callable[[], object]] = {}
    for batch in options.batches:
        run = call(dataclasses.replace(s, N=batch))
        calls |= {(batch, threads): on(threads, run) for threads in (1, options.threads)}
    timings = harness.measure(calls, options.samples, options.limit)
    per_image = {batch: timings[batch, options.threads].seconds / batch for batch in options.batches}
    return {
        "layer": s.name,
        "batches": max(per_image.values()) / min(per_image.values()),
        "gflops": {batch: s.flop / s.N / seconds * 1e-9 for batch, seconds in per_image.items()},
        "threads": {
            batch: timings[batch, 1].seconds / timings[batch, options.threads].seconds
            for batch in options.batches
            if timings[batch, 1].seconds >= LONG
        },
        "clean_samples": min(timing.clean for timing in timings.values()),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    gains = {f"{row['layer']}, batch {batch}": gain for row in rows for batch, gain in row["threads"].items()}
    longest = max(rows, key=lambda row: row["batches"])
    figures: dict[str, Any] = {
        "batches": geomean([row["batches"] for row in rows]),
        "batches_worst": longest["batches"],
        "batches_worst_is": longest["layer"],
    }
    if gains:
        least = min(gains, key=lambda name: gains[name])
        figures |= {"threads": geomean(list(gains.values())), "threads_worst": gains[least], "threads_worst_is": least}
    return {**figures, "clean_samples": dict.fromkeys(figures, min(row["clean_samples"] for row in rows))}


def table(rows: list[dict[str, Any]], batches: list[int]) -> Table:
    out = Table("layer", *(f"batch {batch}" for batch in batches), "longest / shortest", "gain of threads")
    for row in rows:
        speeds = [f"{row['gflops'][batch]:.0f}" for batch in batches]
        gains = ", ".join(f"{gain:.2f}" for gain in row["threads"].values())
        out.add_row(row["layer"], *speeds, f"{row['batches']:.2f}", gains)
    return out


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--shapes", default="scaling", help="a file in shapes/")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16, 64])
    options = parser.parse_args()
    harness.start(options)
    shapes = harness.read_shapes(options.shapes)
    rows = [compare(s, options) for s in track(shapes, "layers", console=harness.messages)]
    harness.messages.print(table(rows, options.batches))
    harness.write({**summary(rows), "layers": rows, "machine": harness.machine()})


if __name__ == "__main__":
    main()
