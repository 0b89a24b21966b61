"""Memory formats: results have the strides that torch's own have, fake and meta tensors those of real ones."""

import itertools

import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode

from torchconv import ops

# N, C, H, W, K, kernel, groups: sizes 0 and 1 are where memory formats become ambiguous.
SHAPES = [
    (2, 3, 5, 4, 6, 3, 1),
    (2, 4, 5, 4, 6, 1, 2),
    (1, 3, 5, 4, 2, 3, 1),
    (2, 1, 5, 4, 1, 3, 1),
    (2, 3, 1, 1, 4, 1, 1),
    (2, 3, 3, 3, 4, 3, 1),
    (1, 1, 1, 1, 1, 1, 1),
    (1, 4, 1, 1, 1, 1, 1),
    (2, 3, 1, 4, 2, 1, 1),
    (2, 3, 4, 1, 2, 1, 1),
    (0, 3, 5, 4, 6, 3, 1),
    (2, 0, 5, 4, 6, 3, 1),
    (2, 3, 5, 4, 0, 3, 1),
]
LAYOUTS = {
    "contiguous": lambda t: t,
    "channels_last": lambda t: t.to(memory_format=torch.channels_last),
    "transposed": lambda t: t.transpose(2, 3).contiguous().transpose(2, 3),
    "channels first of all": lambda t: t.transpose(0, 1).contiguous().transpose(0, 1),
    "expanded": lambda t: t[:1, :1].expand(t.shape),
    "expanded batch": lambda t: t[:1].to(memory_format=torch.channels_last).expand(t.shape),
    "sliced": lambda t: t.repeat(1, 1, 1, 2)[..., ::2],
    "sliced channels_last": lambda t: t.repeat(1, 2, 1, 1).to(memory_format=torch.channels_last)[:, ::2],
    "narrow channels_last": lambda t: t.repeat(1, 1, 1, 2).to(memory_format=torch.channels_last)[..., : t.size(3)],
}  # fmt: skip
WEIGHTS = ("contiguous", "channels_last", "sliced")
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))
geometry = ([1, 1], [0, 0, 0, 0], [1, 1])


