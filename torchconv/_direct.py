"""Straight to the kernels, past the dispatcher, where nothing on the way would change the result or wants to see it.

The dispatcher, with the Python autograd and autocast kernels that it holds for our operators, takes 16 us for a tiny
convolution; this takes 9.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor
from torch.autograd import profiler
from torch.compiler import is_compiling

_C = torch._C
OPERATORS = (
    "conv_fwd", "conv_fused", "conv_chain", "conv_grad_input", "conv_grad_weight", "unfold", "fold", "gemm",
    "max_pool", "adaptive_max_pool", "max_pool_grad", "max_pool_gather",
    "avg_pool", "avg_pool_grad", "adaptive_avg_pool", "adaptive_avg_pool_grad", "channel_shuffle",
)  # fmt: skip
_TYPES = (Tensor, torch.nn.Parameter)


class Kernels:
    """The operators of one device, each as a function of its schema's arguments that knows no autograd."""

    conv_fwd: Callable[..., Tensor]
    conv_fused: Callable[..., Tensor]
    conv_chain: Callable[..., list[Tensor]]
    conv_grad_input: Callable[..., Tensor]
    conv_grad_weight: Callable[..., Tensor]

    def __init__(self, device: str) -> None:
        key = _C.DispatchKeySet(getattr(_C.DispatchKey, device))
        for name in OPERATORS:
            setattr(self, name, partial(getattr(torch.ops.torchconv, name).default._handle.redispatch_boxed, key))


def _by_keys() -> dict[int, Kernels]:
    """The kernels for each dispatch key set that a plain tensor may have.

    Anything more is a wrapper, a lazy negation, a zero tensor without memory, or a layout without strides.
    """
    found = {}
    for device in ("CPU", "CUDA"):
        kernel, autocast, autograd, inplace = (
            _C.DispatchKeySet(getattr(_C.DispatchKey, key))
            for key in (device, f"Autocast{device}", f"Autograd{device}", "ADInplaceOrView")
        )
        kernels, inference = Kernels(device), kernel | autocast
        for keys in (inference, inference | autograd | inplace):
            found[keys.raw_repr()] = kernels
    return found


_KERNELS = _by_keys()


def transformed() -> bool:
    """Whether a mode or a transform is active that changes what an operator does, or wants to see each."""
    return (
        is_compiling()
        or _C._is_any_autocast_enabled()
        or _C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
        or _C._len_torch_dispatch_stack() > 0
        or _C._len_torch_function_stack() > 0
        or _C._get_tracing_state() is not None
    )


def kernels_of(tensors: tuple[Tensor | None, ...]) -> Kernels | None:
    """The kernels for tensors that are all plain and on one kind of device, or None."""
    kernels = None
    for t in tensors:
        if t is not None:
            kernels = _KERNELS.get(_C._dispatch_keys(t).raw_repr()) if type(t) in _TYPES else None
            if kernels is None:
                return None
    return kernels


def kernels_for(tensors: tuple[Tensor | None, ...]) -> Kernels | None:
    """The kernels to call on these tensors, or None if the call has to go through the dispatcher or a transform."""
    return None if transformed() or profiler._is_profiler_enabled else kernels_of(tensors)
