"""What the functions of pooling.py share for all dimensions: arguments, errors, and which operator runs."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from torchconv import ops
from torchconv._arguments import batched, entries, integer, per_dimension
from torchconv._direct import kernels_for
from torchconv.errors import raise_clearly


def _windows(d: int, kernel_size: Any, stride: Any, **others: Any) -> dict[str, tuple[int, ...]]:
    stride = kernel_size if stride is None or (isinstance(stride, (tuple, list)) and not stride) else stride
    named = {"kernel_size": kernel_size, "stride": stride, **others}
    return {name: per_dimension(name, value, d) for name, value in named.items()}


MOST_TAPS = 255  # of a window, for a byte to say which


def _needs_origins(x: Tensor) -> bool:
    """Whether a derivative may be asked for: then the maximum keeps where it comes from, which costs time."""
    return kernels_for((x,)) is None or (torch.is_grad_enabled() and x.requires_grad)


def max_pool(
    d: int, function: Callable[..., Any], x: Any, kernel_size: Any, stride: Any,
    padding: Any, dilation: Any, ceil_mode: bool, return_indices: bool,
) -> Any:  # fmt: skip
    arguments = (kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    if has_torch_function_unary(x):
        return handle_torch_function(function, (x,), x, *arguments)
    windows: dict[str, Any] = {}
    try:
        if x.dim() != d + 2:
            return _unbatched(function(batched(x, d), *arguments))
        windows.update(_windows(d, kernel_size, stride, padding=padding, dilation=dilation))
        small = math.prod(windows["kernel_size"]) <= MOST_TAPS
        keep = "indices" if return_indices else "nothing" if not _needs_origins(x) else "taps" if small else "indices"
        y, indices = ops.max_pool(x, **windows, ceil_mode=bool(ceil_mode), keep=keep)
        return (y, indices) if return_indices else y
    except (RuntimeError, AttributeError) as error:
        raise_clearly(error, {"x": x}, windows)


def avg_pool(
    d: int, function: Callable[..., Any], x: Any, kernel_size: Any, stride: Any,
    padding: Any, ceil_mode: bool, count_include_pad: bool, divisor_override: Any,
) -> Tensor:  # fmt: skip
    arguments = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)[: 5 if d == 1 else 6]
    if has_torch_function_unary(x):
        return handle_torch_function(function, (x,), x, *arguments)
    windows: dict[str, Any] = {}
    try:
        if x.dim() != d + 2:
            return function(batched(x, d), *arguments).squeeze(0)
        windows.update(_windows(d, kernel_size, stride, padding=padding))
        if divisor_override is not None:
            expected = "an int other than 0, or None"
            divisor_override = integer("divisor_override", divisor_override, divisor_override, expected)
        how: dict[str, Any] = {"ceil_mode": bool(ceil_mode), "count_include_pad": bool(count_include_pad)}
        return ops.avg_pool(x, **windows, **how, divisor_override=divisor_override)
    except (RuntimeError, AttributeError) as error:
        raise_clearly(error, {"x": x}, windows)


def _output_size(d: int, x: Tensor, output_size: Any) -> tuple[int, ...]:
    expected = f"an int, None or a sequence of {d} of them" if d > 1 else "an int"
    listed = entries("output_size", output_size, d, expected)
    return tuple(
        n if size is None else integer("output_size", size, output_size, expected)
        for size, n in zip(listed, x.shape[2:])
    )


def adaptive_max_pool(d: int, function: Callable[..., Any], x: Any, output_size: Any, return_indices: bool) -> Any:
    if has_torch_function_unary(x):
        return handle_torch_function(function, (x,), x, output_size, return_indices)
    try:
        if x.dim() != d + 2:
            return _unbatched(function(batched(x, d), output_size, return_indices))
        size = _output_size(d, x, output_size)
        y, indices = ops.adaptive_max_pool(x, size, return_indices or _needs_origins(x))
        return (y, indices) if return_indices else y
    except (RuntimeError, AttributeError) as error:
        raise_clearly(error, {"x": x}, {"output_size": output_size})


def adaptive_avg_pool(d: int, function: Callable[..., Any], x: Any, output_size: Any) -> Tensor:
    if has_torch_function_unary(x):
        return handle_torch_function(function, (x,), x, output_size)
    try:
        if x.dim() != d + 2:
            return function(batched(x, d), output_size).squeeze(0)
        return ops.adaptive_avg_pool(x, _output_size(d, x, output_size))
    except (RuntimeError, AttributeError) as error:
        raise_clearly(error, {"x": x}, {"output_size": output_size})


def _unbatched(result: Any) -> Any:
    return tuple(t.squeeze(0) for t in result) if isinstance(result, tuple) else result.squeeze(0)