def operands(shape) -> tuple[Tensor, Tensor, Tensor]:
    N, C, H, W, K, R, G = shape
    return torch.randn(N, C, H, W), torch.randn(K, C // G, R, R), torch.randn(N, K, H - R + 1, W - R + 1)


def calls(x: Tensor, w: Tensor, grad_y: Tensor, groups: int):
    """The three operators on these operands: (a function of two, the two, what the result takes its format from)."""
    rest = (*geometry, groups, "reference")
    yield lambda a, b: ops.conv_fwd(a, b, None, *rest), (x, w), x
    yield lambda a, b: ops.conv_grad_input(a, b, None, x.shape, *rest), (grad_y, w), grad_y
    yield lambda a, b: ops.conv_grad_weight(a, b, w.shape, *rest), (x, grad_y), x


def suggested(t: Tensor) -> torch.memory_format:
    """What torch takes the memory format of t to be: a pointwise result on expanded memory would not say it."""
    return torch._prims_common.suggest_memory_format(t)


@every_shape
@pytest.mark.parametrize("layout", LAYOUTS)
def test_results_take_the_format_of_their_first_operand(shape, layout):
    plain = operands(shape)
    for call, (a, b), like in calls(*map(LAYOUTS[layout], plain), shape[-1]):
        result = call(a, b)
        assert result.is_contiguous(memory_format=suggested(like)) or result.numel() == 0
        torch.testing.assert_close(result, call(a.contiguous(), b.contiguous()))


@every_shape
@pytest.mark.parametrize(("image", "weight"), list(itertools.product(LAYOUTS, WEIGHTS)))
def test_fake_and_meta_strides_are_the_real_ones(shape, image, weight):
    x, w, grad_y = operands(shape)
    x, grad_y, w = LAYOUTS[image](x), LAYOUTS[image](grad_y), LAYOUTS[weight](w)
    for call, pair, _ in calls(x, w, grad_y, shape[-1]):
        real = call(*pair)
        with FakeTensorMode() as mode:
            fake = call(*map(mode.from_tensor, pair))
        meta = call(*(torch.empty_strided(t.shape, t.stride(), device="meta") for t in pair))
        for shadow in (fake, meta):
            assert (shadow.shape, shadow.stride(), shadow.dtype) == (real.shape, real.stride(), real.dtype)


@pytest.mark.parametrize("shape", [s for s in SHAPES if 0 not in s[:5]], ids=lambda s: "x".join(map(str, s)))
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_forward_is_torchs(shape, layout):
    """Values and, where x is in one format only, that format. (For torch, a channels_last w decides as well.)"""
    x, w, _ = operands(shape)
    x = LAYOUTS[layout](x)
    ours = ops.conv_fwd(x, w, None, *geometry, shape[-1], "reference")
    theirs = torch.nn.functional.conv2d(x, w, groups=shape[-1])
    torch.testing.assert_close(ours, theirs)
    formats = torch.contiguous_format, torch.channels_last
    if not all(x.is_contiguous(memory_format=f) for f in formats):
        assert [ours.is_contiguous(memory_format=f) for f in formats] == [
            theirs.is_contiguous(memory_format=f) for f in formats
        ]


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "sliced"])
def test_one_dimension_is_contiguous(layout):
    x = {
        "contiguous": torch.randn(2, 4, 7),
        "transposed": torch.randn(2, 7, 4).transpose(1, 2),
        "sliced": torch.randn(2, 4, 14)[..., ::2],
    }[layout]
    w = torch.randn(6, 2, 3)
    rest = ([2], [1, 0], [1], 2, "reference")
    y = ops.conv_fwd(x, w, None, *rest)
    torch.testing.assert_close(y, torch.nn.functional.conv1d(torch.nn.functional.pad(x, (1, 0)), w, stride=2, groups=2))
    grads = ops.conv_grad_input(y, w, None, x.shape, *rest), ops.conv_grad_weight(x, y, w.shape, *rest)
    with FakeTensorMode() as mode:
        fake_x, fake_w, fake_y = map(mode.from_tensor, (x, w, y))
        fakes = (
            ops.conv_fwd(fake_x, fake_w, None, *rest),
            ops.conv_grad_input(fake_y, fake_w, None, x.shape, *rest),
            ops.conv_grad_weight(fake_x, fake_y, w.shape, *rest),
        )
    for real, fake in zip((y, *grads), fakes, strict=True):
        assert real.is_contiguous()
        assert (fake.shape, fake.stride()) == (real.shape, real.stride())


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_unfold_fold_and_gemm(layout):
    x = LAYOUTS[layout](torch.randn(2, 3, 6, 5))
    window = ([3, 2], [2, 1], [1, 0, 2, 1], [1, 2])
    columns = ops.unfold(x, *window)
    image = ops.fold(columns.transpose(1, 2).contiguous().transpose(1, 2), [6, 5], *window)
    with FakeTensorMode() as mode:
        fake_x, fake_columns = map(mode.from_tensor, (x, columns))
        fakes = (
            ops.unfold(fake_x, *window),
            ops.fold(fake_columns, [6, 5], *window),
            ops.gemm(fake_columns[0].t(), fake_columns[1]),
        )
    for real, fake in zip((columns, image, ops.gemm(columns[0].t(), columns[1])), fakes, strict=True):
        assert (fake.shape, fake.stride()) == (real.shape, real.stride())


