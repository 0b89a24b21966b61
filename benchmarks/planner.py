"""How good auto's choices are: on random layers, the picked row against all others that auto may take. Prints JSON.

    python benchmarks/planner.py [--layers 200] [--seed N]
    python benchmarks/planner.py --join FILE...     the figures of several runs, from their JSON

The layers are drawn anew in every run, from the ranges below; the seed that is printed draws the same ones again. Each
layer is timed in its three passes and in one memory format. A case is a layer in a pass; one whose every sample of a
row was interrupted is left out and counted. A row that takes twice the time of the fastest is timed once, and one that
is predicted to take ten times that of the pick not at all. The JSON has a line for each case that a file of shapes can
hold.
"""

import json
import math
import random
import secrets
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any

import conv
import harness
import torch
from harness import Shape, geomean
from rich.progress import track
from rich.table import Column, Table

import torchconv
from torchconv import _C
from torchconv.timing import as_window, race
from torchconv.tune import HOPELESS

CHANNELS = (16, 24, 32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 512, 768, 1024, 2048)
IMAGES = (7, 8, 10, 14, 16, 20, 28, 32, 40, 56, 64, 80, 112, 128, 160, 224)
BATCHES = (1, 1, 1, 2, 4, 8, 16, 32)
# What kind of layer, and how many of a hundred are of it: about as often as in the networks of shapes/.
KINDS = {"pointwise": 30, "3x3": 28, "other kernel": 10, "stem": 3, "dilated": 5, "grouped": 8, "depthwise": 16}
OTHER_KERNELS = ((2, 2, 2), (4, 4, 2), (4, 4, 4), (5, 5, 1), (5, 5, 2), (7, 7, 1), (1, 7, 1), (7, 1, 1), (9, 9, 1))
DEPTHWISE_KERNELS = (3, 3, 3, 5, 5, 7, 7, 9, 13, 31)
LARGEST_TENSOR = 1 << 24  # elements
FLOP = (1e6, 1e10)  # of one pass
WITHIN = {"within_10_percent": 1.10, "within_25_percent": 1.25}


