"""Which algorithm runs, within which limits, and why: set_precision, precision, set_workspace_limit, explain."""

import contextlib
import dataclasses
import numbers
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from rich.table import Table
from torch import Tensor
from torch._prims_common import suggest_memory_format

from torchconv import _C, ops
from torchconv._arguments import Ints, Padding, batched, integer, padding_sides, per_dimension
from torchconv._text import Printable
from torchconv.errors import TorchconvError, raise_for_conv

LEVELS = ("direct", "exact", "balanced")
PASSES = ("fwd", "grad_input", "grad_weight")

# What algo="auto" means. A plain global of the process, because torch.compile guards on it and recompiles; it does not
# guard on a threading.local, and before 2.14 it does not trace a ContextVar.
default_algo = "auto"


def set_precision(level: str | float) -> None:
    """Sets how exact the results of calls with algo="auto" have to be, in the whole process.

    Args:
        level: one of

            - "direct": only algorithms that sum the very products, so that NaN and Inf stay where they belong;
            - "exact": also those predicted to err by at most 1e-6 in float32, or no more than direct summation in the
              other dtypes;
            - "balanced", the level at the start: at most 1e-5 in float32;
            - a number: the largest predicted error, as max|y - exact y| / max|exact y|. It bounds every algorithm,
              those that sum the very products too, which the names above always let in. A call that no algorithm can
              compute so exactly raises, with the reasons.

    A call reads the level once; its backward keeps it. torch.compile notices a change.

    Raises:
        TorchconvError: the level is none of these.

    Example:
        >>> import torchconv
        >>> torchconv.set_precision("exact")
        >>> torchconv.set_precision("balanced")
    """
    global default_algo
    default_algo = _algo(level)


@contextlib.contextmanager
def precision(level: str | float) -> Iterator[None]:
    """set_precision for the length of a with block; the former level comes back at its end.

    The level belongs to the process: where threads need different levels, give algo="auto:LEVEL" in the calls.

    Args:
        level: as in set_precision. A number bounds the predicted error of every algorithm.

    Raises:
        TorchconvError: the level is none of set_precision's.

    Example:
        >>> import torch, torchconv
        >>> with torchconv.precision(1e-4):
        ...     torchconv.conv1d(torch.ones(1, 1, 3), torch.ones(1, 1, 3))
        tensor([[[3.]]])
    """
    global default_algo
    former, default_algo = default_algo, _algo(level)
    try:
        yield
    finally:
        default_algo = former


def set_workspace_limit(limit: int | None) -> None:
    """Sets how many bytes of workspace an algorithm may take that algo="auto" chooses, in the whole process.

    explain shows what each takes. Operands, results and the prepared weights of frozen models are not workspace. Where
    no fast algorithm is within the limit, "reference" runs, which takes none. An algorithm that a call names is not
    limited. A thread keeps the workspace of one call for the next, up to 64 MiB; what is beyond a new limit it frees in
    its next call.

    Args:
        limit: bytes, for one convolution on all of its threads; or None, as at the start: no limit.

    Raises:
        TorchconvError: the limit is neither None nor a whole number from 0 on.

    Example:
        >>> import torchconv
        >>> torchconv.set_workspace_limit(0)
        >>> rows = torchconv.explain((8, 64, 56, 56), (64, 64, 3, 3), padding=1).rows
        >>> {row["algo"] for row in rows if row["chosen"]}
        {'reference'}
        >>> torchconv.set_workspace_limit(None)
    """
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or not 0 <= limit < 1 << 63):
        raise TorchconvError(f"limit: expected a number of bytes or None, got {limit!r}")
    _C.set_workspace_limit((1 << 63) - 1 if limit is None else limit)


def _algo(level: Any) -> str:
    if isinstance(level, str) and level in LEVELS:
        return "auto" if level == "balanced" else f"auto:{level}"
    if isinstance(level, numbers.Real) and not isinstance(level, bool) and float(level) > 0:
        return f"auto:{float(level)!r}"
    raise TorchconvError(f"level: expected one of {', '.join(LEVELS)}, or a positive number, got {level!r}")


