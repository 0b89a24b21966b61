"""The plan store: what tune() measured, in a JSON file that any number of processes may read and add to.

A plan stands for one problem on one machine: the seconds that each algorithm took, fastest first. The registry takes
the first that is within the budgets of a call. The file is read once, when torchconv is imported, so that a process
chooses the same from its start to its end, but for what it tunes itself.
"""

import dataclasses
import functools
import json
import math
import os
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import filelock
import platformdirs

from torchconv import _C, _build
from torchconv.errors import TorchconvError
from torchconv.timing import cpu_name

SCHEMA = 1
VARIABLE, OFF = "TORCHCONV_CACHE", "off"
# All that tells one plan from another; the rest is what was measured.
PROBLEM = ("pass", "x", "w", "stride", "padding", "dilation", "groups", "dtype", "layout", "device", "packed")
CIRCUMSTANCES = ("isa", "threads", "machine", "kernels")
KEY = (*PROBLEM, *CIRCUMSTANCES)
# What these of its entries may be; sizes are checked by the operators' own rules.
ALLOWED = {
    "pass": ("fwd", "grad_input", "grad_weight"),
    "dtype": ("float32", "float64", "float16", "bfloat16"),
    "layout": ("nchw", "nhwc"),
    "device": ("cpu", "cuda"),
    "packed": (False, True),
    "isa": ("baseline", "avx2", "avx512", "avx512_bf16"),
}
LOCK_SECONDS = 60

Plan = dict[str, Any]


class Unusable(Exception):
    """Why a file is no plan store."""


@dataclasses.dataclass
class InUse:
    """What this process has of the store."""

    path: Path | None  # None: switched off
    plans: int = 0  # for this machine and these kernels, with any threads and instruction set
    others: int = 0  # in the file for other machines or kernels
    unusable: str = ""  # why nothing of the file is used
    own: list[Plan] = dataclasses.field(default_factory=list)  # those of this process alone, without a file

    @property
    def state(self) -> str:
        """In words."""
        if self.path is None:
            kept = f", {self.plans} plans of this process alone" if self.plans else ""
            return f"switched off by {VARIABLE}={OFF}{kept}"
        if self.unusable:
            return f"not used: {self.unusable}"
        if not self.plans and not self.others:
            return "empty"
        return f"{self.plans} plans in use, {self.others} for other machines or builds"


def path() -> Path | None:
    """Where the store lies: in the folder TORCHCONV_CACHE names, else in the user's cache folder; None if it is off."""
    folder = os.environ.get(VARIABLE)
    if folder == OFF:
        return None
    return Path(folder or platformdirs.user_cache_dir("torchconv", appauthor=False)) / "plans.json"


@functools.cache
def here() -> dict[str, str]:
    """Which plans hold: those of this kind of CPU and of these kernels' sources."""
    return {"machine": cpu_name(), "kernels": _build.KERNELS}