# N, C, D, H, W, K, groups: the kernel is 1 along dimensions of size 1, else 2.
SHAPES_3D = [
    (2, 3, 3, 4, 5, 6, 1),
    (2, 4, 3, 4, 5, 2, 2),
    (1, 3, 3, 4, 5, 1, 1),
    (2, 1, 3, 4, 5, 1, 1),
    (2, 3, 1, 1, 1, 4, 1),
    (2, 3, 1, 4, 5, 2, 1),
    (2, 3, 4, 1, 1, 2, 1),
    (1, 1, 1, 1, 1, 1, 1),
    (2, 3, 2, 2, 2, 4, 1),
    (0, 3, 3, 4, 5, 6, 1),
    (2, 0, 3, 4, 5, 6, 1),
    (2, 3, 3, 4, 5, 0, 1),
]
LAYOUTS_3D = {
    "contiguous": lambda t: t,
    "channels_last": lambda t: t.to(memory_format=torch.channels_last_3d),
    "transposed": lambda t: t.transpose(2, 3).contiguous().transpose(2, 3),
    "expanded": lambda t: t[:1, :1].expand(t.shape),
    "expanded batch": lambda t: t[:1].to(memory_format=torch.channels_last_3d).expand(t.shape),
    "sliced": lambda t: t.repeat(1, 1, 1, 1, 2)[..., ::2],
    "sliced channels_last": lambda t: t.repeat(1, 2, 1, 1, 1).to(memory_format=torch.channels_last_3d)[:, ::2],
    "shallow channels_last": lambda t: t.repeat(1, 1, 2, 1, 1).to(memory_format=torch.channels_last_3d)[
        :, :, : t.size(2)
    ],
}