@dataclasses.dataclass(frozen=True)
class Explanation(Printable):
    """What explain found. print() shows it as a table, as_dict() gives it to programs.

    Attributes:
        problem: the sizes and settings that the choice depends on.
        rows: one dict for each algorithm in each pass, with the keys pass, algo, chosen, supported, direct (whether it
            sums the very products), allowed (whether the call and its budgets let it run), tuned (whether it was chosen
            by what tune() measured), reason (why it was not chosen, "" for the one that was), plan (what a composed one
            makes of the problem: "phases(winograd4)" cuts the operands, and winograd4 runs what is left; "" for the
            others), seconds and error (predicted), workspace (bytes), measured (seconds that tune() measured, or None).
            Where the algorithm cannot run the problem, seconds, error and workspace are None.

    Example:
        >>> import torchconv
        >>> explanation = torchconv.explain((8, 64, 56), (64, 64, 3), algo="reference")
        >>> explanation.problem["x"], explanation.problem["dtype"]
        ([8, 64, 56], 'float32')
        >>> [(row["pass"], row["reason"]) for row in explanation.rows if row["chosen"]]
        [('fwd', ''), ('grad_input', ''), ('grad_weight', '')]
    """

    problem: dict[str, Any]
    rows: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """problem and rows as one dictionary that JSON can hold."""
        return dataclasses.asdict(self)

    def __rich__(self) -> Table:
        title = ", ".join(f"{name} {value}" for name, value in self.problem.items())
        table = Table("pass", "algorithm", "time", "error", "workspace", "chosen, or why not", title=title)
        for i, row in enumerate(self.rows):
            if i and row["pass"] != self.rows[i - 1]["pass"]:
                table.add_section()
            why = row["reason"] or ("chosen, " + _tuned(row) if row["tuned"] else "chosen")
            predicted = (
                (_time(row["seconds"]), f"{row['error']:.1e}", _size(row["workspace"]))
                if row["supported"]
                else ("",) * 3
            )
            why += f"\n{row['plan']}" if row["plan"] else ""
            table.add_row(row["pass"], row["algo"], *predicted, why, style="bold" if row["chosen"] else None)
        return table


def explain(
    x: Tensor | Sequence[int],
    w: Tensor | Sequence[int],
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    algo: str = "auto",
) -> Explanation:
    """Which algorithm runs a convolution and its two gradients, with what predicted time, error and workspace, and
    why no other one does. Nothing is computed.

    Args:
        x, w: tensors, or sizes where there are none yet: [N, C, H, W] and [K, C / groups, R, S], or those of
            conv1d or conv3d. Sizes stand for float32 on the CPU; where only one is a tensor, the other is like it.
        bias: [K], of the dtype and device of x and w, or None.
        others: as in torchconv.conv2d.

    Raises:
        TorchconvError: as torchconv.conv2d would.

    Example:
        >>> import torchconv
        >>> explanation = torchconv.explain((8, 64, 56, 56), (64, 64, 3, 3), padding=1)
        >>> [row["algo"] for row in explanation.rows if row["pass"] == "fwd" and row["chosen"]]
        ['winograd4']
    """
    like = next((t for t in (x, w) if isinstance(t, Tensor)), torch.empty(0))
    for name, t in (("w", w), ("bias", bias)):
        if isinstance(t, Tensor) and t.device != like.device:
            raise TorchconvError(f"{name}: expected to be on {like.device} as x is, got {t.device}")
    x, w = _stand_in("x", x, like), _stand_in("w", w, like)
    d = w.dim() - 2
    try:
        if d not in (1, 2, 3):
            raise TorchconvError(f"w: expected 3, 4 or 5 dimensions, got size {list(w.shape)}")
        x = batched(x, d)
        stride, dilation = per_dimension("stride", stride, d), per_dimension("dilation", dilation, d)
        padding = padding_sides(padding, x, w, stride, dilation)
        groups = integer("groups", groups, groups, "an int")
        algo = default_algo if algo == "auto" else algo
        meta_bias = None if bias is None else bias.to("meta")
        ops.conv_fwd(x.to("meta"), w.to("meta"), meta_bias, stride, padding, dilation, groups, algo)  # only checks
        settings: dict[str, Any] = {
            "algo": algo,
            "dtype": str(x.dtype).removeprefix("torch."),
            "layout": "nhwc" if _is_channels_last(x) else "nchw",
            "device": like.device.type if like.device.type != "meta" else "cpu",
        }
        w_nhwc = _is_channels_last(w)
        geometry = (list(x.shape), list(w.shape), list(stride), list(padding), list(dilation), groups)
        rows = [
            {"pass": name, **row}
            for name in PASSES
            for row in _C.explain(name, *geometry, **settings, has_bias=bias is not None, w_channels_last=w_nhwc)
        ]
    except (RuntimeError, AttributeError, IndexError, TypeError) as error:
        given: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        raise_for_conv(error, d, x, w, bias, algo, **given)
    names = ("x", "w", "stride", "padding", "dilation", "groups")
    machine = {"isa": _C.current_isa(), "threads": _C.num_threads()}
    return Explanation({**dict(zip(names, geometry, strict=True)), **settings, **machine}, rows)


def _is_channels_last(t: Tensor) -> bool:
    return t.dim() > 3 and suggest_memory_format(t) != torch.contiguous_format


def _stand_in(name: str, t: Any, like: Tensor) -> Tensor:
    """A tensor without memory for a size."""
    try:
        return t if isinstance(t, Tensor) else torch.empty(t, dtype=like.dtype, device="meta")
    except (TypeError, RuntimeError):
        raise TorchconvError(f"{name}: expected a tensor or a size, got {t!r}") from None


def _tuned(row: dict[str, Any]) -> str:
    return f"tuned: measured {_time(row['measured'])}"


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB" if count else "0"
