"""The reference itself, against the definition as plain loops over exact fractions, and against torch in float64."""

import itertools
from fractions import Fraction

import cases
import numpy as np
import pytest
import torch
from cases import Case
from reference import PASSES, bilinear, convolve, operands, split_sum
from torch import Tensor
from torch.nn import functional as F


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def fractions(t: Tensor) -> np.ndarray:
    return np.array([Fraction(value) for value in t.flatten().tolist()], dtype=object).reshape(t.shape)


def by_loops(x: np.ndarray, w: np.ndarray, c: Case) -> np.ndarray:
    """y[n, k, place] = sum over c and offset of x[n, c, place*stride + offset*dilation - padding] * w[k, c, offset]."""
    y = np.full(c.y_size, Fraction(0), dtype=object)
    C, K = c.C // c.groups, c.K // c.groups
    for n, k, *place in itertools.product(*map(range, c.y_size)):
        for channel, *offset in itertools.product(range(C), *map(range, c.kernel)):
            at = [p * s + o * d - pad for p, s, o, d, pad in zip(place, c.stride, offset, c.dilation, c.padding[::2])]
            if all(0 <= h < size for h, size in zip(at, c.size)):
                y[n, k, *place] += x[n, k // K * C + channel, *at] * w[k, channel, *offset]
    return y


def multiply_adds(c: Case) -> int:
    return torch.Size(c.y_size).numel() * torch.Size(c.w_size[1:]).numel()


@pytest.mark.parametrize("case", [c for c in cases.ALL if multiply_adds(c) < 5000], ids=str)
def test_against_loops(case):
    o = operands(case, torch.float64, "integers")
    assert (fractions(convolve(o.x, o.w, case)) == by_loops(fractions(o.x), fractions(o.w), case)).all()


@pytest.mark.parametrize("case", [c for c in cases.ALL if 0 not in (c.N, c.C, c.K, *c.size)], ids=str)
def test_against_torch(case):
    o = operands(case, torch.float64, "normal")
    x, w = o.x.clone().requires_grad_(), o.w.clone().requires_grad_()
    pads = [p for pair in reversed(list(zip(case.padding[::2], case.padding[1::2]))) for p in pair]
    conv = (F.conv1d, F.conv2d, F.conv3d)[len(case.size) - 1]
    y = conv(F.pad(x, pads), w, None, case.stride, 0, case.dilation, case.groups)
    grad_x, grad_w = torch.autograd.grad(y, (x, w), o.grad_y)
    for pass_, value in zip(PASSES, (y, grad_x, grad_w)):
        torch.testing.assert_close(bilinear(pass_, *o.of(pass_), case), value.detach(), rtol=1e-12, atol=1e-12)


def test_split_sum_has_only_its_final_rounding():
    case = cases.BY_NAME["strided same"]
    o = operands(case, torch.float64, "normal")
    exact = by_loops(fractions(o.x), fractions(o.w), case)
    largest = max(abs(exact.flatten()))
    error = max(abs((fractions(split_sum("fwd", o.x, o.w, case)) - exact).flatten())) / largest
    plain = max(abs((fractions(convolve(o.x, o.w, case)) - exact).flatten())) / largest
    assert error <= 2**-53 < plain
