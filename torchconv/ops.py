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
from torchconv import _autocast, _autograd, _fused, _sharding
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


def conv_fused(
    x: Tensor, w: Tensor, bias: Tensor | None, residual: Tensor | None, pack: Tensor | None,
    stride: Ints, padding: Ints, dilation: Ints, groups: int, activation: str, algo: str,
) -> Tensor:  # fmt: skip
    """activation(conv_fwd(x, w, bias) + residual) in one pass over the result, for inference.

    residual has the size of the result. activation is none, relu, relu6, leaky_relu (or leaky_relu:SLOPE), silu, gelu,
    gelu_tanh, hardswish, hardsigmoid, sigmoid or tanh. pack is what conv_pack made of w, to save that work in each
    call, or None; it decides the algorithm. Where a gradient is wanted, the three steps run one by one.

    >>> x, w = torch.ones(1, 3, 8, 8), -torch.ones(4, 3, 3, 3)
    >>> conv_fused(x, w, None, None, None, [1, 1], [1, 1, 1, 1], [1, 1], 1, "relu", "auto").max()
    tensor(0.)
    """
    tensors = (x, w, bias, residual)
    rest = (stride, padding, dilation, groups)
    kernels = kernels_for(tensors)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        return _fused.unfused(conv_fwd, *tensors, rest, activation, algo)
    if kernels is not None:
        return kernels.conv_fused(*tensors, pack, *rest, activation, algo)
    if _C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        return _fused.unfused(conv_fwd, *tensors, rest, activation, algo)
    return torch.ops.torchconv.conv_fused(*tensors, pack, *rest, activation, algo)


def conv_pack(
    x: Tensor, w: Tensor, stride: Ints, padding: Ints, dilation: Ints, groups: int,
    activation: str, residual: bool, algo: str,
) -> Tensor:  # fmt: skip
    """What conv_fused takes as pack, for x of this size and memory format: w in the order that its algorithm reads.

    Bytes that hold for w's present values, on this machine and within this process; empty where the algorithm has no
    use for them. x's values do not matter.

    >>> x, w = torch.rand(1, 3, 8, 8), torch.rand(4, 3, 3, 3)
    >>> geometry = [1, 1], [1, 1, 1, 1], [1, 1], 1
    >>> pack = conv_pack(x, w, *geometry, "relu", False, "auto")
    >>> y = conv_fused(x, w, None, None, pack, *geometry, "relu", "auto")
    >>> torch.equal(y, conv_fwd(x, w, None, *geometry, "auto").relu())
    True
    """
    return torch.ops.torchconv.conv_pack(x, w, stride, padding, dilation, groups, activation, residual, algo)


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


def max_pool(
    x: Tensor, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool, keep: str
) -> tuple[Tensor, Tensor]:
    """The maximum of each window of x [N, C, spatial...], and where it stands; lists as long as the plane.

    keep says what the second result is: "indices", int64, in the plane (-1 for a window of padding alone); "taps",
    uint8, which of its window's elements (255 for padding), for windows of at most 255: an eighth of the memory, and
    the gradient is faster; "nothing", empty, without a gradient.

    >>> max_pool(torch.arange(9.0).view(1, 1, 3, 3), [2, 2], [2, 2], [0, 0], [1, 1], False, "indices")
    (tensor([[[[4.]]]]), tensor([[[[4]]]]))
    >>> max_pool(torch.arange(9.0).view(1, 1, 3, 3), [2, 2], [2, 2], [0, 0], [1, 1], False, "taps")[1]
    tensor([[[[3]]]], dtype=torch.uint8)
    """
    return _call(_max_pool, (x,), (kernel_size, stride, padding, dilation, ceil_mode, keep))


def adaptive_max_pool(x: Tensor, output_size: Ints, with_indices: bool) -> tuple[Tensor, Tensor]:
    """The same for windows from i * in / out to (i + 1) * in / out, with indices or with nothing.

    >>> adaptive_max_pool(torch.arange(4.0).view(1, 1, 4), [2], True)
    (tensor([[[1., 3.]]]), tensor([[[1, 3]]]))
    """
    return _call(_adaptive_max_pool, (x,), (output_size, with_indices))


def max_pool_grad(
    grad_y: Tensor, origins: Tensor, x_size: Ints,
    kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool,
) -> Tensor:  # fmt: skip
    """The gradient of a maximum: grad_y added up at the indices or taps that it kept, in planes of x_size.

    Adaptive windows: four empty lists.

    >>> max_pool_grad(torch.ones(1, 1, 1), torch.tensor([[[2]]]), [3], [3], [3], [0], [1], False)
    tensor([[[0., 0., 1.]]])
    """
    return _call(_max_pool_grad, (grad_y, origins), (x_size, kernel_size, stride, padding, dilation, ceil_mode))


