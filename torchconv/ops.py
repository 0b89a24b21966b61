"""The routed operators: torch.ops.torchconv.*, differentiable to any order in every mode that PyTorch has.

x is [N, C, D, H, W], w is [K, C / groups, T, R, S], y is [N, K, O, P, Q], all three without depth (D, T, O) in 2-D and
without height (H, R, P) too in 1-D; all of one dtype (float32, float64, float16, bfloat16) on one device. padding has
two entries per spatial dimension: [front, back, top, bottom, left, right], or the last four or two of these. algo names
an algorithm, or "auto". Bad arguments raise RuntimeError. functional.py has the everyday signatures.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor
from torch.compiler import is_compiling

import torchconv._C  # noqa: F401  registers torch.ops.torchconv
from torchconv import _autocast, _autograd
from torchconv._direct import kernels_for

_C = torch._C
Ints = Sequence[int]


def conv_fwd(
    x: Tensor, w: Tensor, bias: Tensor | None, stride: Ints, padding: Ints, dilation: Ints, groups: int, algo: str
) -> Tensor:
    """The convolution (cross-correlation) y of x and w, plus bias [K].

    >>> x, w = torch.ones(1, 3, 8, 8), torch.ones(4, 3, 3, 3)
    >>> conv_fwd(x, w, None, [1, 1], [1, 1, 1, 1], [1, 1], 1, "auto").shape
    torch.Size([1, 4, 8, 8])
    """
    return _call(_conv_fwd, (x, w, bias), (stride, padding, dilation, groups, algo))


def conv_grad_input(
    grad_y: Tensor, w: Tensor, bias: Tensor | None, x_size: Ints,
    stride: Ints, padding: Ints, dilation: Ints, groups: int, algo: str,
) -> Tensor:  # fmt: skip
    """The gradient of conv_fwd with respect to x, plus bias [C]: a transposed convolution.

    >>> grad_y, w = torch.ones(1, 4, 8, 8), torch.ones(4, 3, 3, 3)
    >>> conv_grad_input(grad_y, w, None, [1, 3, 8, 8], [1, 1], [1, 1, 1, 1], [1, 1], 1, "auto").shape
    torch.Size([1, 3, 8, 8])
    """
    return _call(_conv_grad_input, (grad_y, w, bias), (x_size, stride, padding, dilation, groups, algo))


def conv_grad_weight(
    x: Tensor, grad_y: Tensor, w_size: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int, algo: str
) -> Tensor:
    """The gradient of conv_fwd with respect to w.

    >>> x, grad_y = torch.ones(1, 3, 8, 8), torch.ones(1, 4, 8, 8)
    >>> conv_grad_weight(x, grad_y, [4, 3, 3, 3], [1, 1], [1, 1, 1, 1], [1, 1], 1, "auto").shape
    torch.Size([4, 3, 3, 3])
    """
    return _call(_conv_grad_weight, (x, grad_y), (w_size, stride, padding, dilation, groups, algo))


def unfold(x: Tensor, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Tensor:
    """The patches of x [N, C, H, W] as columns [N, C * R * S, P * Q]; kernel_size is [R, S].

    >>> unfold(torch.ones(1, 3, 8, 8), [3, 3], [1, 1], [1, 1, 1, 1], [1, 1]).shape
    torch.Size([1, 27, 64])
    """
    return _call(_unfold, (x,), (kernel_size, stride, padding, dilation))


def fold(columns: Tensor, output_size: Ints, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Tensor:
    """Adds columns [N, C * R * S, P * Q] up into [N, C, H, W], with output_size [H, W]: the adjoint of unfold.

    >>> fold(torch.ones(1, 27, 64), [8, 8], [3, 3], [1, 1], [1, 1, 1, 1], [1, 1]).shape
    torch.Size([1, 3, 8, 8])
    """
    return _call(_fold, (columns,), (output_size, kernel_size, stride, padding, dilation))


def gemm(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product of a [M, K] and b [K, N]; float32 or float64, which autocast leaves as they are.

    >>> gemm(torch.ones(2, 3), torch.ones(3, 4))[0]
    tensor([3., 3., 3., 3.])
    """
    return _call(_gemm, (a, b), ())


def _call(op: _autograd.Operator, tensors: tuple[Tensor | None, ...], rest: tuple[Any, ...]) -> Tensor:
    """Takes the fastest way that the tensors and the active modes allow; _autograd says what each can do."""
    kernels = kernels_for(tensors)
    if kernels is None:
        return _call_indirect(op, tensors, rest)
    if torch.is_grad_enabled() and _C._any_requires_grad(*tensors):
        return op.eager(*tensors, kernels, rest)
    return getattr(kernels, op.name)(*tensors, *rest)


def _call_indirect(op: _autograd.Operator, tensors: tuple[Tensor | None, ...], rest: tuple[Any, ...]) -> Tensor:
    transforming = _C._are_functorch_transforms_active() or forward_ad._current_level >= 0
    if is_compiling():
        if not transforming:
            return op.dispatched(*tensors, *rest)
        # A compiled transform would see no tangents. Broken here, it runs uncompiled; with fullgraph=True it raises.
        torch._dynamo.graph_break(msg="torchconv under torch.func or forward-mode AD")
    if op.autocasts and _C._is_any_autocast_enabled():
        tensors = _autocast.cast(tensors)
        with _autocast.disabled():
            return _call(op, tensors, rest)
    return op.transformed(*tensors, *rest) if transforming else op.dispatched(*tensors, *rest)


_conv_fwd = _autograd.build("conv_fwd")
_conv_grad_input = _autograd.build("conv_grad_input")
_conv_grad_weight = _autograd.build("conv_grad_weight")
_unfold = _autograd.build("unfold")
_fold = _autograd.build("fold")
_gemm = _autograd.build("gemm")
