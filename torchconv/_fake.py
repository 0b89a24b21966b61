"""What the operators return on fake and meta tensors: the sizes and the very strides of the real ones."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format
from torch.library import register_fake

from torchconv import _C

Ints = Sequence[int]


def _known(*sizes: Ints) -> bool:
    return all(type(s) is int for size in sizes for s in size)


def _places(size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> list[int]:
    padded = [s + before + after for s, before, after in zip(size, padding[::2], padding[1::2], strict=True)]
    return [(p - d * (k - 1) - 1) // s + 1 for p, k, d, s in zip(padded, kernel, dilation, stride, strict=True)]


def _empty(size: Ints, like: Tensor) -> Tensor:
    layout = suggest_memory_format(like) if like.dim() == len(size) == 4 else torch.contiguous_format
    return torch.empty(size, dtype=like.dtype, device=like.device, memory_format=layout)


def check_bias(bias: Tensor | None, channels: int) -> None:
    """The kernels' own check of a bias, for where no kernel sees it."""
    if bias is not None and bias.shape != (channels,):
        raise RuntimeError(
            f"torchconv: bias: expected size [{channels}], one entry per output channel, got {list(bias.shape)}"
        )


@register_fake("torchconv::conv_fwd")
def conv_fwd(
    x: Tensor, w: Tensor, bias: Tensor | None, stride: Ints, padding: Ints, dilation: Ints, groups: int, algo: str
) -> Tensor:
    check_bias(bias, w.shape[0])
    if _known(x.shape, w.shape, padding):
        return _empty(_C.conv_output_size(x.shape, w.shape, stride, padding, dilation, groups), x)
    return _empty([x.shape[0], w.shape[0], *_places(x.shape[2:], w.shape[2:], stride, padding, dilation)], x)


@register_fake("torchconv::conv_grad_input")
def conv_grad_input(
    grad_y: Tensor, w: Tensor, bias: Tensor | None, x_size: Ints,
    stride: Ints, padding: Ints, dilation: Ints, groups: int, algo: str,
) -> Tensor:  # fmt: skip
    if _known(grad_y.shape, w.shape, x_size, padding):
        _C.check_output_size("grad_y", x_size, w.shape, grad_y.shape, stride, padding, dilation, groups)
    check_bias(bias, x_size[1])
    return _empty(x_size, grad_y)


@register_fake("torchconv::conv_grad_weight")
def conv_grad_weight(
    x: Tensor, grad_y: Tensor, w_size: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int, algo: str
) -> Tensor:
    if _known(x.shape, grad_y.shape, w_size, padding):
        _C.check_output_size("grad_y", x.shape, w_size, grad_y.shape, stride, padding, dilation, groups)
    return _empty(w_size, x)


@register_fake("torchconv::unfold")
def unfold(x: Tensor, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Tensor:
    places: Ints
    if _known(x.shape, padding):
        places = _C.unfold_places("x", x.shape, kernel_size, stride, padding, dilation)
    else:
        places = _places(x.shape[2:], kernel_size, stride, padding, dilation)
    return x.new_empty([x.shape[0], x.shape[1] * math.prod(kernel_size), math.prod(places)])


@register_fake("torchconv::fold")
def fold(columns: Tensor, output_size: Ints, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Tensor:
    x_size = [columns.shape[0], columns.shape[1] // math.prod(kernel_size), *output_size]
    if _known(x_size, padding):
        _C.unfold_places("output_size", x_size, kernel_size, stride, padding, dilation)
    return columns.new_empty(x_size)


@register_fake("torchconv::gemm")
def gemm(a: Tensor, b: Tensor) -> Tensor:
    return a.new_empty([a.shape[0], b.shape[1]])
