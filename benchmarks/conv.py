"""One algorithm against torch on files of shapes: forward, both gradients, and the two together. Prints JSON.

    python benchmarks/conv.py [--shapes resnet50 vgg16] [--algo im2col] [--only 3x3] [--dtype float32] [--inference]

Each side runs in both memory formats, and its better one counts: "ratio" is torch's best time over torchconv's best.
"""

from collections.abc import Callable
from typing import Any

import harness
import torch
from harness import Shape, geomean
from rich.table import Column, Table
from torch import Tensor

from torchconv import _C, ops

FORMATS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}
MASKS = {"grad_input": [True, False, False], "grad_weight": [False, True, False], "backward": [True, True, False]}
PASSES = ("fwd", *MASKS)
DENSE = ("large3x3", "small3x3", "single3x3", "3x3", "5x5", "7x7", "15x15", "31x31")
DEPTHWISE = ("dw3x3", "dw5x5", "dw7x7", "dw13x13", "dw31x31", "dw51x51")
GROUPED = ("g4", "g8", "g16", "g24")
PHASES = ("dilated3x3", "up4x4", "strided4x4", "strided3x3", "stem7x7")
KINDS = DENSE + DEPTHWISE + GROUPED + PHASES  # how layers' names begin
SINGLE = ("fwd", "grad_input", "grad_weight")  # backward is the last two


def ours(pass_: str, s: Shape, algo: str, x: Tensor, w: Tensor, grad_y: Tensor) -> Callable[[], object]:
    if pass_ == "backward":
        grad_input, grad_weight = (ours(single, s, algo, x, w, grad_y) for single in ("grad_input", "grad_weight"))
        return lambda: (grad_input(), grad_weight())
    rest, x_size = (*s.geometry, algo), s.conv_x_size
    if s.transposed:
        x, grad_y = grad_y, x
    fwd = lambda: ops.conv_fwd(x, w, None, *rest)  # noqa: E731
    grad_input = lambda: ops.conv_grad_input(grad_y, w, None, x_size, *rest)  # noqa: E731
    grad_weight = lambda: ops.conv_grad_weight(x, grad_y, s.w_size, *rest)  # noqa: E731
    return {"fwd": fwd, "grad_input": grad_input, "grad_weight": grad_weight}[s.operator(pass_)]


def torchs(pass_: str, s: Shape, x: Tensor, w: Tensor, grad_y: Tensor) -> Callable[[], object]:
    stride, pad, dil = s.window
    if pass_ != "fwd":
        rest = (None, stride, pad, dil, s.transposed, [0, 0], s.groups, MASKS[pass_])
        return lambda: torch.ops.aten.convolution_backward(grad_y, x, w, *rest)
    if s.transposed:
        return lambda: torch.conv_transpose2d(x, w, None, stride, pad, [0, 0], s.groups, dil)
    return lambda: torch.conv2d(x, w, None, stride, pad, dil, s.groups)


def single(pass_: str, result: Any) -> Tensor:
    """The one result of a pass, where torch gives three gradients."""
    return result if isinstance(result, Tensor) else result[SINGLE.index(pass_) - 1]


def relative_error(result: Tensor, exact: Tensor) -> float:
    return ((result - exact).abs().max() / exact.abs().max()).item()


def errors(pass_: str, s: Shape, algo: str, dtype: torch.dtype, batch: int = 1) -> tuple[float, float]:
    """max|y - ref| / max|ref| against float64, ours and torch's in channels_last, for a batch of one or more."""
    one = Shape(**{**vars(s), "N": batch})
    tensors = [torch.randn(size).to(dtype) for size in (one.x_size, one.w_size, one.y_size)]
    exact = single(pass_, torchs(pass_, one, *(t.double() for t in tensors))())
    in_last = [t.contiguous(memory_format=torch.channels_last) for t in tensors]
    results = ours(pass_, one, algo, *tensors)(), torchs(pass_, one, *in_last)()
    own, theirs = (relative_error(single(pass_, result), exact) for result in results)
    return own, theirs


def error(pass_: str, s: Shape, algo: str, dtype: torch.dtype, batch: int = 1) -> float:
    return errors(pass_, s, algo, dtype, batch)[0]


def compare(pass_: str, s: Shape, options: Any) -> dict[str, Any]:
    calls: dict[tuple[str, str], Callable[[], object]] = {}
    for name, memory_format in FORMATS.items():
        sizes = (s.x_size, s.w_size, s.y_size)
        tensors = [torch.randn(size).to(options.dtype, memory_format=memory_format) for size in sizes]
        calls["torchconv", name] = ours(pass_, s, options.algo, *tensors)
        calls["torch", name] = torchs(pass_, s, *tensors)
    timings = harness.measure(calls, options.samples, options.limit, options.cold)
    seconds = {side: {name: timings[side, name].seconds for name in FORMATS} for side in ("torchconv", "torch")}
    best = {side: min(by_format.values()) for side, by_format in seconds.items()}
    measured = errors(pass_, s, options.algo, options.dtype) if pass_ in SINGLE else (None, None)
    return {
        "layer": s.name,
        "pass": pass_,
        "ratio": best["torch"] / best["torchconv"],
        "ratio_nchw": seconds["torch"]["nchw"] / seconds["torchconv"]["nchw"],
        "gflops": s.flop * (2 if pass_ == "backward" else 1) / best["torchconv"] * 1e-9,
        "error": measured[0],
        "torchs_error": measured[1],
        "seconds": seconds,
        "clean_samples": min(timing.clean for timing in timings.values()),
    }