def read(file: Path) -> list[Plan]:
    """The plans in a file, none where there is no file.

    Raises:
        Unusable: it cannot be read, or holds something else.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"it cannot be read ({error})") from None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"it is damaged ({error})") from None
    if not isinstance(content, dict) or not isinstance(content.get("plans"), list):
        raise Unusable("it is damaged (expected an object with plans)")
    if content.get("schema") != SCHEMA:
        raise Unusable(f"it is of another version (expected schema {SCHEMA}, got {content.get('schema')!r})")
    return [_checked(plan) for plan in content["plans"]]


def _checked(plan: Any) -> Plan:
    """The plan, if the registry can take it."""
    try:
        _C.conv_output_size(*(plan[name] for name in ("x", "w", "stride", "padding", "dilation", "groups")))
        for name, values in ALLOWED.items():
            if plan[name] not in values:
                raise ValueError(f"{name} {plan[name]!r}")
        if not all(isinstance(plan[name], str) for name in here()):
            raise ValueError("machine or kernels")
        if type(plan["threads"]) is not int or not 0 < plan["threads"] < 1 << 31:
            raise ValueError("threads")
        seconds = plan["seconds"]
        if not seconds or not all(map(str.isascii, seconds)):
            raise ValueError("algorithms")
        if not all(type(s) is float and 0 < s < math.inf for s in seconds.values()):
            raise ValueError("seconds")
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise Unusable(f"it is damaged (a plan without a proper {str(error).splitlines()[0]})") from None
    return plan


def _use(plans: Iterable[Plan]) -> None:
    """Hands plans of this machine to the registry."""
    for plan in plans:
        timed = sorted(plan["seconds"].items(), key=lambda item: item[1])
        _C.add_plan(
            plan["pass"], plan["x"], plan["w"], plan["stride"], plan["padding"], plan["dilation"], plan["groups"],
            plan["dtype"], plan["layout"], plan["device"], plan["threads"], plan["isa"], plan["packed"], timed,
        )  # fmt: skip


def _of_here(plans: Iterable[Plan]) -> list[Plan]:
    ours = here()
    return [plan for plan in plans if all(plan[name] == value for name, value in ours.items())]


in_use = InUse(path())


def load() -> None:
    """Reads the store and lets its plans decide from now on. One that cannot be used gives a warning."""
    global in_use
    _C.clear_plans()
    in_use = InUse(path())
    if in_use.path is None:
        return
    try:
        plans = read(in_use.path)
    except Unusable as error:
        in_use.unusable = str(error)
        instead = "Algorithms are chosen by predicted times; the next tune() puts the file aside and begins a new one."
        warnings.warn(f"torchconv: the plan store {in_use.path} is not used: {error}. {instead}", RuntimeWarning, 2)
        return
    ours = _of_here(plans)
    _use(ours)
    in_use.plans, in_use.others = len(ours), len(plans) - len(ours)


def check_writable() -> None:
    """Raises unless plans can be kept, or need not be; to be called before the time is spent on measuring."""
    file = in_use.path
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise TorchconvError(f"{VARIABLE}: expected a folder to keep plans in, or {OFF}, got {error}") from None


def add(plans: list[Plan]) -> None:
    """Adds plans to the store, where they go before older ones of the same problems, and uses them from now on.

    Args:
        plans: dicts with the keys of PROBLEM, isa, threads and seconds; what else they hold is kept too.

    Raises:
        TorchconvError: the file cannot be written.
    """
    new = [{**plan, **here()} for plan in plans]
    if in_use.path is None:
        in_use.own = merge(in_use.own, new)
        in_use.plans = len(in_use.own)
        _use(in_use.own)
        return
    try:
        with filelock.FileLock(in_use.path.with_suffix(".lock"), LOCK_SECONDS):
            former = _former(in_use.path)
            merged = merge(former, new)
            _write(in_use.path, merged)
    except (OSError, filelock.Timeout) as error:
        raise TorchconvError(f"{VARIABLE}: expected a folder to keep plans in, or {OFF}, got {error}") from None
    added = {_key(plan) for plan in new}
    _use(plan for plan in merged if _key(plan) in added)
    in_use.plans = len(_of_here(merged))
    in_use.others, in_use.unusable = len(merged) - in_use.plans, ""


def merge(former: list[Plan], new: list[Plan]) -> list[Plan]:
    """Both lists as one: of the same problem, the later measurement of each algorithm counts."""
    merged = {_key(plan): plan for plan in former}
    for plan in new:
        key = _key(plan)
        seconds = {**merged.get(key, {}).get("seconds", {}), **plan["seconds"]}
        merged[key] = {**plan, "seconds": dict(sorted(seconds.items(), key=lambda item: item[1]))}
    return list(merged.values())


def _key(plan: Plan) -> str:
    return json.dumps([plan[name] for name in KEY])


def _former(file: Path) -> list[Plan]:
    """What the file holds. One that cannot be used is put aside, under a name that is free."""
    try:
        return read(file)
    except Unusable as error:
        names = (file.with_name(f"{file.name}.bad{n or ''}") for n in range(1000))
        aside = next(name for name in names if not name.exists())
        file.rename(aside)
        warnings.warn(f"torchconv: the plan store {file}: {error}. It is now {aside}.", RuntimeWarning, 2)
        return []


def _write(file: Path, plans: list[Plan]) -> None:
    """In one step, so that whoever reads it meanwhile sees the old plans or the new ones. A plan stands on a line."""
    lines = ",\n".join(json.dumps(plan) for plan in plans)
    # A folder of its own, in which the file gets the usual permissions, and which goes whatever happens.
    with tempfile.TemporaryDirectory(dir=file.parent, prefix="plans", ignore_cleanup_errors=True) as folder:
        new = Path(folder) / file.name
        with new.open("w", encoding="utf-8") as text:
            text.write(f'{{"schema": {SCHEMA}, "plans": [\n{lines}\n]}}\n')
            text.flush()
            os.fsync(text.fileno())
        os.replace(new, file)
