"""What the operators return on fake and meta tensors: the sizes, the very strides and the errors of the real ones."""

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
    layout = suggest_memory_format(like) if like.dim() == len(size) > 3 else torch.contiguous_format
    return torch.empty(size, dtype=like.dtype, device=like.device, memory_format=layout)


def _expect(condition: bool, message: str) -> None:
    torch._check(condition, lambda: f"torchconv: {message}")  # where the sizes are symbols, for run time to check


def _dtype(t: Tensor) -> str:
    """The name that the kernels' errors have for a dtype: Float, BFloat16."""
    return t.type().rpartition(".")[2].removesuffix("Tensor")


def _check_same(name: str, t: Tensor, first_name: str, first: Tensor) -> None:
    _expect(t.dtype == first.dtype, f"{name}: expected dtype {_dtype(first)} as {first_name} has, got {_dtype(t)}")
    where = f"expected to be on {first.device.type} as {first_name} is, got {t.device.type}"
    _expect(t.device == first.device, f"{name}: {where}")


def _check_operands(**operands: Tensor) -> None:
    """The kernels' own check: a dtype that they know, the same for all, on one device."""
    (first_name, first), *others = operands.items()
    known = first.dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16)
    _expect(known, f"{first_name}: expected dtype float32, float64, float16 or bfloat16, got {_dtype(first)}")
    for name, t in others:
        _check_same(name, t, first_name, first)


def check_bias(bias: Tensor | None, channels: int, first_name: str, first: Tensor) -> None:
    """The kernels' own check of a bias, for where no kernel sees it."""
    if bias is not None:
        _check_same("bias", bias, first_name, first)
        expected = f"expected size [{channels}], one entry per output channel, got {list(bias.shape)}"
        _expect(bias.shape == (channels,), f"bias: {expected}")