def workspace_per_thread(s: Shape, algo: str, dtype: torch.dtype) -> float:
    """The largest workspace of any pass and layout, in MiB per thread."""
    name = str(dtype).removeprefix("torch.")
    candidates = [
        candidate
        for pass_ in SINGLE
        for layout in FORMATS
        for candidate in _C.explain(pass_, s.conv_x_size, s.w_size, *s.geometry, algo, name, layout)
        if candidate["chosen"]
    ]
    return max(candidate["workspace"] for candidate in candidates) / torch.get_num_threads() / 2**20


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures that bars are set on, and from how many clean samples each comes at the least."""
    single = [row for row in rows if row["pass"] in SINGLE] or rows
    worst = min(single, key=lambda row: row["ratio"])
    groups = {
        "geomean": single,
        "worst": single,
        **{f"{pass_}_geomean": [row for row in rows if row["pass"] == pass_] for pass_ in PASSES},
        "pointwise_nchw_geomean": [row for row in single if row["layer"].startswith("1x1")],
        "stem_backward": [row for row in rows if row["layer"].startswith("stem") and row["pass"] == "backward"],
        **{
            f"{kind}_{pass_}": [row for row in rows if row["layer"].startswith(f"{kind}_") and row["pass"] == pass_]
            for kind in KINDS
            for pass_ in ("fwd", "backward")
        },
    }
    known = [row for row in single if row["error"] is not None]
    figures: dict[str, Any] = {
        "worst_is": f"{worst['layer']} {worst['pass']}",
        "clean_samples": {},
        "largest_error": max((row["error"] for row in known), default=None),
        # What "exact" promises: no more than torch's own error, or 1e-6.
        "error_over_torchs": max((row["error"] / max(row["torchs_error"], 1e-6) for row in known), default=None),
    }
    for name, group in groups.items():
        if group:
            ratios = [row["ratio_nchw" if "nchw" in name else "ratio"] for row in group]
            figures[name] = min(ratios) if name == "worst" else geomean(ratios)
            figures["clean_samples"][name] = min(row["clean_samples"] for row in group)
    # Of hundreds of layers some are interrupted: the counts do without them.
    clean = [row for row in single if row["clean_samples"]] or single
    figures["slower_percent"] = 100 * sum(row["ratio"] < 0.95 for row in clean) / len(clean)
    figures["much_slower"] = sum(row["ratio"] < 0.8 for row in clean)
    for name in ("slower_percent", "much_slower"):
        figures["clean_samples"][name] = min(row["clean_samples"] for row in clean)
    return figures


def table(rows: list[dict[str, Any]], peak: float) -> Table:
    out = Table(
        Column("layer", no_wrap=True),
        Column("pass", no_wrap=True),
        "ratio",
        "in NCHW",
        "GFLOP/s",
        "% of peak",
        "error",
        "clean samples",
    )
    for row in rows:
        error = "" if row["error"] is None else f"{row['error']:.1e}"
        cells = (
            f"{row['ratio']:.2f}",
            f"{row['ratio_nchw']:.2f}",
            f"{row['gflops']:.0f}",
            f"{100 * row['gflops'] / peak:.0f}",
        )
        out.add_row(row["layer"], row["pass"], *cells, error, str(row["clean_samples"]))
    return out


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--shapes", default=["resnet50"], nargs="+", help="files in shapes/")
    parser.add_argument("--only", default="", help="part of a layer's name")
    parser.add_argument("--batch", type=int, help="instead of the file's")
    parser.add_argument("--algo", default="im2col")
    parser.add_argument("--pass", dest="passes", choices=PASSES, nargs="+", default=PASSES)
    parser.add_argument("--inference", action="store_true", help="one image, forward: --batch 1 --pass fwd")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--cold", action="store_true", help="sweep the caches before each sample")
    options = parser.parse_args()
    options.dtype = getattr(torch, options.dtype)
    if options.inference:
        options.batch, options.passes = 1, ("fwd",)
    harness.start(options)
    files = [harness.read_shapes(name, options.batch) for name in options.shapes]
    shapes = [s for file in files for s in file if options.only in s.name]
    machine = harness.machine()
    rows = []
    for s in shapes:
        for pass_ in options.passes:
            rows.append(compare(pass_, s, options))
            harness.messages.print(f"{s.name} {pass_}: {rows[-1]['ratio']:.2f}")
    harness.messages.print(table(rows, machine["peak_gflops"]))
    workspace = max(workspace_per_thread(s, options.algo, options.dtype) for s in shapes)
    harness.write({**summary(rows), "workspace_mib_per_thread": workspace, "layers": rows, "machine": machine})


if __name__ == "__main__":
    main()
