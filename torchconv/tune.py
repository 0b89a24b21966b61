"""tune(): measures the algorithms on the convolutions of a model, and keeps what was found in the plan store."""

import copy
import dataclasses
import datetime
import threading
from collections.abc import Callable, Iterable
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table
from torch import Tensor
from torch.utils import _pytree as pytree

from torchconv import _C, _store, ops
from torchconv._enabled import enabled
from torchconv._text import Printable
from torchconv.errors import TorchconvError, refuse_example
from torchconv.timing import race

# Predictions are within a factor of 2 for nine of ten rows: what is predicted to take longer than the fastest by this
# factor is not timed at all.
HOPELESS = 10
_FORMATS = {("nhwc", 4): torch.channels_last, ("nhwc", 5): torch.channels_last_3d}
_lock = threading.Lock()  # the registry keeps one list of problems at a time

Problem = tuple[dict[str, Any], str]  # as the registry tells it, and the algo that was asked for


@dataclasses.dataclass(frozen=True)
class Tuning(Printable):
    """What tune found. print() shows it as a table, as_dict() gives it to programs.

    Attributes:
        plans: one dict for each problem, with the keys pass, x, w, stride, padding, dilation, groups, dtype, layout,
            device, packed (whether weights were prepared beforehand), isa, threads; before and fastest (algorithms);
            seconds (medians by algorithm, fastest first); clean (how many samples that were not interrupted the least
            sure of these is of). Where that is 0, the machine was busy, and no plan is kept.
        store: the file that keeps them, or None where the store is switched off.

    Example:
        >>> import torch, torchconv
        >>> found = torchconv.tune(torch.nn.Conv2d(3, 8, 3).eval(), torch.randn(1, 3, 16, 16), samples=1)
        >>> [(plan["pass"], plan["x"], plan["w"]) for plan in found.plans]
        [('fwd', [1, 3, 16, 16], [8, 3, 3, 3])]
    """

    plans: list[dict[str, Any]]
    store: str | None

    def as_dict(self) -> dict[str, Any]:
        """plans and store as one dictionary that JSON can hold."""
        return dataclasses.asdict(self)

    def __rich__(self) -> Table:
        kept = f"kept in {self.store}" if self.store else "kept in this process alone"
        if busy := sum(not plan["clean"] for plan in self.plans):
            kept += f", but for {busy}: the machine was busy"
        columns = ("pass", Column("problem", overflow="fold"), "before", "fastest", Column("gain", justify="right"))
        table = Table(*columns, "measured", title=f"{len(self.plans)} plans {kept}")
        for plan in self.plans:
            table.add_row(plan["pass"], _in_words(plan), plan["before"], plan["fastest"], _gain(plan), _measured(plan))
        return table


