"""The fake kernels of pooling and channel_shuffle, as _fake.py has them of convolution."""

import torch
from torch import Tensor
from torch.library import register_fake

from torchconv import _C
from torchconv._fake import Ints, _check_operands, _empty, _expect, _known


def _check_image(name: str, size: Ints) -> None:
    came = f"[N, C, L], [N, C, H, W] or [N, C, D, H, W], got {list(size)}"
    _expect(3 <= len(size) <= 5, f"{name}: expected {came}")


def _with_plane(t: Tensor, plane: Ints) -> Ints:
    came = f"one entry per spatial dimension of {list(t.shape)}, got {list(plane)}"
    _expect(t.dim() == len(plane) + 2, f"size: expected {came}")
    return [*t.shape[:2], *plane]


def _pooled(x: Tensor, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool) -> Ints:
    size = [*x.shape]
    if _known(size):
        return _C.pool_output_size(size, kernel, stride, padding, dilation, ceil_mode)
    _check_image("x", size)
    out = size[:2]
    for n, k, s, p, d in zip(size[2:], kernel, stride, padding, dilation, strict=True):
        rest = n + 2 * p - d * (k - 1) - 1
        places = (rest + s - 1) // s + 1 if ceil_mode else rest // s + 1
        if ceil_mode and (places - 1) * s >= n + p:
            places = places - 1
        out.append(places)
    return out


def _maximum(x: Tensor, y_size: Ints, keep: str) -> tuple[Tensor, Tensor]:
    y = _empty(y_size, x)
    dtype = torch.uint8 if keep == "taps" else torch.int64
    return y, x.new_empty(0, dtype=dtype) if keep == "nothing" else torch.empty_like(y, dtype=dtype)


@register_fake("torchconv::max_pool")
def max_pool(
    x: Tensor, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool, keep: str
) -> tuple[Tensor, Tensor]:
    _check_operands(x=x)
    return _maximum(x, _pooled(x, kernel_size, stride, padding, dilation, ceil_mode), keep)


@register_fake("torchconv::adaptive_max_pool")
def adaptive_max_pool(x: Tensor, output_size: Ints, with_indices: bool) -> tuple[Tensor, Tensor]:
    _check_operands(x=x)
    _check_image("x", x.shape)
    return _maximum(x, _with_plane(x, output_size), "indices" if with_indices else "nothing")


@register_fake("torchconv::max_pool_grad")
def max_pool_grad(
    grad_y: Tensor, origins: Tensor, x_size: Ints,
    kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool,
) -> Tensor:  # fmt: skip
    _check_operands(grad_y=grad_y)
    return _empty(_with_plane(grad_y, x_size), grad_y)


@register_fake("torchconv::max_pool_gather")
def max_pool_gather(
    x: Tensor, origins: Tensor, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Tensor:
    _check_operands(x=x)
    return _empty(origins.shape, x)


@register_fake("torchconv::avg_pool")
def avg_pool(
    x: Tensor, kernel_size: Ints, stride: Ints, padding: Ints,
    ceil_mode: bool, count_include_pad: bool, divisor_override: int | None,
) -> Tensor:  # fmt: skip
    _check_operands(x=x)
    return _empty(_pooled(x, kernel_size, stride, padding, [1] * len(kernel_size), ceil_mode), x)


@register_fake("torchconv::avg_pool_grad")
def avg_pool_grad(
    grad_y: Tensor, x_size: Ints, kernel_size: Ints, stride: Ints, padding: Ints,
    ceil_mode: bool, count_include_pad: bool, divisor_override: int | None,
) -> Tensor:  # fmt: skip
    _check_operands(grad_y=grad_y)
    return _empty(_with_plane(grad_y, x_size), grad_y)


@register_fake("torchconv::adaptive_avg_pool")
def adaptive_avg_pool(x: Tensor, output_size: Ints) -> Tensor:
    _check_operands(x=x)
    _check_image("x", x.shape)
    return _empty(_with_plane(x, output_size), x)


@register_fake("torchconv::adaptive_avg_pool_grad")
def adaptive_avg_pool_grad(grad_y: Tensor, x_size: Ints) -> Tensor:
    _check_operands(grad_y=grad_y)
    return _empty(_with_plane(grad_y, x_size), grad_y)


@register_fake("torchconv::channel_shuffle")
def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    _check_operands(x=x)
    _expect(3 <= x.dim() <= 5, f"x: expected [N, C, spatial...] of rank 3 to 5, got {list(x.shape)}")
    _expect(groups > 0, f"groups: expected a positive number, got {groups}")
    _expect(x.shape[1] % groups == 0, f"groups: expected a divisor of the {x.shape[1]} channels of x, got {groups}")
    return _empty(x.shape, x)