def drawn(rng: random.Random) -> Shape:
    """A layer as networks have them."""
    while True:
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        N, C, K, H = rng.choice(BATCHES), rng.choice(CHANNELS), rng.choice(CHANNELS), rng.choice(IMAGES)
        R = S = 3
        stride, dil, groups = rng.choices((1, 2), (4, 1))[0], 1, 1
        if kind == "pointwise":
            R = S = 1
        elif kind == "other kernel":
            R, S, stride = rng.choice(OTHER_KERNELS)
        elif kind == "stem":
            C, H, (R, S, stride) = (
                3,
                rng.choice((128, 160, 224)),
                rng.choice(((3, 3, 2), (7, 7, 2), (4, 4, 4), (3, 3, 1))),
            )
        elif kind == "dilated":
            stride, dil = 1, rng.choice((2, 4))
        elif kind == "grouped":
            C = K = C * (1 if stride == 1 else 2)
            groups = C // rng.choice((4, 8, 16))
        elif kind == "depthwise":
            K = groups = C
            R = S = rng.choice(DEPTHWISE_KERNELS)
            stride = stride if R <= 7 else 1
        pad = (0, 0) if stride >= R > 1 else (dil * (R // 2), dil * (S // 2))
        s = Shape(kind.replace(" ", "_"), N, C, H, H, K, R, S, stride, as_window(pad), dil, groups, 1)
        large = max(math.prod(size) for size in (s.x_size, s.w_size, s.y_size)) > LARGEST_TENSOR
        if not large and FLOP[0] <= s.flop <= FLOP[1] and R <= 2 * H:
            return s


def judge(s: Shape, layout: str, options: Any) -> list[dict[str, Any]]:
    """The three cases of a layer: what each row takes, and what it was predicted to take."""
    sizes = (s.x_size, s.w_size, s.y_size)
    x, w, grad_y = (torch.randn(size).to(options.dtype, memory_format=conv.FORMATS[layout]) for size in sizes)
    stride, pad, dil = s.window
    rows = torchconv.explain(x, w, None, stride, pad, dil, s.groups).rows
    cases = []
    for pass_ in conv.SINGLE:
        pick = next(row for row in rows if row["pass"] == pass_ and row["chosen"])
        most = HOPELESS * pick["seconds"]
        candidates = {r["algo"]: r for r in rows if r["pass"] == pass_ and r["allowed"] and r["seconds"] <= most}
        calls: dict[Hashable, Callable[[], object]] = {
            algo: conv.ours(pass_, s, algo, x, w, grad_y) for algo in candidates
        }
        timings = race(calls, options.samples, options.limit)
        seconds = {str(algo): timing.seconds for algo, timing in timings.items()}
        cases.append(
            {
                "shape": s.line,
                "layout": layout,
                "pass": pass_,
                "pick": pick["algo"],
                "best": min(seconds, key=lambda algo: seconds[algo]),
                "ratio": seconds[pick["algo"]] / min(seconds.values()),
                "seconds": seconds,
                "predicted": {algo: row["seconds"] for algo, row in candidates.items()},
                "clean_samples": min(timing.clean for timing in timings.values()),
            }
        )
    return cases


def percent(held: Iterable[bool]) -> float:
    held = list(held)
    return 100 * sum(held) / len(held)


def off_by(case: dict[str, Any], algo: str) -> float:
    """How many times too long or too short the prediction is."""
    ratio = case["predicted"][algo] / case["seconds"][algo]
    return max(ratio, 1 / ratio)


def summary(cases: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures that bars are set on, each with the least of the clean samples that it is from."""
    clean = [case for case in cases if case["clean_samples"]]
    counted = clean or cases
    figures: dict[str, Any] = {
        name: percent(case["ratio"] <= bound for case in counted) for name, bound in WITHIN.items()
    }
    figures["predicted_within_2x"] = percent(off_by(case, case["pick"]) <= 2 for case in counted)
    figures["predicted_within_2x_all_rows"] = percent(
        off_by(case, algo) <= 2 for case in counted for algo in case["seconds"]
    )
    figures["slowdown_geomean"] = geomean([case["ratio"] for case in counted])
    samples = dict.fromkeys(figures, min(case["clean_samples"] for case in counted))
    for pass_ in conv.SINGLE:
        of_pass = [case for case in counted if case["pass"] == pass_]
        if not of_pass:
            continue
        figures |= {f"{pass_}_{name}": percent(c["ratio"] <= bound for c in of_pass) for name, bound in WITHIN.items()}
    return {**figures, "cases": len(counted), "interrupted_cases": len(cases) - len(clean), "clean_samples": samples}


def table(misses: list[dict[str, Any]]) -> Table:
    out = Table(
        Column("shape", no_wrap=True),
        "layout",
        "pass",
        "picked",
        "best",
        "picked / best",
        "predicted / measured",
        title="misses",
    )
    for case in misses:
        pick, best = case["pick"], case["best"]
        off = ", ".join(f"{case['predicted'][algo] / case['seconds'][algo]:.2f}" for algo in (pick, best))
        out.add_row(case["shape"], case["layout"], case["pass"], pick, best, f"{case['ratio']:.2f}", off)
    return out


def measured(options: Any) -> list[dict[str, Any]]:
    """The cases of as many layers as asked for."""
    options.dtype = getattr(torch, options.dtype)
    options.seed = secrets.randbelow(1 << 31) if options.seed is None else options.seed
    harness.start(options)
    _C.clear_plans()  # the predictions are judged, not what tune() left
    harness.messages.print(f"{options.layers} layers, --seed {options.seed}")
    rng = random.Random(options.seed)
    layers = [(drawn(rng), rng.choice(list(conv.FORMATS))) for _ in range(options.layers)]
    progress = track(layers, "timing every row", console=harness.messages)
    return [case for s, layout in progress for case in judge(s, layout, options)]


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.set_defaults(samples=5, limit=1.0, seed=None)
    parser.add_argument("--layers", type=int, default=200)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--join", type=Path, nargs="+", metavar="FILE", help="JSON of former runs; nothing is timed")
    options = parser.parse_args()
    runs = [json.loads(file.read_text()) for file in options.join or ()]
    cases = [case for run in runs for case in run["all"]] if runs else measured(options)
    figures = summary(cases)
    misses = sorted((case for case in cases if case["ratio"] > 1.10), key=lambda case: -case["ratio"])
    harness.messages.print(table(misses), width=160)
    for name, value in figures.items():
        if name != "clean_samples":
            harness.messages.print(f"{name}: {value:.4g}")
    seed = [run["seed"] for run in runs] or options.seed
    harness.write({"seed": seed, **figures, "misses": misses, "all": cases, "machine": harness.machine()})


if __name__ == "__main__":
    main()
