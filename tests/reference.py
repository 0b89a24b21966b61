"""The reference that kernels are held to: convolution in float64 from its definition, with torch's autograd for
both gradients. It calls neither torchconv nor torch's own convolutions."""

from functools import lru_cache
from typing import NamedTuple

import torch
from cases import Case
from torch import Tensor
from torch.nn import functional as F

PASSES = ("fwd", "grad_input", "grad_weight")


def convolve(x: Tensor, w: Tensor, c: Case) -> Tensor:
    """y [N, K, *places]: the windows of the padded x, as views, times w."""
    G = c.groups
    windows = F.pad(x, [p for pair in reversed(list(zip(c.padding[::2], c.padding[1::2]))) for p in pair])
    windows = windows.unflatten(1, (G, c.C // G))
    for i, (r, stride, dil) in enumerate(zip(c.kernel, c.stride, c.dilation)):
        windows = windows.unfold(3 + i, dil * (r - 1) + 1, stride)
    windows = windows[(..., *(slice(None, None, dil) for dil in c.dilation))]
    places, kernel = ("opq"[-len(c.size) :], "trs"[-len(c.size) :])
    y = torch.einsum(f"ngc{places}{kernel},gkc{kernel}->ngk{places}", windows, w.unflatten(0, (G, c.K // G)))
    return y.flatten(1, 2)


def bilinear(pass_: str, a: Tensor, b: Tensor, c: Case) -> Tensor:
    """The pass on its two operands: x w, grad_y w, or x grad_y."""
    if pass_ == "fwd":
        return convolve(a, b, c)
    if pass_ == "grad_input":
        x = torch.zeros(c.x_size, dtype=a.dtype, requires_grad=True)
        return torch.autograd.grad(convolve(x, b, c), x, a)[0]
    w = torch.zeros(c.w_size, dtype=a.dtype, requires_grad=True)
    return torch.autograd.grad(convolve(a, w, c), w, b)[0]


def parts(t: Tensor) -> list[Tensor]:
    """Three tensors that add up to t, smallest first; of the larger two (|t| < 16), sums of products are exact."""
    high = (t * 2**16).round() / 2**16
    middle = ((t - high) * 2**36).round() / 2**36
    return [t - high - middle, middle, high]


def split_sum(pass_: str, a: Tensor, b: Tensor, c: Case) -> Tensor:
    """The pass with hardly more error than its final rounding, for holding float64 kernels to."""
    terms = [(i + j, bilinear(pass_, ai, bj, c)) for i, ai in enumerate(parts(a)) for j, bj in enumerate(parts(b))]
    return sum(term for _, term in sorted(terms, key=lambda pair: pair[0]))


class Operands(NamedTuple):
    """The operands of all three passes in float64, already rounded to the dtype under test."""

    x: Tensor
    w: Tensor
    grad_y: Tensor
    y_bias: Tensor  # for fwd
    x_bias: Tensor  # for grad_input

    def of(self, pass_: str) -> tuple[Tensor, Tensor]:
        x, w, grad_y = self[:3]
        return {"fwd": (x, w), "grad_input": (grad_y, w), "grad_weight": (x, grad_y)}[pass_]


@lru_cache(maxsize=64)
def operands(c: Case, dtype: torch.dtype, fill: str, expanded: bool = False, seed: int = 0) -> Operands:
    """fill: "integers" (small, so that sums are exact) or "normal".

    expanded: x is the same for every n, w for every k, and grad_y for every p and q.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(size: list[int], same: tuple[int, ...]) -> Tensor:
        size_drawn = [min(n, 1) if expanded and i in same else n for i, n in enumerate(size)]
        if fill == "integers":
            values = torch.randint(-3, 4, size_drawn, generator=generator)
        else:
            values = torch.randn(size_drawn, generator=generator, dtype=torch.float64).to(dtype)
        return values.double().expand(size)

    x, w, grad_y = draw(c.x_size, (0,)), draw(c.w_size, (0,)), draw(c.y_size, tuple(range(2, len(c.y_size))))
    return Operands(x, w, grad_y, draw([c.K], ()), draw([c.C], ()))


@lru_cache(maxsize=64)
def result(pass_: str, c: Case, dtype: torch.dtype, fill: str, expanded: bool = False, seed: int = 0) -> Tensor:
    """What the pass makes of operands(...), in float64 and without bias."""
    compute = split_sum if dtype == torch.float64 and fill == "normal" else bilinear
    return compute(pass_, *operands(c, dtype, fill, expanded, seed).of(pass_), c)


def add_bias(y: Tensor, bias: Tensor | None) -> Tensor:
    return y if bias is None else y + bias.view(-1, *[1] * (y.dim() - 2))
