"""Pooling and channel_shuffle against torch, in each memory format. Prints JSON.

    python benchmarks/pool.py [--only k3s2]

"ratio" is torch's time over torchconv's in the same memory format. Forward keeps no indices, as without gradients.
"max_grad" is the gradient from what each side's own forward pass keeps for it: torch its int64 indices, torchconv its
taps of a byte each. "max_grad_indices" gives both the indices, and "max_step" is forward and gradient together.
"whole" is the average of whole planes.
"""

from collections.abc import Callable
from typing import Any

import harness
import torch
import torch.nn.functional as F
from harness import geomean
from rich.table import Column, Table

from torchconv import ops

FORMATS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}
# Name, size of x, kernel, stride, padding: the stem of ResNet, VGG, and the pooling branches of Inception.
SHAPES = [
    ("k3s2_112", (8, 64, 112, 112), 3, 2, 1),
    ("k2s2_56", (8, 64, 56, 56), 2, 2, 0),
    ("k3s1_28", (8, 192, 28, 28), 3, 1, 1),
    ("k3s1_14", (8, 256, 14, 14), 3, 1, 1),
]
# Of averages of whole planes: the ends of ResNet-50 and EfficientNet, and a squeeze-and-excitation block.
WHOLE = [("whole_7", (8, 2048, 7, 7)), ("whole_14", (8, 1280, 14, 14)), ("whole_56", (8, 144, 56, 56))]
GROUPS = 4  # of channel_shuffle


def pairs(size: Any, kernel: int, stride: int, pad: int, memory_format: Any) -> dict[str, tuple[Callable, Callable]]:
    """For each pass: torchconv's call and torch's."""
    x = torch.randn(size).to(memory_format=memory_format)
    y, indices = F.max_pool2d(x, kernel, stride, pad, return_indices=True)
    g = torch.randn_like(y)
    window, one, plane = ([kernel] * 2, [stride] * 2, [pad] * 2), [1, 1], size[2:]
    aten = torch.ops.aten
    taps = ops.max_pool(x, *window, one, False, "taps")[1]

    def torch_grad(indices: torch.Tensor) -> torch.Tensor:
        return aten.max_pool2d_with_indices_backward(g, x, *window, one, False, indices)

    return {
        "max": (
            lambda: ops.max_pool(x, *window, one, False, "nothing"),
            lambda: F.max_pool2d(x, kernel, stride, pad),
        ),
        "max_grad": (
            lambda: ops.max_pool_grad(g, taps, plane, *window, one, False),
            lambda: torch_grad(indices),
        ),
        "max_grad_indices": (
            lambda: ops.max_pool_grad(g, indices, plane, *window, one, False),
            lambda: torch_grad(indices),
        ),
        "max_step": (
            lambda: ops.max_pool_grad(g, ops.max_pool(x, *window, one, False, "taps")[1], plane, *window, one, False),
            lambda: torch_grad(F.max_pool2d(x, kernel, stride, pad, return_indices=True)[1]),
        ),
        "avg": (
            lambda: ops.avg_pool(x, *window, False, True, None),
            lambda: F.avg_pool2d(x, kernel, stride, pad),
        ),
        "avg_grad": (
            lambda: ops.avg_pool_grad(g, plane, *window, False, True, None),
            lambda: aten.avg_pool2d_backward(g, x, *window, False, True, None),
        ),
        "shuffle": (lambda: ops.channel_shuffle(x, GROUPS), lambda: F.channel_shuffle(x, GROUPS)),
    }


def whole_pairs(size: Any, memory_format: Any) -> dict[str, tuple[Callable, Callable]]:
    x = torch.randn(size).to(memory_format=memory_format)
    g = torch.randn(*size[:2], 1, 1).to(memory_format=memory_format)
    return {
        "whole": (lambda: ops.adaptive_avg_pool(x, [1, 1]), lambda: F.adaptive_avg_pool2d(x, 1)),
        # torch takes it for a mean, whose gradient is this
        "whole_grad": (
            lambda: ops.adaptive_avg_pool_grad(g, size[2:]),
            lambda: g.expand(size) / (size[2] * size[3]),
        ),
    }


def compare(name: str, layout: str, pass_: str, calls: tuple[Callable, Callable], options: Any) -> dict[str, Any]:
    timings = harness.measure(dict(zip(("torchconv", "torch"), calls)), options.samples, options.limit)
    seconds = {side: timing.seconds for side, timing in timings.items()}
    ratio = seconds["torch"] / seconds["torchconv"]
    clean = min(timing.clean for timing in timings.values())
    return {
        "shape": name, "layout": layout, "pass": pass_, "ratio": ratio, "seconds": seconds, "clean_samples": clean
    }  # fmt: skip


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The geometric mean of each pass in each memory format."""
    figures: dict[str, Any] = {"clean_samples": {}}
    for key in dict.fromkeys((row["layout"], row["pass"]) for row in rows):
        group = [row for row in rows if (row["layout"], row["pass"]) == key]
        name = "_".join(key)
        figures[name] = geomean([row["ratio"] for row in group])
        figures["clean_samples"][name] = min(row["clean_samples"] for row in group)
    return figures


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--only", default="", help="part of a shape's name")
    options = parser.parse_args()
    harness.start(options)
    rows = []
    table = Table(Column("shape", no_wrap=True), "layout", "pass", "ratio", "clean samples")
    for make, shapes in ((pairs, SHAPES), (whole_pairs, WHOLE)):
        for name, *problem in shapes:
            for layout, memory_format in FORMATS.items():
                if options.only in name:
                    for pass_, calls in make(*problem, memory_format).items():
                        row = compare(name, layout, pass_, calls, options)
                        rows.append(row)
                        table.add_row(name, layout, pass_, f"{row['ratio']:.2f}", str(row["clean_samples"]))
    harness.messages.print(table)
    harness.write({**summary(rows), "rows": rows, "machine": harness.machine()})


if __name__ == "__main__":
    main()
