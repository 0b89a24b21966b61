"""torch.profiler names the algorithm, the pass and the sizes of every kernel that ran."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

import torchconv

X, W = torch.randn(2, 8, 14, 14), torch.randn(16, 8, 3, 3)


def ranges(call) -> set[str]:
    with profile(activities=[ProfilerActivity.CPU]) as found:
        call()
    return {event.name.removeprefix("torchconv::") for event in found.events() if "[" in event.name}


def test_forward_and_backward_of_a_convolution():
    x, w = X.clone().requires_grad_(), W.clone().requires_grad_()
    assert ranges(lambda: torchconv.conv2d(x, w, padding=1, algo="im2col").sum().backward()) == {
        "im2col fwd [2, 8, 14, 14] x [16, 8, 3, 3]",
        "im2col grad_input [2, 16, 14, 14] x [16, 8, 3, 3]",
        "im2col grad_weight [2, 8, 14, 14] x [2, 16, 14, 14]",
    }


def test_other_algorithms_and_dimensions():
    x, w = torch.randn(1, 3, 9), torch.randn(2, 3, 4)
    assert ranges(lambda: torchconv.conv1d(x, w, algo="reference")) == {"reference fwd [1, 3, 9] x [2, 3, 4]"}
    with torchconv.enabled():
        found = ranges(lambda: torch.nn.functional.conv2d(X, W[..., :1, :1]))
    assert found == {"im2col fwd [2, 8, 14, 14] x [16, 8, 1, 1]"}


def test_forward_and_backward_of_pooling():
    x = X.clone().requires_grad_()
    assert ranges(lambda: torchconv.max_pool2d(x, 2).sum().backward()) == {
        "max_pool [2, 8, 14, 14] -> [2, 8, 7, 7]",
        "max_pool_grad [2, 8, 7, 7] -> [2, 8, 14, 14]",
    }
    assert ranges(lambda: torchconv.adaptive_avg_pool2d(x, 1).sum().backward()) == {
        "avg_pool [2, 8, 14, 14] -> [2, 8, 1, 1]",
        "avg_pool_grad [2, 8, 1, 1] -> [2, 8, 14, 14]",
    }


def test_the_other_operators():
    assert ranges(lambda: torchconv.unfold(X, 3)) == {"unfold [2, 8, 14, 14] -> [2, 72, 144]"}
    assert ranges(lambda: torchconv.fold(torch.ones(2, 32, 49), 14, 2, stride=2)) == {
        "fold [2, 32, 49] -> [2, 8, 14, 14]"
    }
    assert ranges(lambda: torchconv.gemm(torch.ones(3, 4), torch.ones(4, 5))) == {"gemm [3, 4] x [4, 5]"}
    assert ranges(lambda: torchconv.channel_shuffle(X, 2)) == {"channel_shuffle [2, 8, 14, 14] -> [2, 8, 14, 14]"}


@pytest.mark.parametrize("threads", [1, 2])
def test_operators_called_directly(threads):
    """As compiled code calls them, past all of torchconv's Python."""
    torch.set_num_threads(threads)
    op, geometry = torch.ops.torchconv.conv_fwd, ([1, 1], [0, 0, 0, 0], [1, 1], 1, "im2col")
    assert ranges(lambda: op(X, W, None, *geometry)) == {"im2col fwd [2, 8, 14, 14] x [16, 8, 3, 3]"}
