"""Random problems through the public functions, against torch.nn.functional in float64: values and gradients.

Values are small integers, so that algo="auto:direct" has to give the very result and "auto" has to come close.
The seed is --seed; a failure prints the smallest problem that hypothesis finds. The last lines of a run say how many
problems there were, and the seed.
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


@dataclass
class Pooling:
    kind: str
    size: tuple[int, ...]  # with N and C
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]  # max_pool only
    ceil_mode: bool
    count_include_pad: bool  # avg_pool only, as the next
    divisor: int | None
    output_size: tuple[int, ...]  # adaptive only
    dtype: torch.dtype
    x_layout: str
    values: int

    def call(self, module, x: Tensor) -> Tensor:
        d = len(self.size) - 2
        function = getattr(module, f"{self.kind}{d}d")
        if self.kind.startswith("adaptive"):
            return function(x, self.output_size)
        windows = (self.kernel, self.stride, self.padding)
        if self.kind == "max_pool":
            return function(x, *windows, self.dilation, self.ceil_mode)
        divisor = (self.divisor,) if d > 1 else ()
        return function(x, *windows, self.ceil_mode, self.count_include_pad, *divisor)


@st.composite
def poolings(draw) -> Pooling:
    d = draw(st.sampled_from([1, 2, 2, 3]))

    def per_dimension(strategy):
        return tuple(draw(strategy) for _ in range(d))

    kernel = per_dimension(st.integers(1, 5))
    return Pooling(
        kind=draw(st.sampled_from(["max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool"])),
        size=(draw(st.integers(0, 2)), draw(st.sampled_from([1, 3, 17, 34])), *per_dimension(st.integers(1, 20))),
        kernel=kernel,
        stride=per_dimension(st.integers(1, 5)),
        padding=tuple(draw(st.integers(0, k // 2)) for k in kernel),
        dilation=per_dimension(st.sampled_from([1, 1, 2, 3])),
        ceil_mode=draw(st.booleans()),
        count_include_pad=draw(st.booleans()),
        divisor=draw(st.sampled_from([None, None, 1, 3, -2])),
        output_size=per_dimension(st.integers(1, 7)),
        dtype=draw(st.sampled_from(DTYPES)),
        x_layout=draw(st.sampled_from(["nchw", "nhwc", "strided"])),
        values=draw(st.integers(0, 2**32)),
    )


def check_pooling(p: Pooling) -> None:
    """Results and gradients; that torch refuses what we refuse."""
    generator = torch.Generator().manual_seed(p.values)
    x64, x = draw_tensor(list(p.size), p.x_layout, generator, p.dtype)
    x64.requires_grad_(), x.requires_grad_()
    try:
        y64 = p.call(F, x64)
    except RuntimeError:
        if p.size[0] == 0 or (p.kind == "avg_pool" and len(p.size) == 5):
            return  # torch refuses some empty batches, and in 3-D windows larger than the image without its padding
        with pytest.raises(torchconv.TorchconvError):
            p.call(torchconv, x)
        return
    y = p.call(torchconv, x)
    assert y.dtype == p.dtype and y.shape == y64.shape
    tolerance = {torch.float32: 1e-5, torch.float64: 1e-12}.get(p.dtype, 8 * torch.finfo(p.dtype).eps)
    tolerance = 0 if "max" in p.kind else tolerance
    torch.testing.assert_close(y.double(), y64, rtol=tolerance, atol=tolerance)
    if y64.isinf().any():
        return  # a window of padding alone: torch's index leads out of it
    grad64, grad = draw_tensor(list(y.shape), p.x_layout, generator, p.dtype)
    (ours,), (exact,) = torch.autograd.grad(y, x, grad), torch.autograd.grad(y64, x64, grad64)
    largest = max(1, exact.abs().max().item() if exact.numel() else 0)
    torch.testing.assert_close(ours.double(), exact, rtol=0, atol=tolerance * largest)


# With --full; a sample has 300 of each.
FUZZ = {
    "conv": (10_000, problems(False), check),
    "conv_transpose": (7_000, problems(True), check),
    "pooling": (7_000, poolings(), check_pooling),
}


@pytest.mark.parametrize("kind", FUZZ)
def test_against_torch(kind, full, seed, counted):
    torch.set_num_threads(2)
    count, strategy, checked = FUZZ[kind]
    count = count if full else 300

    @hypothesis_seed(seed)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(p) -> None:
        counted[f"fuzzed problems of {kind}"] += 1
        checked(p)

    run()
    assert counted[f"fuzzed problems of {kind}"] >= count


def test_the_full_run_has_twenty_thousand_problems():
    assert sum(count for count, *_ in FUZZ.values()) >= 20_000