def tune(
    model: torch.nn.Module,
    example: Any,
    *,
    gradients: bool | None = None,
    samples: int = 7,
    limit: float = 1.0,
    progress: bool = True,
) -> Tuning:
    """Measures, for every convolution that a model computes, each algorithm within the budgets, and keeps the results.

    From then on algo="auto" goes by these measurements instead of predicted times: in this process at once, in later
    ones on the same kind of CPU from their start. A plan holds for the sizes, dtype, memory format, instruction set and
    number of threads that were measured, and with prepared weights (a model that freeze made) or without. Precision and
    the limit of the workspace are looked at in each call: the fastest algorithm that they allow is taken, of those that
    were measured. So measure at the loosest precision that will be used.

    A copy of the model is run once within enabled(), so that convolutions count whether they are torch's or
    torchconv's; the model stays as it is. Calls that name their algorithm are left out.

    Args:
        model: any module; converted and frozen ones too.
        example: an input of the model, or a tuple of its inputs.
        gradients: measure both gradients too. None: where the model is in training mode, or an input requires grad.
        samples, limit: how many clean timings of each algorithm, and after how many seconds for a problem to stop.
        progress: show a progress bar on the standard error.

    Returns:
        A Tuning, which prints as a table of what was measured.

    Raises:
        TorchconvError: an argument is wrong, the model fails on the example, or the plans cannot be kept.

    Example:
        >>> import torch, torchconv
        >>> model, x = torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3, padding=1)), torch.randn(1, 8, 16, 16)
        >>> found = torchconv.tune(model, x, samples=1)
        >>> print(found)  # doctest: +SKIP
        >>> [plan["pass"] for plan in found.plans]
        ['fwd', 'grad_weight']
    """
    if not isinstance(model, torch.nn.Module):
        raise TorchconvError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    if type(samples) is not int or samples < 1:
        raise TorchconvError(f"samples: expected a positive number, got {samples!r}")
    if not isinstance(limit, (int, float)) or not limit >= 0:
        raise TorchconvError(f"limit: expected a number of seconds, got {limit!r}")
    if gradients is not None and type(gradients) is not bool:
        raise TorchconvError(f"gradients: expected True, False or None, got {gradients!r}")
    if gradients and torch.is_inference_mode_enabled():
        raise TorchconvError("gradients: expected False or None within torch.inference_mode(), got True")
    inputs = example if isinstance(example, tuple) else (example,)
    if gradients is None:
        gradients = model.training or any(t.requires_grad for t in _tensors(inputs))
    _store.check_writable()
    return measure_problems(problems_of(model, inputs, gradients), samples, limit, progress)


def problems_of(model: torch.nn.Module, inputs: tuple[Any, ...], gradients: bool) -> list[Problem]:
    """The problems that a copy of the model gives the registry in one run, each once, forward ones first."""
    try:
        copied = copy.deepcopy(model)
    except Exception as error:  # of what it holds, such as locks
        got = f"{type(model).__name__}: {error}"
        raise TorchconvError(f"model: expected one that copy.deepcopy can copy, got {got}") from error
    with _lock:
        _C.watch_problems(True)
        try:
            with enabled(), torch.random.fork_rng(devices=[]), torch.set_grad_enabled(gradients):
                _run(copied, pytree.tree_map_only(Tensor, _fresh, inputs), gradients)
        except Exception as error:  # whatever the model's own code raises
            refuse_example(inputs, error)
        finally:
            _C.watch_problems(False)
        return [found for found in _C.watched_problems() if found[0]["device"] == "cpu"]


def measure_problems(problems: Iterable[Problem], samples: int, limit: float, progress: bool) -> Tuning:
    """Times the algorithms on each problem and adds what was found to the store, also if it is stopped halfway."""
    grouped: dict[str, list[Problem]] = {}  # calls of one problem may ask for several precisions
    for problem, algo in problems:
        grouped.setdefault(str([problem[name] for name in _store.PROBLEM]), []).append((problem, algo))
    console = Console(stderr=True)
    shown = track(grouped.values(), "measuring", console=console, transient=True, disable=not progress)
    plans: list[dict[str, Any]] = []
    try:
        for same in shown:
            plans.append(_plan(same[0][0], [algo for _, algo in same], samples, limit))
    finally:
        today = datetime.date.today().isoformat()
        names = (*_store.PROBLEM, "isa", "threads", "seconds", "clean")
        _store.add([{**{name: plan[name] for name in names}, "date": today} for plan in plans if plan["clean"]])
    return Tuning(plans, None if _store.in_use.path is None else str(_store.in_use.path))


def _tensors(values: Any) -> list[Tensor]:
    return [t for t in pytree.tree_leaves(values) if isinstance(t, Tensor)]


def _fresh(t: Tensor) -> Tensor:
    """The model may write to what it is given."""
    return t.detach().clone().requires_grad_(t.requires_grad)


def _run(model: torch.nn.Module, inputs: tuple[Any, ...], gradients: bool) -> None:
    results = [t for t in _tensors(model(*inputs)) if t.requires_grad]
    if gradients and results:
        torch.autograd.backward(results, [torch.ones_like(t) for t in results])


