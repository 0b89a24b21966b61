"""Autocast: under torch.autocast the convolutions run in the dtype it asks for, as torch's own do."""

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

_C = torch._C
_KEYS = _C.DispatchKeySet(_C.DispatchKey.Undefined)
for _name, _key in _C.DispatchKey.__members__.items():
    if _name.startswith("Autocast"):
        _KEYS = _KEYS | _C.DispatchKeySet(_key)
_library = torch.library.Library("torchconv", "IMPL")


def cast(tensors: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    """Casts floating-point tensors, all but float64, where autocast is on for their device."""
    return tuple(t if t is None else _cast(t) for t in tensors)


def _cast(t: Tensor) -> Tensor:
    device = t.device.type
    if device not in ("cpu", "cuda") or not torch.is_autocast_enabled(device):
        return t
    return t.to(torch.get_autocast_dtype(device)) if t.is_floating_point() and t.dtype != torch.float64 else t


def disabled() -> AbstractContextManager[Any]:
    """Autocast off on every device, at a fraction of the time that torch.autocast(enabled=False) takes."""
    return _C._ExcludeDispatchKeyGuard(_KEYS)


def register(op: torch._ops.OpOverload, tensors: int) -> None:
    """Gives an operator, whose first arguments are that many tensors, its autocast kernels."""

    def kernel(*args: Any) -> Tensor:
        operands = cast(args[:tensors])
        with disabled():
            return op(*operands, *args[tensors:])

    _library.impl(op, kernel, "AutocastCPU")
    _library.impl(op, kernel, "AutocastCUDA")
