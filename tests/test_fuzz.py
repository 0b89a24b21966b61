"""Random problems through the public functions, against torch.nn.functional in float64: values and gradients.

Values are small integers, so that algo="auto:direct" has to give the very result and "auto" has to come close.
The seed is --seed; a failure prints the smallest problem that hypothesis finds.
"""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st
from layouts import lay_out
from torch import Tensor
from torch.nn import functional as F

import torchconv

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
# Per group, in and out: odd numbers around every vector width, never two large ones (reference runs naive loops).
CHANNELS = [(1, 1), (1, 3), (3, 1), (2, 2), (3, 5), (5, 4), (8, 8), (1, 17), (17, 3), (5, 33), (33, 2)]


@dataclass
class Problem:
    transposed: bool
    N: int
    C: int  # per group
    K: int  # per group
    groups: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    output_padding: tuple[int, ...]  # transposed only
    bias: bool
    dtype: torch.dtype
    x_layout: str
    w_layout: str
    grad_layout: str
    algo: str
    values: int


@st.composite
def problems(draw, transposed: bool) -> Problem:
    d = draw(st.sampled_from([1, 2, 2, 3]))
    largest = (11, 11, 6)[d - 1]  # what reference's naive loops can do in time

    def per_dimension(strategy):
        return tuple(draw(strategy) for _ in range(d))

    stride, dilation = per_dimension(st.integers(1, 5)), per_dimension(st.integers(1, 3))
    layouts = st.sampled_from(["nchw", "nhwc", "strided", "expanded"])
    C, K = draw(st.sampled_from(CHANNELS))
    return Problem(
        transposed=transposed,
        N=draw(st.integers(0, 3)),
        C=C,
        K=K,
        groups=draw(st.sampled_from([1, 1, 2, 3])),
        size=per_dimension(st.integers(1 if transposed else 0, largest)),  # torch transposes no empty image
        kernel=per_dimension(st.integers(1, 6 if d < 3 else 3)),
        stride=stride,
        padding=per_dimension(st.tuples(st.integers(0, 4), st.integers(0, 4))),
        dilation=dilation,
        output_padding=tuple(draw(st.integers(0, max(s, e) - 1)) for s, e in zip(stride, dilation)),
        bias=draw(st.booleans()),
        dtype=draw(st.sampled_from(DTYPES)),
        x_layout=draw(layouts),
        w_layout=draw(layouts),
        grad_layout=draw(layouts),
        algo=draw(st.sampled_from(["auto", "auto:direct"])),
        values=draw(st.integers(0, 2**32)),
    )


def torch_conv(p: Problem, x: Tensor, w: Tensor, bias: Tensor | None) -> Tensor:
    pads = [side for pair in reversed(p.padding) for side in pair]
    conv = (F.conv1d, F.conv2d, F.conv3d)[len(p.size) - 1]
    return conv(F.pad(x, pads), w, bias, p.stride, 0, p.dilation, p.groups)


def torch_conv_transpose(p: Problem, x: Tensor, w: Tensor, bias: Tensor | None) -> Tensor:
    """Padding of a transposed convolution takes away from its output."""
    conv = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[len(p.size) - 1]
    y = conv(x, w, bias, p.stride, 0, p.output_padding, p.groups, p.dilation)
    for i, (before, after) in enumerate(p.padding):
        y = y.narrow(2 + i, before, y.shape[2 + i] - before - after)
    return y


def our_conv(p: Problem, x: Tensor, w: Tensor, bias: Tensor | None) -> Tensor:
    if p.transposed:
        convs = (torchconv.conv_transpose1d, torchconv.conv_transpose2d, torchconv.conv_transpose3d)
        conv = convs[len(p.size) - 1]
        return conv(x, w, bias, p.stride, p.padding, p.output_padding, p.groups, p.dilation, algo=p.algo)
    conv = (torchconv.conv1d, torchconv.conv2d, torchconv.conv3d)[len(p.size) - 1]
    return conv(x, w, bias, p.stride, p.padding, p.dilation, p.groups, algo=p.algo)


def output_size(p: Problem) -> list[int]:
    extent = [e * (r - 1) + 1 for e, r in zip(p.dilation, p.kernel)]
    pads = [sum(pair) for pair in p.padding]
    if p.transposed:
        return [(h - 1) * s + e + o - pad for h, s, e, o, pad in zip(p.size, p.stride, extent, p.output_padding, pads)]
    return [(h + pad - e) // s + 1 for h, s, e, pad in zip(p.size, p.stride, extent, pads)]


def draw_tensor(size: list[int], layout: str, generator: torch.Generator, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Small integers in float64, and the same in dtype and layout. expanded: equal along some of the dimensions."""
    values = torch.randint(-3, 4, size, generator=generator).double()
    if layout != "expanded":
        return values, lay_out(values.to(dtype), layout)
    same = torch.rand(len(size), generator=generator) < 0.5
    one = values[tuple(slice(0, 1) if s else slice(None) for s in same)]
    return one.expand(size), one.to(dtype).expand(size)


def assert_close(p: Problem, name: str, ours: Tensor, exact: Tensor) -> None:
    assert ours.dtype == p.dtype and ours.shape == exact.shape, name
    if p.algo == "auto:direct":
        torch.testing.assert_close(ours, exact.to(p.dtype), rtol=0, atol=0, msg=lambda m: f"{name}: {m}")
    else:
        largest = exact.abs().max().item() if exact.numel() else 0
        tolerance = {torch.float32: 2e-5, torch.float64: 1e-12}.get(p.dtype, 4 * torch.finfo(p.dtype).eps)
        torch.testing.assert_close(ours.double(), exact, rtol=0, atol=tolerance * largest, msg=lambda m: f"{name}: {m}")


def check(p: Problem) -> None:
    generator = torch.Generator().manual_seed(p.values)
    G = p.groups
    w_size = [G * p.C, p.K, *p.kernel] if p.transposed else [G * p.K, p.C, *p.kernel]
    x64, x = draw_tensor([p.N, G * p.C, *p.size], p.x_layout, generator, p.dtype)
    w64, w = draw_tensor(w_size, p.w_layout, generator, p.dtype)
    bias64, bias = draw_tensor([G * p.K], "strided", generator, p.dtype) if p.bias else (None, None)
    places = output_size(p)
    if min(places) < (0 if p.transposed else 1):  # padding may take away all of a transposed convolution's output
        with pytest.raises(torchconv.TorchconvError):
            our_conv(p, x, w, bias)
        return
    grad64, grad = draw_tensor([p.N, G * p.K, *places], p.grad_layout, generator, p.dtype)
    ours = [t.requires_grad_() for t in (x, w, bias) if t is not None]
    exact = [t.requires_grad_() for t in (x64, w64, bias64) if t is not None]
    y = our_conv(p, x, w, bias)
    y64 = (torch_conv_transpose if p.transposed else torch_conv)(p, x64, w64, bias64)
    assert_close(p, "y", y.detach(), y64.detach())
    grads = zip(torch.autograd.grad(y, ours, grad), torch.autograd.grad(y64, exact, grad64))
    for name, (ours_grad, exact_grad) in zip(("grad of x", "grad of w", "grad of bias"), grads):
        assert_close(p, name, ours_grad, exact_grad)


@pytest.mark.parametrize("transposed", [False, True], ids=["conv", "conv_transpose"])
def test_against_torch(transposed, full, seed):
    torch.set_num_threads(2)

    @hypothesis_seed(seed)
    @settings(
        max_examples=10_000 if full else 300, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(problems(transposed))
    def run(p: Problem) -> None:
        check(p)

    run()
