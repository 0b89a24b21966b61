"""Pooling and channel_shuffle against torch: values, indices, gradients of every order, transforms, layouts, errors."""

import itertools
import math
import random

import pytest
import torch
import torch.nn.functional as F
from layouts import lay_out
from torch._subclasses import FakeTensorMode
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

import torchconv
from torchconv import _C, ops

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
ISAS = ["baseline", "avx2", "avx512", "avx512_bf16"]
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
NAMES = ("max_pool", "avg_pool", "lp_pool", "adaptive_max_pool", "adaptive_avg_pool")
every_isa = pytest.mark.parametrize("isa", ISAS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def images(dim, generator, dtype=torch.float64):
    """Odd sizes, both layouts, equal values, NaN, infinities and strided memory, as the generator draws them."""
    choices = (1, 4, 7, 13, 20, 37) if dim < 3 else (1, 4, 7, 18)
    size = [generator.choice((1, 2)), generator.choice((1, 3, 17, 35))] + [
        generator.choice(choices) for _ in range(dim)
    ]
    x = torch.randn(size, dtype=torch.float64).mul(2)
    x = (x.round() if generator.random() < 0.3 else x).to(dtype)
    if generator.random() < 0.1:
        x[torch.rand(size) < 0.1] = math.nan
    if generator.random() < 0.1:
        x[torch.rand(size) < 0.5] = -math.inf
    return lay_out(x, generator.choice(["nchw", "nhwc", "strided"]))


def windows(dim, generator):
    kernel = [generator.choice((1, 2, 3, 3, 5)) for _ in range(dim)]
    stride = [generator.choice((1, 2, 2, 3, 4)) for _ in range(dim)]
    return kernel, stride, [generator.randint(0, k // 2) for k in kernel], generator.random() < 0.4


def wide(x):
    """What torch computes in: its own 16-bit sums are further from the truth than ours."""
    return x.float() if x.element_size() == 2 else x


def assert_same(call, x, torch_call, exact=False):
    """Value and gradient, or that torch refuses what we refuse."""
    ours, theirs = (t.detach().clone().requires_grad_() for t in (x, x.contiguous()))
    try:
        expected = torch_call(wide(theirs))
    except RuntimeError:
        with pytest.raises(torchconv.TorchconvError, match=r"^\w+: expected .*got "):
            call(ours)
        return
    y = call(ours)
    assert y.dtype == x.dtype
    assert_close(y, expected.to(x.dtype), equal_nan=True, **({"rtol": 0, "atol": 0} if exact else {}))
    g = torch.randn_like(y)
    if not x.isnan().any():
        (got,) = torch.autograd.grad(y, ours, g)
        assert_close(got, torch.autograd.grad(expected, theirs, g.to(expected.dtype))[0])


def index_of_taps(taps, x, kernel, stride, padding, dilation):
    """The indices in their planes that taps stand for."""
    index, step, tap = torch.zeros_like(taps, dtype=torch.int64), 1, taps.long()
    for i in reversed(range(len(kernel))):
        window = torch.arange(taps.shape[2 + i]).view(-1, *[1] * (len(kernel) - 1 - i))
        index += step * (window * stride[i] - padding[i] + tap % kernel[i] * dilation[i])
        step, tap = step * x.shape[2 + i], tap // kernel[i]
    return index.masked_fill(taps == 255, -1)


@every_isa
@every_dtype
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_maximum(dim, dtype, isa, seed):
    _C.set_max_isa(isa)
    generator = random.Random(seed)
    ours, theirs = getattr(torchconv, f"max_pool{dim}d"), getattr(F, f"max_pool{dim}d")
    for _ in range(12):
        x, (kernel, stride, padding, ceil) = images(dim, generator, dtype), windows(dim, generator)
        dilation = [generator.choice((1, 1, 2, 3)) for _ in range(dim)]
        arguments = (kernel, stride, padding, dilation, ceil)
        try:
            # Of a window that is -inf throughout, torch's index depends on the memory format.
            y, indices = theirs(x.contiguous(), *arguments, return_indices=True)
        except RuntimeError:
            continue
        got, at = ours(x, *arguments, return_indices=True)
        without, _ = ops.max_pool(x, *arguments, "nothing")
        with_taps, taps = ops.max_pool(x, *arguments, "taps")
        for other in (without, with_taps):
            assert_close(other, got, rtol=0, atol=0, equal_nan=True)
        assert_close(index_of_taps(taps, x, *arguments[:4]), at, rtol=0, atol=0)
        g = torch.randn_like(got)
        by_taps, by_indices = (ops.max_pool_grad(g, o, x.shape[2:], *arguments) for o in (taps, at))
        assert_close(by_taps, by_indices)
        by_taps, by_indices = (ops.max_pool_gather(x, o, *arguments) for o in (taps, at))
        assert_close(by_taps, by_indices, rtol=0, atol=0, equal_nan=True)
        assert_close(got, y, rtol=0, atol=0, equal_nan=True)
        if at.min() < 0:  # a window of padding alone: torch's index leads out of the window, and possibly of the plane
            assert (got[at < 0] == -math.inf).all()
            continue
        assert_close(at, indices, rtol=0, atol=0)
        assert_same(lambda t, a=arguments: ours(t, *a), x, lambda t, a=arguments: theirs(t, *a), exact=True)


@every_isa
@every_dtype
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_nonfinite_values_stay_in_their_windows(layout, dtype, isa, seed):
    """A NaN or an infinity in an image is seen in the results of the windows that hold it, and in no other."""
    _C.set_max_isa(isa)
    generator = random.Random(seed)
    for size, value in itertools.product(([2, 3, 9, 40], [1, 19, 7, 6]), (math.nan, math.inf)):
        windows = (generator.choice((2, 3)), generator.choice((1, 2, 3)), 1)
        for ours, theirs in ((torchconv.max_pool2d, F.max_pool2d), (torchconv.avg_pool2d, F.avg_pool2d)):
            x = torch.randint(-3, 4, size).to(dtype)
            place = [generator.randrange(n) for n in size]
            y = ours(lay_out(x, layout), *windows)
            spoilt = x.clone()
            spoilt[tuple(place)] = value
            spoilt, there = lay_out(spoilt, layout), theirs((spoilt != x).float(), *windows) > 0
            expected = torch.where(there, torch.tensor(value, dtype=dtype), y)
            assert_close(ours(spoilt, *windows), expected, rtol=0, atol=0, equal_nan=True)
            # The gradient of the average: a spoilt grad_y reaches the elements of its window.
            leaf, at = lay_out(x, layout).requires_grad_(), tuple(generator.randrange(n) for n in y.shape)
            y, clean, g = ours(leaf, *windows), torch.ones(y.shape, dtype=dtype), torch.ones(y.shape, dtype=dtype)
            g[at] = value
            before, after = (torch.autograd.grad(y, leaf, lay_out(t, layout), retain_graph=True)[0] for t in (clean, g))
            one = torch.zeros(y.shape, dtype=dtype)
            one[at] = 1
            reached = torch.autograd.grad(y, leaf, lay_out(one, layout))[0] != 0
            expected = torch.where(reached, torch.tensor(value, dtype=dtype), before)
            assert_close(after, expected, rtol=0, atol=0, equal_nan=True)


@every_isa
@every_dtype
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_average(dim, dtype, isa, seed):
    _C.set_max_isa(isa)
    generator = random.Random(seed)
    ours, theirs = getattr(torchconv, f"avg_pool{dim}d"), getattr(F, f"avg_pool{dim}d")
    for _ in range(12):
        x, (kernel, stride, padding, ceil) = images(dim, generator, dtype).nan_to_num(), windows(dim, generator)
        x = x.clamp(-10, 10)
        divisor = () if dim == 1 else (generator.choice((None, None, 3, -2)),)
        a = (kernel, stride, padding, ceil, generator.random() < 0.5, *divisor)
        assert_same(lambda t, a=a: ours(t, *a), x, lambda t, a=a: theirs(t, *a))


@every_isa
@every_dtype
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_adaptive(dim, dtype, isa, seed):
    _C.set_max_isa(isa)
    generator = random.Random(seed)
    for _ in range(8):
        x, size = images(dim, generator, dtype), [generator.choice((1, 2, 3, 4, 7, 25)) for _ in range(dim)]
        ours, theirs = getattr(torchconv, f"adaptive_max_pool{dim}d"), getattr(F, f"adaptive_max_pool{dim}d")
        got, expected = ours(x, size, return_indices=True), theirs(x.contiguous(), size, return_indices=True)
        assert_close(got, expected, rtol=0, atol=0, equal_nan=True)
        assert_same(lambda t, f=ours, s=size: f(t, s), x, lambda t, f=theirs, s=size: f(t, s))
        ours, theirs = getattr(torchconv, f"adaptive_avg_pool{dim}d"), getattr(F, f"adaptive_avg_pool{dim}d")
        x = x.nan_to_num().clamp(-10, 10)
        assert_same(lambda t, f=ours, s=size: f(t, s), x, lambda t, f=theirs, s=size: f(t, s))


@every_isa
@every_dtype
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_average_of_whole_planes(layout, dtype, isa):
    _C.set_max_isa(isa)
    for size in [(7, 7), (1, 1), (3, 5), (20, 21), (5, 1), (2, 3, 7)]:
        x = lay_out(torch.randn(3, 17, *size).to(dtype), layout)
        d = len(size)
        adaptive, ours, theirs = (
            getattr(module, f"{name}_pool{d}d")
            for module, name in ((torchconv, "adaptive_avg"), (torchconv, "avg"), (F, "avg"))
        )
        assert_same(lambda t, f=adaptive: f(t, 1), x, lambda t, f=theirs, s=size: f(t, s))
        assert_same(lambda t, f=ours, s=size: f(t, s), x, lambda t, f=theirs, s=size: f(t, s))
        assert_same(lambda t, f=ours, s=size: f(t, s, 1, 0, False, True, 3), x,
                    lambda t, f=theirs, s=size: f(t, s, 1, 0, False, True, 3))  # fmt: skip


def test_what_is_kept_for_the_gradient():
    """Taps, a byte each; indices where a window is too large for them, or where they are asked for."""
    x = torch.randn(1, 2, 40, 40, requires_grad=True)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.dtype) or t, lambda t: t):
        torchconv.max_pool2d(x, 15)
        torchconv.max_pool2d(x, 16)
        torchconv.max_pool2d(x, 2, return_indices=True)
    assert saved == [torch.uint8, torch.int64, torch.int64]
    with pytest.raises(RuntimeError, match='keep: expected "indices" for windows of more than 255'):
        ops.max_pool(x, [16, 16], [16, 16], [0, 0], [1, 1], False, "taps")
    with pytest.raises(RuntimeError, match=r'keep: expected .*got "all"'):
        ops.max_pool(x, [2, 2], [2, 2], [0, 0], [1, 1], False, "all")


@pytest.mark.parametrize("norm", [1, 2, 3.0, math.inf, -math.inf])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_lp(dim, norm):
    ours, theirs = getattr(torchconv, f"lp_pool{dim}d"), getattr(F, f"lp_pool{dim}d")
    x = torch.rand(2, 3, *[7] * dim, dtype=torch.float64) + 0.1
    for a in [(2,), (3, 2, True), ([2] * dim if dim > 1 else 2, 1)]:
        assert_same(lambda t, a=a: ours(t, norm, *a), x, lambda t, a=a: theirs(t, norm, *a))
    zero = torch.zeros(1, 1, *[4] * dim, requires_grad=True)
    (grad,) = torch.autograd.grad(ours(zero, 2, 2).sum(), zero)
    assert_close(grad, torch.autograd.grad(theirs(zero, 2, 2).sum(), zero)[0], equal_nan=True)


@every_isa
@every_dtype
@pytest.mark.parametrize("layout", ["nchw", "nhwc", "strided"])
def test_channel_shuffle(layout, dtype, isa):
    _C.set_max_isa(isa)
    for size in [
        (2, 24, 5, 7),
        (1, 48, 3, 3),
        (2, 12, 9),
        (2, 6, 2, 3, 4),
        (2, 240, 3, 5),
        (1, 520, 3, 3),
        (0, 4, 2, 2),
        (2, 6, 0, 2),
    ]:
        x = lay_out(torch.randn(size).to(dtype), layout)
        for groups in [g for g in range(1, size[1] + 1) if size[1] % g == 0]:
            y = torchconv.channel_shuffle(x, groups)
            expected = x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)
            assert_close(y, expected, rtol=0, atol=0, check_stride=False)
            if layout == "nhwc" and x.dim() >= 4 and x.numel():
                assert y.is_contiguous(memory_format=LAST[x.dim()])


