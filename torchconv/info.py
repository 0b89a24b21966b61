"""What this build of torchconv is, what it found on this machine, and which of it is used."""

import os
import platform
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from torchconv import _C, _build, _cuda_library, _store
from torchconv._enabled import stats
from torchconv.timing import cpu_name


def plan_store() -> Path | None:
    """The file that keeps what tune() measured, in the folder that TORCHCONV_CACHE named when torchconv was imported,
    else in the user's cache folder; None where it is switched off."""
    return _store.in_use.path


def _gpu() -> str:
    """The GPU in use, or why there is none. A kernel is run on it: a build for other GPUs would show here."""
    if not _cuda_library.LOADED:
        return "not used: the CUDA library is not loaded"
    if not torch.cuda.is_available():
        return "none found"
    x = torch.zeros(1, device="cuda")
    ran = torch.ops.torchconv.cuda_probe(x).item() == 1
    return f"{torch.cuda.get_device_name()} ({'a kernel ran on it' if ran else 'a kernel gave a wrong result on it'})"


def info() -> dict[str, Any]:
    """Everything that ``python -m torchconv info`` prints, as a dictionary that JSON can hold.

    Example:
        >>> from torchconv.info import info
        >>> info()["isa"]["used"] in ("baseline", "avx2", "avx512", "avx512_bf16")
        True
    """
    store = _store.in_use
    return {
        "version": _build.VERSION,
        "torch": {"running": torch.__version__, "built_with": _build.TORCH},
        "python": platform.python_version(),
        "cpu": cpu_name(),
        "isa": {
            "detected": _C.detected_isa(),
            "cap": os.environ.get("TORCHCONV_MAX_ISA") or None,
            "used": _C.current_isa(),
        },
        "threads": torch.get_num_threads(),
        "idle_memory": {"bytes": _C.idle_memory(), "limit": _C.idle_memory_limit()},
        "log": os.environ.get("TORCHCONV_LOG") == "1",
        "cuda": {
            "loaded": _cuda_library.LOADED,
            "reason": _cuda_library.WHY_NOT_LOADED,
            "built_for": _build.CUDA,
            "gpu": _gpu(),
        },
        "plan_store": {
            "path": None if store.path is None else str(store.path),
            "state": store.state,
            "plans": store.plans,
            "others": store.others,
        },
        "rows": [{"algo": algo, "pass": pass_, "device": device} for algo, pass_, device in _C.rows()],
        "enabled_calls": stats(),
    }


def facts_for_people() -> dict[str, str]:
    """info() in words, a line or a few for each fact."""
    facts = info()
    isa, cuda, store, idle = facts["isa"], facts["cuda"], facts["plan_store"], facts["idle_memory"]
    return {
        "torchconv": facts["version"],
        "torch": f"{facts['torch']['running']} (built with {facts['torch']['built_with']})",
        "Python": facts["python"],
        "CPU": facts["cpu"],
        "instruction set": f"{isa['used']} used, {isa['detected']} detected, "
        f"TORCHCONV_MAX_ISA {isa['cap'] or 'not set'}",
        "threads": str(facts["threads"]),
        "idle memory": f"{idle['bytes'] / 2**20:.0f} MiB of freed results stay for later ones, "
        f"{idle['limit'] / 2**20:.0f} at most",
        "log": "each first pick, to stderr" if facts["log"] else "off (TORCHCONV_LOG=1 shows each first pick)",
        "CUDA library": f"yes, for CUDA {cuda['built_for']}" if cuda["loaded"] else f"no: {cuda['reason']}",
        "GPU": cuda["gpu"],
        "plan store": f"{store['path']} ({store['state']})" if store["path"] else store["state"],
        "enabled() ran": _calls(facts["enabled_calls"]),
        "rows": "\n".join(_rows_by_algo(facts["rows"])),
    }


def print_info() -> None:
    """Prints info() as a table for people."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts_for_people().items():
        table.add_row(name, fact)
    Console().print(table, highlight=False, soft_wrap=True)


def _calls(stats: dict[str, Any]) -> str:
    """What enabled() has run in this process, and what it gave to torch, with the reasons."""
    delegated = [f"{n} to torch ({why})" for why, n in stats["delegated"].items()]
    return ", ".join([f"{stats['torchconv']} convolutions", *delegated])


def _rows_by_algo(rows: list[dict[str, str]]) -> list[str]:
    """One line for each algorithm and device: "reference on cpu: fwd, grad_input, grad_weight"."""
    passes: dict[str, list[str]] = {}
    for row in rows:
        passes.setdefault(f"{row['algo']} on {row['device']}", []).append(row["pass"])
    return [f"{name}: {', '.join(names)}" for name, names in passes.items()]
