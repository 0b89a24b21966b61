"""How good the predicted errors are: on random layers, against float64, for three kinds of values. Prints JSON.

    python benchmarks/errors.py [--layers 60] [--seed N]

A prediction is to be the 99th percentile of max|y - exact| / max|exact| over random problems, or up to twice that: of
each row, each pass and each kind of values, the 99th percentile of measured over predicted lies between a half and one.
Layers are those of planner.py with one image and at most 64 channels.
"""

import dataclasses
import random
import secrets
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import conv
import harness
import planner
import torch
from harness import Shape
from rich.progress import track
from rich.table import Table
from torch import Tensor

import torchconv

MOST_CHANNELS, MOST_FLOP = 64, 1e9  # of a layer, in whose place another is drawn: float64 takes long


def normal(size: list[int]) -> Tensor:
    return torch.randn(size)


def wide(size: list[int]) -> Tensor:
    """Over six orders of magnitude."""
    return torch.randn(size) * 10 ** (6 * torch.rand(size) - 3)


# Of x and grad_y; weights are normal.
VALUES: dict[str, Callable[[list[int]], Tensor]] = {
    "normal": normal, "positive": lambda size: normal(size).relu(), "wide": wide,
}  # fmt: skip


def drawn(rng: random.Random) -> Shape:
    while True:
        s = dataclasses.replace(planner.drawn(rng), N=1)
        if max(s.C, s.K) <= MOST_CHANNELS and s.flop <= MOST_FLOP:
            return s


def measure(s: Shape, values: str) -> list[tuple[str, str, float]]:
    """Of every row that can run the layer: its algorithm, its pass, and its measured error over the predicted."""
    make = VALUES[values]
    x, w, grad_y = make(s.x_size), torch.randn(s.w_size), make(s.y_size)
    stride, pad, dil = s.window
    found = []
    for pass_ in conv.SINGLE:
        exact = conv.single(pass_, conv.torchs(pass_, s, x.double(), w.double(), grad_y.double())())
        for row in torchconv.explain(x, w, None, stride, pad, dil, s.groups).rows:
            if row["pass"] == pass_ and row["supported"]:
                y = conv.ours(pass_, s, row["algo"], x, w, grad_y)()
                error = conv.relative_error(conv.single(pass_, y), exact)
                found.append((row["algo"], pass_, error / row["error"]))
    return found


def summary(percentiles: dict[tuple[str, str, str], float]) -> dict[str, Any]:
    most, least = (f(percentiles, key=lambda case: percentiles[case]) for f in (max, min))
    return {
        "most": percentiles[most],
        "most_is": " ".join(most),
        "least": percentiles[least],
        "least_is": " ".join(least),
        "within_percent": 100 * sum(0.5 <= q <= 1 for q in percentiles.values()) / len(percentiles),
    }


def table(percentiles: dict[tuple[str, str, str], float]) -> Table:
    out = Table("algorithm", "pass", *VALUES, title="99th percentile of measured over predicted")
    for algo, pass_ in dict.fromkeys((algo, pass_) for algo, pass_, _ in percentiles):
        out.add_row(algo, pass_, *(f"{percentiles[algo, pass_, values]:.2f}" for values in VALUES))
    return out


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.set_defaults(seed=None)
    parser.add_argument("--layers", type=int, default=60)
    options = parser.parse_args()
    options.seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    harness.start(options)
    harness.messages.print(f"--seed {options.seed}")
    rng = random.Random(options.seed)
    ratios: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for _ in track(range(options.layers), "layers", console=harness.messages):
        s = drawn(rng)
        for values in VALUES:
            for algo, pass_, ratio in measure(s, values):
                ratios[algo, pass_, values].append(ratio)
    percentiles = {case: torch.tensor(found).quantile(0.99).item() for case, found in ratios.items()}
    harness.messages.print(table(percentiles))
    cases = [
        {"algo": algo, "pass": pass_, "values": values, "percentile": q, "problems": len(ratios[algo, pass_, values])}
        for (algo, pass_, values), q in percentiles.items()
    ]
    harness.write({**summary(percentiles), "seed": options.seed, "cases": cases, "machine": harness.machine()})


if __name__ == "__main__":
    main()
