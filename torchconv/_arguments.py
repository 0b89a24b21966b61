"""From the forms in which people write a convolution's arguments to the one form that the operators take."""

import math
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from torchconv.errors import TorchconvError

Ints = int | Sequence[int]
Padding = str | int | Sequence[int | Sequence[int]]


def batched(x: Tensor, d: int) -> Tensor:
    """x with a batch dimension: it may come without."""
    if x.dim() == d + 2:
        return x
    if x.dim() == d + 1:
        return x.unsqueeze(0)
    raise TorchconvError(f"x: expected {d + 2} dimensions, or {d + 1} without a batch, got size {list(x.shape)}")


def single_pixels(x: Tensor) -> Tensor:
    """x [..., C], which a linear layer takes, as images of one pixel."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1], 1, 1)


def integer(name: str, value: Any, whole: Any, expected: str) -> Any:
    """`value`, an entry of the argument `whole`, as an int; torch.SymInt passes through."""
    if type(value) is int or isinstance(value, torch.SymInt):
        return value
    try:
        return operator.index(value)
    except TypeError:
        raise TorchconvError(f"{name}: expected {expected}, got {whole!r}") from None


def entries(name: str, value: Any, d: int, expected: str) -> Sequence[Any]:
    """One entry per spatial dimension; a lone one counts for all of them, as in torch."""
    listed = value if isinstance(value, (tuple, list)) else (value,)
    if len(listed) == 1:
        return (listed[0],) * d
    if len(listed) != d:
        raise TorchconvError(f"{name}: expected {expected}, got {value!r}")
    return listed


def _is_plain(value: Any, d: int) -> bool:
    """Whether value is what modules give: one int per dimension, of which there are one to three. Saves 1 us a call."""
    if type(value) is not tuple or len(value) != d or type(value[0]) is not int or type(value[-1]) is not int:
        return False
    return d < 3 or type(value[1]) is int


def per_dimension(name: str, value: Any, d: int) -> tuple[int, ...]:
    """stride, dilation, output_padding or kernel_size: an int, or one int per spatial dimension."""
    if type(value) is int:
        return (value,) * d
    if _is_plain(value, d):
        return value
    expected = f"an int or a sequence of {d}" if d > 1 else "an int"
    return tuple(integer(name, v, value, expected) for v in entries(name, value, d, expected))


def sides(padding: Any, d: int) -> tuple[int, ...]:
    """(front, back, top, bottom, left, right), or the last of these for fewer dimensions.

    From an int or one entry per dimension, each an int or a pair (before, after).
    """
    if _is_plain(padding, d):
        if d == 3:
            return (padding[0], padding[0], padding[1], padding[1], padding[2], padding[2])
        return (padding[0], padding[0], padding[-1], padding[-1])[: 2 * d]
    if isinstance(padding, str):
        raise TorchconvError(f"padding: expected numbers here, got {padding!r}")
    expected = "an int or ((left, right),)"
    if d > 1:
        names = "depth, vertical, horizontal" if d == 3 else "vertical, horizontal"
        expected = f"an int or ({names}), each of these an int or a pair (before, after)"
    out: list[int] = []
    for entry in entries("padding", padding, d, expected):
        pair = entry if isinstance(entry, (tuple, list)) and len(entry) == 2 else (entry, entry)
        out += (integer("padding", p, padding, expected) for p in pair)
    return tuple(out)


def same_sides(
    size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[int, ...]:
    """The sides of padding="same": ceil(size / stride) outputs; an odd rest goes after, as in torch and TensorFlow."""
    out: list[int] = []
    # Not strict: a w of another rank is for the operator to reject.
    for n, k, s, dil in zip(size, kernel, stride, dilation, strict=False):
        total: Any = dil * (k - 1)
        if s > 1 and total > 0:
            # torch.sym_max stands only where it must: torch.export cannot reason about symbolic sizes through it.
            short = total < s - 1
            total -= (n + s - 1) % s  # n - 1 is negative where a compiler tries n = 0
            total = torch.sym_max(total, 0) if short else total
        out += (total // 2, total - total // 2)
    return tuple(out)


def padding_sides(
    padding: Any, x: Tensor, w: Tensor, stride: Sequence[int], dilation: Sequence[int]
) -> tuple[int, ...]:
    """The sides that any accepted padding means for x and w, which end in the spatial dimensions."""
    d = len(stride)
    if not isinstance(padding, str):
        return sides(padding, d)
    if padding == "valid":
        return (0,) * (2 * d)
    if padding == "same":
        return same_sides(x.shape[-d:], w.shape[-d:], stride, dilation)
    raise TorchconvError(f"padding: expected 'same', 'valid' or numbers, got {padding!r}")


def transposed_size(
    x: Tensor,
    w: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    output_padding: Sequence[int],
    groups: int,
) -> tuple[int, ...]:
    """The size of the output of a transposed convolution of x [N, C, spatial...] and w [C, K/groups, kernel...]."""
    x_size, w_size = x.shape, w.shape
    y_size = [x_size[0], w_size[1] * groups]
    for i, s in enumerate(stride):
        full = (x_size[2 + i] - 1) * s + dilation[i] * (w_size[2 + i] - 1) + 1
        y_size.append(full - padding[2 * i] - padding[2 * i + 1] + output_padding[i])
    return tuple(y_size)


def cover_output_padding(
    x: Tensor, output_padding: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Tensor:
    """x, with zeros after its end for every whole stride of output_padding.

    The operator takes output_padding below stride only: it is what the convolution's floor(. / stride) hides.
    """
    if not any(output_padding):
        return x
    for o, s, dil in zip(output_padding, stride, dilation, strict=True):
        if o < 0 or (o >= s and o >= dil):
            expected = "numbers that are not negative and less than stride or dilation"
            raise TorchconvError(f"output_padding: expected {expected}, got {list(output_padding)}")
    extra = [o // s if o else 0 for o, s in zip(output_padding, stride, strict=True)]
    if not any(extra):
        return x
    return torch.nn.functional.pad(x, [n for e in reversed(extra) for n in (0, e)])
