"""How threads share out work: each has tiles, panels or ranges of outputs to itself, and what these need.

Sizes are such that shares begin in the middle of a part, a column of regions or a range, and that every driver of
winograd and fft is met: fused, in parts and by column; blocks of a thread's own, and shared ones. im2col's weight
gradients share out outputs where these are many; where its pixels are one block, of one or several depths and groups,
each task fetches for the next.
"""

import pytest
import torch

from torchconv import ops

CASES = [
    ("im2col", (2, 290, 7, 7), (1300, 290, 1, 1), 1),
    ("im2col", (1, 40, 9, 11), (910, 40, 3, 3), 1),
    ("im2col", (1, 1400, 7, 7), (300, 1400, 1, 1), 1),
    ("im2col", (1, 96, 7, 7), (600, 32, 3, 3), 3),
    ("winograd4", (3, 70, 30, 33), (70, 70, 3, 3), 1),
    ("winograd4", (1, 300, 19, 18), (40, 300, 3, 3), 1),
    ("winograd4", (2, 330, 13, 9), (270, 110, 3, 3), 3),
    ("winograd4", (1, 416, 48, 52), (416, 416, 3, 3), 1),
    ("fft", (3, 24, 61, 50), (40, 24, 5, 5), 1),
    ("fft", (1, 40, 30, 31), (150, 40, 5, 5), 1),
    ("fft", (2, 16, 60, 50), (16, 16, 15, 15), 1),
    ("fft", (2, 60, 20, 24), (90, 20, 5, 5), 3),
]


@pytest.fixture
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2, 3, 7], indirect=True)
@pytest.mark.parametrize("algo, x, w, groups", CASES)
def test_every_share_is_done_and_none_twice(algo, x, w, groups, threads):
    x, w = torch.randn(x).to(memory_format=torch.channels_last), torch.randn(w)
    pad = w.shape[-1] // 2
    grad_y = torch.randn(x.shape[0], w.shape[0], *x.shape[2:]).to(memory_format=torch.channels_last)
    rest = ([1, 1], [pad] * 4, [1, 1], groups, algo)
    a, b, g = x.double(), w.double(), grad_y.double()
    expected = torch.ops.aten.convolution_backward(
        g, a, b, None, [1, 1], [pad, pad], [1, 1], False, [0, 0], groups, [True, True, False]
    )
    found = ops.conv_grad_input(grad_y, w, None, x.shape, *rest), ops.conv_grad_weight(x, grad_y, w.shape, *rest)
    pairs = [(ops.conv_fwd(x, w, None, *rest), torch.conv2d(a, b, None, 1, pad, 1, groups)), *zip(found, expected[:2])]
    for result, exact in pairs:
        assert ((result - exact).abs().max() / exact.abs().max()).item() < 1e-5