def max_pool_gather(
    x: Tensor, origins: Tensor, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Tensor:
    """x at the indices or taps of a maximum: the adjoint of max_pool_grad, and the maximum's tangent.

    >>> max_pool_gather(torch.arange(3.0).view(1, 1, 3), torch.tensor([[[2]]]), [3], [3], [0], [1], False)
    tensor([[[2.]]])
    """
    return _call(_max_pool_gather, (x, origins), (kernel_size, stride, padding, dilation, ceil_mode))


def avg_pool(
    x: Tensor, kernel_size: Ints, stride: Ints, padding: Ints,
    ceil_mode: bool, count_include_pad: bool, divisor_override: int | None,
) -> Tensor:  # fmt: skip
    """The average of each window of x [N, C, spatial...], one entry in each list per spatial dimension.

    >>> avg_pool(torch.arange(4.0).view(1, 1, 4), [2], [2], [0], False, True, None)
    tensor([[[0.5000, 2.5000]]])
    """
    return _call(_avg_pool, (x,), (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override))


def avg_pool_grad(
    grad_y: Tensor, x_size: Ints, kernel_size: Ints, stride: Ints, padding: Ints,
    ceil_mode: bool, count_include_pad: bool, divisor_override: int | None,
) -> Tensor:  # fmt: skip
    """The gradient of avg_pool, its adjoint; x_size is that of x's planes.

    >>> avg_pool_grad(torch.ones(1, 1, 2), [4], [2], [2], [0], False, True, None)
    tensor([[[0.5000, 0.5000, 0.5000, 0.5000]]])
    """
    rest = (x_size, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _call(_avg_pool_grad, (grad_y,), rest)


def adaptive_avg_pool(x: Tensor, output_size: Ints) -> Tensor:
    """The average of each of output_size windows, from i * in / out to (i + 1) * in / out.

    >>> adaptive_avg_pool(torch.arange(4.0).view(1, 1, 4), [2])
    tensor([[[0.5000, 2.5000]]])
    """
    return _call(_adaptive_avg_pool, (x,), (output_size,))


def adaptive_avg_pool_grad(grad_y: Tensor, x_size: Ints) -> Tensor:
    """The gradient of adaptive_avg_pool, its adjoint; x_size is that of x's planes.

    >>> adaptive_avg_pool_grad(torch.ones(1, 1, 2), [4])
    tensor([[[0.5000, 0.5000, 0.5000, 0.5000]]])
    """
    return _call(_adaptive_avg_pool_grad, (grad_y,), (x_size,))


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Channel g * C / groups + j of x [N, C, spatial...] becomes channel j * groups + g.

    >>> channel_shuffle(torch.arange(4.0).view(1, 4, 1), 2).flatten()
    tensor([0., 2., 1., 3.])
    """
    return _call(_channel_shuffle, (x,), (groups,))


def _call(op: _autograd.Operator, tensors: tuple[Tensor | None, ...], rest: tuple[Any, ...]) -> Any:
    """Takes the fastest way that the tensors and the active modes allow; _autograd says what each can do."""
    kernels = kernels_for(tensors)
    if kernels is None:
        return _call_indirect(op, tensors, rest)
    if torch.is_grad_enabled() and _C._any_requires_grad(*tensors):
        given = tensors if tensors[-1] is not None else tensors[:-1]
        return op.eager(*given, (kernels, rest))
    return getattr(kernels, op.name)(*tensors, *rest)


def _call_indirect(op: _autograd.Operator, tensors: tuple[Tensor | None, ...], rest: tuple[Any, ...]) -> Any:
    transforming = _C._are_functorch_transforms_active() or forward_ad._current_level >= 0
    _sharding.register_once()
    if is_compiling():
        if not transforming:
            return op.dispatched(*tensors, *rest)
        # A compiled transform would see no tangents. Broken here, it runs uncompiled; with fullgraph=True it raises.
        torch._dynamo.graph_break(msg="torchconv under torch.func or forward-mode AD")
    if _C._get_tracing_state() is not None:
        rest = tuple(_fixed(argument) for argument in rest)
    if op.autocasts and _C._is_any_autocast_enabled():
        tensors = _autocast.cast(tensors)
        with _autocast.disabled():
            return _call(op, tensors, rest)
    return op.transformed(*tensors, *rest) if transforming else op.dispatched(*tensors, *rest)


def _fixed(argument: Any) -> Any:
    """torch.jit.trace has sizes as tensors, which no list of numbers may hold; int() warns that they are fixed."""
    return [int(size) for size in argument] if isinstance(argument, (tuple, list)) else argument


_conv_fwd = _autograd.build("conv_fwd")
_conv_grad_input = _autograd.build("conv_grad_input")
_conv_grad_weight = _autograd.build("conv_grad_weight")
_unfold = _autograd.build("unfold")
_fold = _autograd.build("fold")
_gemm = _autograd.build("gemm")
_max_pool = _autograd.build_maximum("max_pool")
_adaptive_max_pool = _autograd.build_maximum("adaptive_max_pool")
_max_pool_grad = _autograd.build("max_pool_grad")
_max_pool_gather = _autograd.build("max_pool_gather")
_avg_pool = _autograd.build("avg_pool")
_avg_pool_grad = _autograd.build("avg_pool_grad")
_adaptive_avg_pool = _autograd.build("adaptive_avg_pool")
_adaptive_avg_pool_grad = _autograd.build("adaptive_avg_pool_grad")
_channel_shuffle = _autograd.build("channel_shuffle")
