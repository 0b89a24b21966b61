"""FlopCounterMode counts torchconv's operators as it counts torch's."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

import torchconv

CALLS = {
    "conv2d": (lambda o, x, w: o.conv2d(x, w, None, 2, 1), (2, 3, 9, 8), (4, 3, 3, 2)),
    "conv1d": (lambda o, x, w: o.conv1d(x, w), (2, 3, 9), (4, 3, 3)),
    "conv_transpose2d": (lambda o, x, w: o.conv_transpose2d(x, w, None, 2, 1, 1), (2, 6, 5, 4), (6, 3, 3, 2)),
}


def count(f):
    with FlopCounterMode(display=False) as counter:
        f()
    return counter.get_total_flops()


@pytest.mark.parametrize("name", CALLS)
def test_forward_and_backward_count_as_torchs(name):
    call, x_size, w_size = CALLS[name]
    x, w = torch.randn(x_size, requires_grad=True), torch.randn(w_size, requires_grad=True)
    expected = count(lambda: call(F, x, w).sum().backward())
    assert count(lambda: call(torchconv, x, w).sum().backward()) == expected > 0


def test_groups_count_in_every_pass():
    # y is [2, 4, 5, 5], each entry a sum of 3 * 3 * 2 products. torch itself counts the groups twice in backward.
    x, w = torch.randn(2, 6, 9, 8, requires_grad=True), torch.randn(4, 3, 3, 2, requires_grad=True)
    call = lambda: torchconv.conv2d(x, w, None, 2, 1, 1, 2)  # noqa: E731
    forward = 2 * (2 * 4 * 5 * 5) * (3 * 3 * 2)
    assert count(call) == forward
    assert count(lambda: call().sum().backward()) == 3 * forward


def test_gemm_counts_as_mm():
    a, b = torch.randn(3, 4), torch.randn(4, 5)
    assert count(lambda: torchconv.gemm(a, b)) == count(lambda: torch.mm(a, b)) == 120
