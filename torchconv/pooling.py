"""Pooling and channel_shuffle as functions: what torch.nn.functional takes.

Every function takes its tensor as x, and as input= too, so that calls written for torch.nn.functional need no change.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from torchconv import _pooling, ops
from torchconv._arguments import Ints, integer, per_dimension
from torchconv.errors import TorchconvError, raise_clearly
from torchconv.functional import _GIVEN_BY_NAME, _torch_name


def max_pool1d(
    x: Tensor = _GIVEN_BY_NAME,
    kernel_size: Ints = _GIVEN_BY_NAME,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    input: Tensor | None = None,
) -> Any:
    """1-D max pooling: torch.nn.functional.max_pool1d. NaN counts as the largest, padding as minus infinity.

    Args:
        x: [N, C, L] or [C, L]; float32, float64, float16 or bfloat16.
        kernel_size, stride, padding, dilation: an int or (int,); stride None is kernel_size.
        ceil_mode: True for a last window that sticks out of x where elements are left over.
        return_indices: True for the indices too: int64, counted in the plane [L] of x. A window that holds
            padding only has -1.

    Returns:
        [N, C, Q], without N if x has none; or that and the indices.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> x = torch.tensor([[[1.0, 3.0, 2.0, 4.0]]])
        >>> torchconv.max_pool1d(x, 2)
        tensor([[[3., 4.]]])
    """
    arguments = (kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return _pooling.max_pool(1, max_pool1d, _torch_name("x", x, input), *arguments)


def max_pool2d(
    x: Tensor = _GIVEN_BY_NAME,
    kernel_size: Ints = _GIVEN_BY_NAME,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    input: Tensor | None = None,
) -> Any:
    """2-D max pooling: torch.nn.functional.max_pool2d. NaN counts as the largest, padding as minus infinity.

    Args:
        x: [N, C, H, W] or [C, H, W]; float32, float64, float16 or bfloat16, in any memory format.
        kernel_size, stride, padding, dilation: an int or (vertical, horizontal); stride None is kernel_size.
        ceil_mode: True for a last window that sticks out of x where elements are left over.
        return_indices: True for the indices too: int64, counted in the plane [H, W] of x. A window that holds
            padding only has -1.

    Returns:
        [N, C, P, Q] in x's memory format, without N if x has none; or that and the indices.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> x = torch.arange(16.0).view(1, 1, 4, 4)
        >>> torchconv.max_pool2d(x, 2)
        tensor([[[[ 5.,  7.],
                  [13., 15.]]]])
    """
    arguments = (kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return _pooling.max_pool(2, max_pool2d, _torch_name("x", x, input), *arguments)


def max_pool3d(
    x: Tensor = _GIVEN_BY_NAME,
    kernel_size: Ints = _GIVEN_BY_NAME,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    input: Tensor | None = None,
) -> Any:
    """3-D max pooling: torch.nn.functional.max_pool3d. NaN counts as the largest, padding as minus infinity.

    Args:
        x: [N, C, D, H, W] or [C, D, H, W]; float32, float64, float16 or bfloat16, in any memory format.
        kernel_size, stride, padding, dilation: an int or (depth, vertical, horizontal); stride None is kernel_size.
        ceil_mode: True for a last window that sticks out of x where elements are left over.
        return_indices: True for the indices too: int64, counted in the plane [D, H, W] of x. A window that holds
            padding only has -1.

    Returns:
        [N, C, O, P, Q] in x's memory format, without N if x has none; or that and the indices.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> x = torch.arange(64.0).view(1, 1, 4, 4, 4)
        >>> torchconv.max_pool3d(x, 2).shape
        torch.Size([1, 1, 2, 2, 2])
    """
    arguments = (kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return _pooling.max_pool(3, max_pool3d, _torch_name("x", x, input), *arguments)


def avg_pool1d(
    x: Tensor = _GIVEN_BY_NAME,
    kernel_size: Ints = _GIVEN_BY_NAME,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    *,
    input: Tensor | None = None,
) -> Tensor:
    """1-D average pooling: torch.nn.functional.avg_pool1d.

    Args:
        x: [N, C, L] or [C, L]; float32, float64, float16 or bfloat16.
        kernel_size, stride, padding: an int or (int,); stride None is kernel_size.
        ceil_mode: True for a last window that sticks out of x where elements are left over.
        count_include_pad: False to divide by the number of elements of x in the window, without padding.

    Returns:
        [N, C, Q], without N if x has none.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> x = torch.tensor([[[1.0, 3.0, 2.0, 4.0]]])
        >>> torchconv.avg_pool1d(x, 2)
        tensor([[[2., 3.]]])
    """
    arguments = (kernel_size, stride, padding, ceil_mode, count_include_pad, None)
    return _pooling.avg_pool(1, avg_pool1d, _torch_name("x", x, input), *arguments)


def avg_pool2d(
    x: Tensor = _GIVEN_BY_NAME,
    kernel_size: Ints = _GIVEN_BY_NAME,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    input: Tensor | None = None,
) -> Tensor:
    """2-D average pooling: torch.nn.functional.avg_pool2d.

    Args:
        x: [N, C, H, W] or [C, H, W]; float32, float64, float16 or bfloat16, in any memory format.
        kernel_size, stride, padding: an int or (vertical, horizontal); stride None is kernel_size.
        ceil_mode: True for a last window that sticks out of x where elements are left over.
        count_include_pad: False to divide by the number of elements of x in the window, without padding.
        divisor_override: what to divide by instead.

    Returns:
        [N, C, P, Q] in x's memory format, without N if x has none.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> x = torch.arange(16.0).view(1, 1, 4, 4)
        >>> torchconv.avg_pool2d(x, 2)
        tensor([[[[ 2.5000,  4.5000],
                  [10.5000, 12.5000]]]])
    """
    arguments = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _pooling.avg_pool(2, avg_pool2d, _torch_name("x", x, input), *arguments)


def avg_pool3d(
    x: Tensor = _GIVEN_BY_NAME,
    kernel_size: Ints = _GIVEN_BY_NAME,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    input: Tensor | None = None,
) -> Tensor:
    """3-D average pooling: torch.nn.functional.avg_pool3d.

    Args:
        x: [N, C, D, H, W] or [C, D, H, W]; float32, float64, float16 or bfloat16, in any memory format.
        kernel_size, stride, padding: an int or (depth, vertical, horizontal); stride None is kernel_size.
        ceil_mode: True for a last window that sticks out of x where elements are left over.
        count_include_pad: False to divide by the number of elements of x in the window, without padding.
        divisor_override: what to divide by instead.

    Returns:
        [N, C, O, P, Q] in x's memory format, without N if x has none.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> x = torch.arange(64.0).view(1, 1, 4, 4, 4)
        >>> torchconv.avg_pool3d(x, 2).shape
        torch.Size([1, 1, 2, 2, 2])
    """
    arguments = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _pooling.avg_pool(3, avg_pool3d, _torch_name("x", x, input), *arguments)


def lp_pool1d(
    x: Tensor = _GIVEN_BY_NAME,
    norm_type: float = _GIVEN_BY_NAME,
    kernel_size: Ints = _GIVEN_BY_NAME,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    input: Tensor | None = None,
) -> Tensor:
    """1-D power-average pooling, (sum of x^p)^(1/p) in each window: torch.nn.functional.lp_pool1d.

    Args:
        x: [N, C, L] or [C, L]; float32, float64, float16 or bfloat16.
        norm_type: p, a number other than 0; infinity for the largest absolute value.
        kernel_size, stride: an int or (int,); stride None is kernel_size.
        ceil_mode: True for a last window that sticks out of x where elements are left over.

    Returns:
        [N, C, Q], without N if x has none.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> torchconv.lp_pool1d(torch.full((1, 1, 4), 3.0), 1, 2).flatten()[:2]
        tensor([6., 6.])
    """
    return _lp_pool(1, lp_pool1d, _torch_name("x", x, input), norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    x: Tensor = _GIVEN_BY_NAME,
    norm_type: float = _GIVEN_BY_NAME,
    kernel_size: Ints = _GIVEN_BY_NAME,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    input: Tensor | None = None,
) -> Tensor:
    """2-D power-average pooling, (sum of x^p)^(1/p) in each window: torch.nn.functional.lp_pool2d.

    Args:
        x: [N, C, H, W] or [C, H, W]; float32, float64, float16 or bfloat16, in any memory format.
        norm_type: p, a number other than 0; infinity for the largest absolute value.
        kernel_size, stride: an int or (vertical, horizontal); stride None is kernel_size.
        ceil_mode: True for a last window that sticks out of x where elements are left over.

    Returns:
        [N, C, P, Q] in x's memory format, without N if x has none.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> torchconv.lp_pool2d(torch.full((1, 1, 4, 4), 3.0), 1, 2).flatten()[:2]
        tensor([12., 12.])
    """
    return _lp_pool(2, lp_pool2d, _torch_name("x", x, input), norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    x: Tensor = _GIVEN_BY_NAME,
    norm_type: float = _GIVEN_BY_NAME,
    kernel_size: Ints = _GIVEN_BY_NAME,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    input: Tensor | None = None,
) -> Tensor:
    """3-D power-average pooling, (sum of x^p)^(1/p) in each window: torch.nn.functional.lp_pool3d.

    Args:
        x: [N, C, D, H, W] or [C, D, H, W]; float32, float64, float16 or bfloat16, in any memory format.
        norm_type: p, a number other than 0; infinity for the largest absolute value.
        kernel_size, stride: an int or (depth, vertical, horizontal); stride None is kernel_size.
        ceil_mode: True for a last window that sticks out of x where elements are left over.

    Returns:
        [N, C, O, P, Q] in x's memory format, without N if x has none.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> torchconv.lp_pool3d(torch.full((1, 1, 4, 4, 4), 3.0), 1, 2).flatten()[:2]
        tensor([24., 24.])
    """
    return _lp_pool(3, lp_pool3d, _torch_name("x", x, input), norm_type, kernel_size, stride, ceil_mode)


def adaptive_max_pool1d(
    x: Tensor = _GIVEN_BY_NAME,
    output_size: Any = _GIVEN_BY_NAME,
    return_indices: bool = False,
    *,
    input: Tensor | None = None,
) -> Any:
    """1-D maximum pooling into output_size windows: torch.nn.functional.adaptive_max_pool1d.

    Window i of n takes the elements from i * size / n, rounded down, to (i + 1) * size / n, rounded up.

    Args:
        x: [N, C, L] or [C, L]; float32, float64, float16 or bfloat16.
        output_size: an int or (int,); None, or an entry that is None, keeps x's size.
        return_indices: True for the indices too: int64, counted in the plane [L] of x.

    Returns:
        [N, C, Q], without N if x has none; or that and the indices.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> torchconv.adaptive_max_pool1d(torch.arange(6.0).view(1, 1, 6), 2).flatten()
        tensor([2., 5.])
    """
    return _pooling.adaptive_max_pool(1, adaptive_max_pool1d, _torch_name("x", x, input), output_size, return_indices)


def adaptive_max_pool2d(
    x: Tensor = _GIVEN_BY_NAME,
    output_size: Any = _GIVEN_BY_NAME,
    return_indices: bool = False,
    *,
    input: Tensor | None = None,
) -> Any:
    """2-D maximum pooling into output_size windows: torch.nn.functional.adaptive_max_pool2d.

    Window i of n takes the elements from i * size / n, rounded down, to (i + 1) * size / n, rounded up.

    Args:
        x: [N, C, H, W] or [C, H, W]; float32, float64, float16 or bfloat16, in any memory format.
        output_size: an int or (vertical, horizontal); None, or an entry that is None, keeps x's size.
        return_indices: True for the indices too: int64, counted in the plane [H, W] of x.

    Returns:
        [N, C, P, Q] in x's memory format, without N if x has none; or that and the indices.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> torchconv.adaptive_max_pool2d(torch.arange(6.0).view(1, 1, 1, 6), (1, 2)).flatten()
        tensor([2., 5.])
    """
    return _pooling.adaptive_max_pool(2, adaptive_max_pool2d, _torch_name("x", x, input), output_size, return_indices)


def adaptive_max_pool3d(
    x: Tensor = _GIVEN_BY_NAME,
    output_size: Any = _GIVEN_BY_NAME,
    return_indices: bool = False,
    *,
    input: Tensor | None = None,
) -> Any:
    """3-D maximum pooling into output_size windows: torch.nn.functional.adaptive_max_pool3d.

    Window i of n takes the elements from i * size / n, rounded down, to (i + 1) * size / n, rounded up.

    Args:
        x: [N, C, D, H, W] or [C, D, H, W]; float32, float64, float16 or bfloat16, in any memory format.
        output_size: an int or (depth, vertical, horizontal); None, or an entry that is None, keeps x's size.
        return_indices: True for the indices too: int64, counted in the plane [D, H, W] of x.

    Returns:
        [N, C, O, P, Q] in x's memory format, without N if x has none; or that and the indices.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> torchconv.adaptive_max_pool3d(torch.arange(6.0).view(1, 1, 1, 1, 6), (1, 1, 2)).flatten()
        tensor([2., 5.])
    """
    return _pooling.adaptive_max_pool(3, adaptive_max_pool3d, _torch_name("x", x, input), output_size, return_indices)


def adaptive_avg_pool1d(
    x: Tensor = _GIVEN_BY_NAME,
    output_size: Any = _GIVEN_BY_NAME,
    *,
    input: Tensor | None = None,
) -> Tensor:
    """1-D average pooling into output_size windows: torch.nn.functional.adaptive_avg_pool1d.

    Window i of n takes the elements from i * size / n, rounded down, to (i + 1) * size / n, rounded up.

    Args:
        x: [N, C, L] or [C, L]; float32, float64, float16 or bfloat16.
        output_size: an int or (int,); None, or an entry that is None, keeps x's size.

    Returns:
        [N, C, Q], without N if x has none.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> torchconv.adaptive_avg_pool1d(torch.arange(6.0).view(1, 1, 6), 2).flatten()
        tensor([1., 4.])
    """
    return _pooling.adaptive_avg_pool(1, adaptive_avg_pool1d, _torch_name("x", x, input), output_size)


def adaptive_avg_pool2d(
    x: Tensor = _GIVEN_BY_NAME,
    output_size: Any = _GIVEN_BY_NAME,
    *,
    input: Tensor | None = None,
) -> Tensor:
    """2-D average pooling into output_size windows: torch.nn.functional.adaptive_avg_pool2d.

    Window i of n takes the elements from i * size / n, rounded down, to (i + 1) * size / n, rounded up.

    Args:
        x: [N, C, H, W] or [C, H, W]; float32, float64, float16 or bfloat16, in any memory format.
        output_size: an int or (vertical, horizontal); None, or an entry that is None, keeps x's size.

    Returns:
        [N, C, P, Q] in x's memory format, without N if x has none.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> torchconv.adaptive_avg_pool2d(torch.arange(6.0).view(1, 1, 1, 6), (1, 2)).flatten()
        tensor([1., 4.])
    """
    return _pooling.adaptive_avg_pool(2, adaptive_avg_pool2d, _torch_name("x", x, input), output_size)


def adaptive_avg_pool3d(
    x: Tensor = _GIVEN_BY_NAME,
    output_size: Any = _GIVEN_BY_NAME,
    *,
    input: Tensor | None = None,
) -> Tensor:
    """3-D average pooling into output_size windows: torch.nn.functional.adaptive_avg_pool3d.

    Window i of n takes the elements from i * size / n, rounded down, to (i + 1) * size / n, rounded up.

    Args:
        x: [N, C, D, H, W] or [C, D, H, W]; float32, float64, float16 or bfloat16, in any memory format.
        output_size: an int or (depth, vertical, horizontal); None, or an entry that is None, keeps x's size.

    Returns:
        [N, C, O, P, Q] in x's memory format, without N if x has none.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> torchconv.adaptive_avg_pool3d(torch.arange(6.0).view(1, 1, 1, 1, 6), (1, 1, 2)).flatten()
        tensor([1., 4.])
    """
    return _pooling.adaptive_avg_pool(3, adaptive_avg_pool3d, _torch_name("x", x, input), output_size)


def channel_shuffle(x: Tensor = _GIVEN_BY_NAME, groups: int = _GIVEN_BY_NAME, *, input: Tensor | None = None) -> Tensor:
    """The channels, in groups, dealt out in turn: torch.nn.functional.channel_shuffle.

    Args:
        x: [N, C, L], [N, C, H, W] or [N, C, D, H, W]; float32, float64, float16 or bfloat16, in any memory format.
        groups: a divisor of C.

    Returns:
        x's size and memory format, with channel g * C / groups + j at j * groups + g.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> torchconv.channel_shuffle(torch.arange(6.0).view(1, 6, 1), 2).flatten()
        tensor([0., 3., 1., 4., 2., 5.])
    """
    x = _torch_name("x", x, input)
    if has_torch_function_unary(x):
        return handle_torch_function(channel_shuffle, (x,), x, groups)
    try:
        return ops.channel_shuffle(x, integer("groups", groups, groups, "an int"))
    except (RuntimeError, AttributeError) as error:
        raise_clearly(error, {"x": x}, {"groups": groups})


def _lp_pool(
    d: int, function: Callable[..., Any], x: Any, norm_type: Any, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    """As torch composes it, whose gradient at a sum of 0 is 0."""
    if has_torch_function_unary(x):
        return handle_torch_function(function, (x,), x, norm_type, kernel_size, stride, ceil_mode)
    if not isinstance(norm_type, (int, float)) or norm_type == 0:
        raise TorchconvError(f"norm_type: expected a number other than 0, got {norm_type!r}")
    if not isinstance(x, Tensor):
        raise_clearly(TypeError(), {"x": x}, {})
    if math.isinf(norm_type):
        sign = math.copysign(1, norm_type)
        return sign * MAX_POOL[d](sign * x.abs(), kernel_size, stride, 0, 1, ceil_mode)
    size = math.prod(per_dimension("kernel_size", kernel_size, d))
    mean = AVG_POOL[d](x.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return (torch.sign(mean) * torch.relu(torch.abs(mean))).mul(size).pow(1.0 / norm_type)


MAX_POOL: dict[int, Callable[..., Any]] = {1: max_pool1d, 2: max_pool2d, 3: max_pool3d}
AVG_POOL: dict[int, Callable[..., Tensor]] = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}