def _plan(problem: dict[str, Any], algos: list[str], samples: int, limit: float) -> dict[str, Any]:
    """One problem with the seconds of each algorithm that any of the calls may take."""
    predicted: dict[str, float] = {}
    before = ""
    for algo in algos:
        rows = _explained(problem, algo)
        predicted |= {row["algo"]: row["seconds"] for row in rows if row["allowed"]}
        before = before or next(row["algo"] for row in rows if row["chosen"])
    worth = {algo for algo, seconds in predicted.items() if seconds <= HOPELESS * min(predicted.values())} | {before}
    with torch.no_grad():
        timings = race(_calls(problem, worth), samples, limit)
    seconds = {algo: timing.seconds for algo, timing in timings.items()}
    clean = min(timing.clean for timing in timings.values())
    return {**problem, "before": before, "fastest": next(iter(seconds)), "seconds": seconds, "clean": clean}


def _explained(problem: dict[str, Any], algo: str) -> list[dict[str, Any]]:
    return _C.explain(
        problem["pass"], problem["x"], problem["w"], *_window(problem), algo, problem["dtype"], problem["layout"],
        problem["device"], False, problem["w_channels_last"], problem["threads"], problem["packed"],
    )  # fmt: skip


def _window(problem: dict[str, Any]) -> tuple[list[int], list[int], list[int], int]:
    """stride, padding, dilation and groups, as the operators take them."""
    return problem["stride"], problem["padding"], problem["dilation"], problem["groups"]


def _calls(problem: dict[str, Any], algos: Iterable[str]) -> dict[str, Callable[[], object]]:
    """The pass with each algorithm, on random operands; autograd knows nothing of them."""
    x_size, w_size = problem["x"], problem["w"]
    window = _window(problem)
    dtype, layout = getattr(torch, problem["dtype"]), problem["layout"]
    x = _random(x_size, dtype, layout)
    w = _random(w_size, dtype, "nhwc" if problem["w_channels_last"] else "nchw")
    y = _random(_C.conv_output_size(x_size, w_size, *window), dtype, layout)

    def call(algo: str) -> Callable[[], object]:
        if problem["pass"] == "grad_input":
            return lambda: ops.conv_grad_input(y, w, None, x_size, *window, algo)
        if problem["pass"] == "grad_weight":
            return lambda: ops.conv_grad_weight(x, y, w_size, *window, algo)
        if problem["packed"]:
            pack = ops.conv_pack(x, w, *window, "none", False, algo)
            return lambda: ops.conv_fused(x, w, None, None, pack if pack.numel() else None, *window, "none", algo)
        return lambda: ops.conv_fwd(x, w, None, *window, algo)

    return {algo: call(algo) for algo in sorted(algos)}


def _random(size: list[int], dtype: torch.dtype, layout: str) -> Tensor:
    memory_format = _FORMATS.get((layout, len(size)), torch.contiguous_format)
    return torch.empty(size, dtype=dtype, memory_format=memory_format).normal_(generator=torch.Generator())


def _in_words(plan: dict[str, Any]) -> str:
    """ "8x64x56x56, 3x3 to 64, nhwc": what differs from the ordinary is named."""
    said = ["x".join(map(str, plan["x"])), f"{'x'.join(map(str, plan['w'][2:]))} to {plan['w'][0]}"]
    said += [f"stride {max(plan['stride'])}"] * (max(plan["stride"]) > 1)
    said += [f"dilation {max(plan['dilation'])}"] * (max(plan["dilation"]) > 1)
    said += [f"{plan['groups']} groups"] * (plan["groups"] > 1)
    said += [plan["dtype"]] * (plan["dtype"] != "float32")
    return ", ".join([*said, plan["layout"], *["packed"] * plan["packed"]])


def _gain(plan: dict[str, Any]) -> str:
    return f"{plan['seconds'][plan['before']] / plan['seconds'][plan['fastest']]:.2f}x"


def _measured(plan: dict[str, Any]) -> str:
    said = ", ".join(f"{algo} {seconds * 1e6:.0f} us" for algo, seconds in plan["seconds"].items())
    return said if plan["clean"] else f"{said} (interrupted, not kept)"