def check_sizes(x: Ints, w: Ints, y: Ints | None, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> None:
    """The kernels' own check of the sizes of a convolution, where all of them are known."""
    if not _known(x, w, y or (), padding):
        return
    if y is None:
        _C.conv_output_size(x, w, stride, padding, dilation, groups)
    else:
        _C.check_output_size("grad_y", x, w, y, stride, padding, dilation, groups)


def _check_algo(algo: str) -> None:
    _C.explain("fwd", (1, 1, 1), (1, 1, 1), (1,), (0, 0), (1,), 1, algo)  # the names are the same for every problem


@register_fake("torchconv::conv_fwd")
def conv_fwd(
    x: Tensor, w: Tensor, bias: Tensor | None, stride: Ints, padding: Ints, dilation: Ints, groups: int, algo: str
) -> Tensor:
    _check_operands(x=x, w=w)
    check_sizes(x.shape, w.shape, None, stride, padding, dilation, groups)
    check_bias(bias, w.shape[0], "x", x)
    _check_algo(algo)
    return _empty([x.shape[0], w.shape[0], *_places(x.shape[2:], w.shape[2:], stride, padding, dilation)], x)


@register_fake("torchconv::conv_fused")
def conv_fused(
    x: Tensor, w: Tensor, bias: Tensor | None, residual: Tensor | None, pack: Tensor | None,
    stride: Ints, padding: Ints, dilation: Ints, groups: int, activation: str, algo: str,
) -> Tensor:  # fmt: skip
    _C.check_activation(activation)
    y = conv_fwd(x, w, bias, stride, padding, dilation, groups, algo)
    if residual is not None:
        _check_same("residual", residual, "x", x)
        expected = f"expected size {list(y.shape)}, that of the result, got {list(residual.shape)}"
        _expect(residual.shape == y.shape, f"residual: {expected}")
    return y


@register_fake("torchconv::conv_chain")
def conv_chain(tensors: list[Tensor], steps: Ints, results: Ints, names: list[str]) -> list[Tensor]:
    values: list[Tensor] = list(tensors)
    for i, (activation, algo) in enumerate(zip(names[::2], names[1::2], strict=True)):
        x, w, bias, residual, pack, *geometry = steps[14 * i : 14 * (i + 1)]
        optional = [None if n < 0 else values[n] for n in (bias, residual, pack)]
        windows = geometry[:2], geometry[2:6], geometry[6:8], geometry[8]
        values.append(conv_fused(values[x], values[w], *optional, *windows, activation, algo))
    return [values[n] for n in results]


@register_fake("torchconv::conv_grad_input")
def conv_grad_input(
    grad_y: Tensor, w: Tensor, bias: Tensor | None, x_size: Ints,
    stride: Ints, padding: Ints, dilation: Ints, groups: int, algo: str,
) -> Tensor:  # fmt: skip
    _check_operands(grad_y=grad_y, w=w)
    check_sizes(x_size, w.shape, grad_y.shape, stride, padding, dilation, groups)
    check_bias(bias, x_size[1], "grad_y", grad_y)
    _check_algo(algo)
    return _empty(x_size, grad_y)


@register_fake("torchconv::conv_grad_weight")
def conv_grad_weight(
    x: Tensor, grad_y: Tensor, w_size: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int, algo: str
) -> Tensor:
    _check_operands(x=x, grad_y=grad_y)
    check_sizes(x.shape, w_size, grad_y.shape, stride, padding, dilation, groups)
    _check_algo(algo)
    return _empty(w_size, x)


def _window_places(name: str, x_size: Ints, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Ints:
    if _known(x_size, padding):
        return _C.unfold_places(name, x_size, kernel_size, stride, padding, dilation)
    return _places(x_size[2:], kernel_size, stride, padding, dilation)


@register_fake("torchconv::unfold")
def unfold(x: Tensor, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Tensor:
    _check_operands(x=x)
    _expect(x.dim() == 4, f"x: expected [N, C, H, W], got {list(x.shape)}")
    places = _window_places("x", x.shape, kernel_size, stride, padding, dilation)
    return x.new_empty([x.shape[0], x.shape[1] * math.prod(kernel_size), math.prod(places)])


@register_fake("torchconv::fold")
def fold(columns: Tensor, output_size: Ints, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Tensor:
    _check_operands(columns=columns)
    size = list(columns.shape)
    _expect(len(size) == 3, f"columns: expected [N, C*R*S, P*Q], got {size}")
    _expect(len(output_size) == 2, f"output_size: expected 2 entries, got {list(output_size)}")
    valid = len(kernel_size) == 2 and min(kernel_size) > 0
    _expect(valid, f"kernel_size: expected 2 positive numbers, got {list(kernel_size)}")
    R, S = kernel_size
    multiple = f"columns: expected a multiple of {R} * {S} (the kernel size) in dimension 1, got {size}"
    _expect(size[1] % (R * S) == 0, multiple)
    x_size = [size[0], size[1] // (R * S), *output_size]
    P, Q = _window_places("output_size", x_size, kernel_size, stride, padding, dilation)
    places = f"columns: expected {P * Q} ({P} * {Q} places of the kernel) in dimension 2, got {size}"
    _expect(size[2] == P * Q, places)
    return columns.new_empty(x_size)


@register_fake("torchconv::gemm")
def gemm(a: Tensor, b: Tensor) -> Tensor:
    _check_operands(a=a)
    single_or_double = a.dtype in (torch.float32, torch.float64)
    _expect(single_or_double, f"a: expected dtype float32 or float64, got {str(a.dtype).removeprefix('torch.')}")
    _check_same("b", b, "a", a)
    a_size, b_size = list(a.shape), list(b.shape)
    _expect(len(a_size) == 2, f"a: expected [M, K], got {a_size}")
    fits = len(b_size) == 2 and b_size[0] == a_size[1]
    _expect(fits, f"b: expected [{a_size[1]}, N] for a of size {a_size}, got {b_size}")
    return a.new_empty([a_size[0], b_size[1]])