@every_isa
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("width", [224, 237])
def test_results_larger_than_the_caches(width, dtype, isa):
    """More than 16 MiB: written past the caches where lines are whole, the usual way where not."""
    _C.set_max_isa(isa)
    x = torch.randint(0, 9, (4, 4 * 24 // dtype.itemsize, 225, width)).to(dtype)
    expected = x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)
    for layout in ["nchw", "nhwc"]:
        assert_close(torchconv.channel_shuffle(lay_out(x, layout), 2), expected, rtol=0, atol=0, check_stride=False)
    for pad, ceil_mode in [(0, False), (1, False), (1, True)]:
        window = {"kernel_size": 3, "stride": 2, "padding": pad, "ceil_mode": ceil_mode}
        ours, theirs = (lambda t, f=f, window=window: f(t, **window) for f in (torchconv.max_pool2d, F.max_pool2d))
        assert_same(ours, x, theirs)


def calls(dim):
    """Every differentiable function, with arguments that exercise it."""
    window = {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}
    yield "max_pool", lambda f: lambda x: f(x, **window, dilation=1)
    yield "avg_pool", lambda f: lambda x: f(x, **window, count_include_pad=False)
    yield "lp_pool", lambda f: lambda x: f(x, 2.0, 3, 2)
    yield "adaptive_max_pool", lambda f: lambda x: f(x, 3)
    yield "adaptive_avg_pool", lambda f: lambda x: f(x, 3)


CALLS = [pytest.param(dim, name, bind, id=f"{name}{dim}d") for dim in (1, 2, 3) for name, bind in calls(dim)]


def example(dim, **kwargs):
    """Values far apart, so that no finite difference changes which is the largest, and positive for the power of lp."""
    size = (2, 3, *(7, 5, 4)[:dim])
    return (torch.randperm(math.prod(size)).view(size).double() / 10 + 0.5).requires_grad_(**kwargs)


@pytest.mark.parametrize(("dim", "name", "bind"), CALLS)
def test_derivatives(dim, name, bind):
    """First and second order, reverse and forward mode, batched; and torch.func against torch's own."""
    ours, theirs = bind(getattr(torchconv, f"{name}{dim}d")), bind(getattr(F, f"{name}{dim}d"))
    x = example(dim)
    assert gradcheck(ours, (x,), check_forward_ad=True, check_batched_grad=True, fast_mode=True)
    assert gradgradcheck(ours, (x,), fast_mode=True, check_fwd_over_rev=True)
    x, tangent = x.detach(), torch.randn_like(x)
    for a, b in zip(torch.func.jvp(ours, (x,), (tangent,)), torch.func.jvp(theirs, (x,), (tangent,)), strict=True):
        assert_close(a, b)
    loss = lambda f: lambda t: f(t).pow(2).sum()  # noqa: E731
    assert_close(torch.func.grad(loss(ours))(x), torch.func.grad(loss(theirs))(x))
    assert_close(torch.vmap(torch.func.grad(loss(ours)))(x), torch.vmap(torch.func.grad(loss(theirs)))(x))
    batch = torch.stack([x, 2 * x, 3 * x], 1)
    assert_close(torch.vmap(ours, 1, 1)(batch), torch.stack([ours(t) for t in batch.unbind(1)], 1))


@pytest.mark.parametrize(("dim", "name", "bind"), CALLS)
def test_unbatched_and_layouts(dim, name, bind):
    ours = bind(getattr(torchconv, f"{name}{dim}d"))
    x = example(dim, requires_grad=False).detach()
    assert_close(ours(x[0]), ours(x)[0])
    if dim > 1:
        last = x.to(memory_format=LAST[dim + 2]).requires_grad_()
        y = ours(last)
        assert y.is_contiguous(memory_format=LAST[dim + 2])
        assert torch.autograd.grad(y, last, y.detach())[0].is_contiguous(memory_format=LAST[dim + 2])


def operator_calls(dim, dtype=torch.float32):
    """Each operator with operands: (name, tensors, rest)."""
    x = torch.randn(2, 4, *(7, 6, 5)[:dim], dtype=dtype)
    window = ([3] * dim, [2] * dim, [1] * dim)
    y, indices = ops.max_pool(x, *window, [1] * dim, True, "indices")
    for keep in ("nothing", "indices", "taps"):
        yield "max_pool", (x,), (*window, [1] * dim, True, keep)
    for origins in (indices, ops.max_pool(x, *window, [1] * dim, True, "taps")[1]):
        yield "max_pool_grad", (y, origins), (x.shape[2:], *window, [1] * dim, True)
        yield "max_pool_gather", (x, origins), (*window, [1] * dim, True)
    yield "avg_pool", (x,), (*window, True, True, None)
    yield "avg_pool_grad", (y,), (x.shape[2:], *window, True, True, None)
    y, indices = ops.adaptive_max_pool(x, [3] * dim, True)
    yield "adaptive_max_pool", (x,), ([3] * dim, True)
    yield "max_pool_grad", (y, indices), (x.shape[2:], [], [], [], [], False)
    yield "adaptive_avg_pool", (x,), ([3] * dim,)
    yield "adaptive_avg_pool_grad", (y,), (x.shape[2:],)
    yield "channel_shuffle", (x,), (2,)


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("layout", ["nchw", "nhwc", "strided"])
def test_fake_strides_are_the_real_ones(dim, layout):
    for name, tensors, rest in operator_calls(dim):
        operands = [lay_out(t, layout) if t.is_floating_point() else t for t in tensors]
        real = getattr(ops, name)(*operands, *rest)
        with FakeTensorMode() as mode:
            fake = getattr(ops, name)(*map(mode.from_tensor, operands), *rest)
        real, fake = (t if isinstance(t, tuple) else (t,) for t in (real, fake))
        for a, b in zip(real, fake, strict=True):
            assert (a.shape, a.stride(), a.dtype) == (b.shape, b.stride(), b.dtype), name


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_opcheck(dim):
    for name, (first, *others), rest in operator_calls(dim, torch.float64):
        arguments = (first.detach().requires_grad_("nothing" not in rest), *others, *rest)
        torch.library.opcheck(getattr(torch.ops.torchconv, name).default, arguments)


@pytest.mark.parametrize("dynamic", [False, True])
def test_compile(dynamic):
    def model(x):
        y = torchconv.max_pool2d(x, 3, 2, 1, ceil_mode=True)
        y = torchconv.avg_pool2d(torchconv.channel_shuffle(y, 2), 2, padding=1)
        return torchconv.adaptive_avg_pool2d(y, 2) + torchconv.adaptive_max_pool2d(y, 2)

    compiled = torch.compile(model, backend="aot_eager", fullgraph=True, dynamic=dynamic)
    for size in [(2, 4, 15, 14), (3, 4, 9, 12)]:
        ours, theirs = (torch.randn(size, generator=torch.Generator().manual_seed(0)) for _ in range(2))
        a, b = compiled(ours.requires_grad_()), model(theirs.requires_grad_())
        assert_close(a, b)
        assert_close(torch.autograd.grad(a.sum(), ours), torch.autograd.grad(b.sum(), theirs))
    with torch.no_grad():
        assert_close(compiled(ours), model(ours))


def test_export():
    class Model(torch.nn.Module):
        def forward(self, x):
            return torchconv.max_pool2d(x, 2, return_indices=True)

    x = torch.randn(2, 3, 8, 8)
    program = torch.export.export(Model(), (x,), dynamic_shapes=({0: torch.export.Dim("n")},))
    x = torch.randn(5, 3, 8, 8)
    assert_close(program.module()(x), Model()(x))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_do_not_change_the_bits(threads):
    x = torch.randn(3, 16, 40, 41)
    results = []
    for count in (1, threads):
        torch.set_num_threads(count)
        for layout in ("nchw", "nhwc"):
            t = lay_out(x, layout).requires_grad_()
            y = torchconv.max_pool2d(t, 3, 2, 1) + torchconv.avg_pool2d(t, 3, 2, 1)
            results.append((count, y, *torch.autograd.grad(y, t, y.detach())))
    for (_, *one), (_, *many) in zip(results[:2], results[2:], strict=True):
        assert_close(one, many, rtol=0, atol=0)


MODULES = {
    "MaxPool": [(3,), (3, 2, 1), (2, 1, 0, 2, True)],
    "AvgPool": [(3,), (3, 2, 1, True, False)],
    "LPPool": [(2, 3), (1.5, 2, 1, True)],
    "AdaptiveMaxPool": [(2,), (3, True)],
    "AdaptiveAvgPool": [(2,), (3,)],
}


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("name", MODULES)
def test_modules(name, dim):
    x = torch.rand(2, 3, *[9] * dim)
    for arguments in MODULES[name]:
        ours, theirs = (
            getattr(torchconv.nn, f"{name}{dim}d")(*arguments),
            getattr(torch.nn, f"{name}{dim}d")(*arguments),
        )
        assert isinstance(ours, type(theirs)) and repr(ours) == repr(theirs)
        assert_close(ours(x), theirs(x))
    shuffle = torchconv.nn.ChannelShuffle(3)
    assert_close(shuffle(x), x)


MISTAKES = {
    "x: expected a torch.Tensor": lambda x: torchconv.max_pool2d([1.0], 2),
    "x: expected dtype": lambda x: torchconv.max_pool2d(x.long(), 2),
    "x: expected 4 dimensions, or 3": lambda x: torchconv.avg_pool2d(x[0, 0], 2),
    "kernel_size: expected positive": lambda x: torchconv.avg_pool2d(x, 0),
    "kernel_size: expected windows no larger": lambda x: torchconv.max_pool2d(x, 9),
    "kernel_size: expected an int or a sequence of 2": lambda x: torchconv.max_pool2d(x, (1, 2, 3)),
    "stride: expected positive": lambda x: torchconv.max_pool2d(x, 2, stride=-1),
    "padding: expected at most half": lambda x: torchconv.max_pool2d(x, 2, padding=2),
    "dilation: expected positive": lambda x: torchconv.max_pool2d(x, 2, dilation=0),
    "divisor_override: expected a number other": lambda x: torchconv.avg_pool2d(x, 2, divisor_override=0),
    "norm_type: expected a number other": lambda x: torchconv.lp_pool2d(x, 0, 2),
    "output_size: expected an int": lambda x: torchconv.adaptive_avg_pool2d(x, "a"),
    "output_size: expected numbers from 0": lambda x: torchconv.adaptive_max_pool2d(x, -1),
    "x: expected spatial sizes of at least 1": lambda x: torchconv.adaptive_avg_pool2d(x[..., :0], 1),
    "groups: expected a divisor": lambda x: torchconv.channel_shuffle(x, 3),
    "groups: expected a positive": lambda x: torchconv.channel_shuffle(x, 0),
    "groups: expected an int": lambda x: torchconv.channel_shuffle(x, "2"),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_errors(message):
    with pytest.raises(torchconv.TorchconvError, match=f"^{message}.*got"):
        MISTAKES[message](torch.ones(2, 4, 5, 5))


def test_indices_outside_the_plane_are_refused():
    x, indices = torch.ones(1, 1, 4), torch.tensor([[[4]]])
    with pytest.raises(RuntimeError, match=r"^torchconv: origins: expected numbers below 4"):
        ops.max_pool_gather(x, indices, [4], [4], [0], [1], False)