@pytest.mark.parametrize("shape", SHAPES_3D, ids=lambda s: "x".join(map(str, s)))
@pytest.mark.parametrize(("image", "weight"), list(itertools.product(LAYOUTS_3D, WEIGHTS)))
def test_three_dimensions(shape, image, weight):
    """Results take the format of their first operand, and fake and meta tensors have the strides of real ones."""
    N, C, D, H, W, K, groups = shape
    kernel = [min(n, 2) for n in (D, H, W)]
    sizes = [N, C, D, H, W], [K, C // groups, *kernel], [N, K, *(n - r + 1 for n, r in zip((D, H, W), kernel))]
    plain = [torch.randn(size) for size in sizes]
    x, grad_y, w = LAYOUTS_3D[image](plain[0]), LAYOUTS_3D[image](plain[2]), LAYOUTS_3D[weight](plain[1])
    rest = ([1] * 3, [0] * 6, [1] * 3, groups, "reference")
    for call, pair in (
        (lambda a, b: ops.conv_fwd(a, b, None, *rest), (x, w)),
        (lambda a, b: ops.conv_grad_input(a, b, None, x.shape, *rest), (grad_y, w)),
        (lambda a, b: ops.conv_grad_weight(a, b, w.shape, *rest), (x, grad_y)),
    ):
        real = call(*pair)
        assert real.stride() == torch.empty(real.shape).to(memory_format=suggested(pair[0])).stride()
        torch.testing.assert_close(real, call(*(t.contiguous() for t in pair)))
        with FakeTensorMode() as mode:
            fake = call(*map(mode.from_tensor, pair))
        meta = call(*(torch.empty_strided(t.shape, t.stride(), device="meta") for t in pair))
        for shadow in (fake, meta):
            assert (shadow.shape, shadow.stride(), shadow.dtype) == (real.shape, real.stride(), real.dtype)


def test_gradients_take_the_formats_of_their_tensors():
    """A channels_last network trains in channels_last, though its weights stay as they are."""
    x, w, grad_y = operands(SHAPES[0])
    x, grad_y = (t.to(memory_format=torch.channels_last) for t in (x, grad_y))
    tensors = x.requires_grad_(), w.requires_grad_()
    y = ops.conv_fwd(*tensors, None, *geometry, 1, "reference")
    grads = torch.autograd.grad(y, tensors, grad_y)
    for got in (y, *grads):
        assert got.is_contiguous(memory_format=torch.channels_last)
    for ours, theirs in zip(grads, torch.autograd.grad(torch.nn.functional.conv2d(x, w), tensors, grad_y), strict=True):
        torch.testing.assert_close(ours, theirs)


MISTAKES = {
    "w channels": lambda x, w, y, r: ops.conv_fwd(x, w[:, :1], None, *r),
    "bias": lambda x, w, y, r: ops.conv_fwd(x, w, w[0, 0, 0, :2], *r),
    "kernel too large": lambda x, w, y, r: ops.conv_fwd(x[:, :, :2], w, None, *r),
    "grad_y": lambda x, w, y, r: ops.conv_grad_input(y[:, :, 1:], w, None, x.shape, *r),
    "x_size": lambda x, w, y, r: ops.conv_grad_input(y, w, None, [9, 9, 9, 9], *r),
    "bias of grad_input": lambda x, w, y, r: ops.conv_grad_input(y, w, w[0, 0, 0, :2], x.shape, *r),
    "w_size": lambda x, w, y, r: ops.conv_grad_weight(x, y, [1, 2, 3, 4], *r),
    "unfold": lambda x, w, y, r: ops.unfold(x, [9, 9], *geometry),
    "fold": lambda x, w, y, r: ops.fold(y.flatten(2), [1, 1], [3, 2], *geometry),
    "dtype of w": lambda x, w, y, r: ops.conv_fwd(x, w.double(), None, *r),
    "dtype of the bias": lambda x, w, y, r: ops.conv_fwd(x, w, w[:, 0, 0, 0].double(), *r),
    "dtype of w in grad_input": lambda x, w, y, r: ops.conv_grad_input(y, w.half(), None, x.shape, *r),
    "dtype of grad_y": lambda x, w, y, r: ops.conv_grad_weight(x, y.bfloat16(), w.shape, *r),
    "integers": lambda x, w, y, r: ops.conv_fwd(x.long(), w.long(), None, *r),
    "integers in grad_input": lambda x, w, y, r: ops.conv_grad_input(y.int(), w.int(), None, x.shape, *r),
    "integers in grad_weight": lambda x, w, y, r: ops.conv_grad_weight(x.bool(), y.bool(), w.shape, *r),
    "complex numbers": lambda x, w, y, r: ops.conv_fwd(x.to(torch.complex64), w.to(torch.complex64), None, *r),
    "algo": lambda x, w, y, r: ops.conv_fwd(x, w, None, *r[:-1], "magic"),
    "algo of grad_input": lambda x, w, y, r: ops.conv_grad_input(y, w, None, x.shape, *r[:-1], "auto:much"),
    "algo of grad_weight": lambda x, w, y, r: ops.conv_grad_weight(x, y, w.shape, *r[:-1], ""),
    "rank 2 of unfold": lambda x, w, y, r: ops.unfold(x[0, 0], [3, 3], *geometry),
    "rank 5 of unfold": lambda x, w, y, r: ops.unfold(x[None], [3, 3], *geometry),
    "integers in unfold": lambda x, w, y, r: ops.unfold(x.long(), [3, 3], *geometry),
    "rows of fold": lambda x, w, y, r: ops.fold(y.flatten(2), [5, 4], [2, 2], *geometry),
    "places of fold": lambda x, w, y, r: ops.fold(y.flatten(2), [5, 4], [3, 2], *geometry),
    "rank of fold": lambda x, w, y, r: ops.fold(y, [5, 4], [3, 2], *geometry),
    "kernel of fold": lambda x, w, y, r: ops.fold(y.flatten(2), [5, 4], [0, 0], *geometry),
    "output_size of fold": lambda x, w, y, r: ops.fold(y.flatten(2), [5], [3, 2], *geometry),
    "integers in fold": lambda x, w, y, r: ops.fold(y.flatten(2).long(), [5, 4], [3, 2], *geometry),
    "sizes of gemm": lambda x, w, y, r: ops.gemm(x[0, 0], x[0, 0]),
    "rank of a": lambda x, w, y, r: ops.gemm(x[0], x[0, 0].t()),
    "rank of b": lambda x, w, y, r: ops.gemm(x[0, 0], x[0]),
    "dtype of b": lambda x, w, y, r: ops.gemm(x[0, 0], x[0, 0].t().double()),
    "gemm in float16": lambda x, w, y, r: ops.gemm(x[0, 0].half(), x[0, 0].t().half()),
    "integers in gemm": lambda x, w, y, r: ops.gemm(x[0, 0].long(), x[0, 0].t().long()),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_fake_tensors_get_the_real_errors(mistake):
    tensors = operands(SHAPES[0])
    rest = (*geometry, 1, "reference")
    messages = []
    for device in ("cpu", "meta"):
        with pytest.raises(RuntimeError) as error:
            MISTAKES[mistake](*(t.to(device) for t in tensors), rest)
        messages.append(str(error.value).split("\n")[0])
    assert messages[0] == messages[1]
    assert messages[0].startswith("torchconv: ")
