"""The functional API against torch.nn.functional: values, gradients, and what torch does not have."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

import torchconv

CONV = {
    1: (torchconv.conv1d, F.conv1d),
    2: (torchconv.conv2d, F.conv2d),
    3: (torchconv.conv3d, F.conv3d),
}
TRANSPOSE = {
    1: (torchconv.conv_transpose1d, F.conv_transpose1d),
    2: (torchconv.conv_transpose2d, F.conv_transpose2d),
    3: (torchconv.conv_transpose3d, F.conv_transpose3d),
}


def tensors(*sizes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return [
        None if size is None else torch.randn(size, generator=generator, dtype=dtype).requires_grad_() for size in sizes
    ]


def check(ours, torchs, operands, **arguments):
    """Values and gradients of both functions agree, and so do the strides of the results."""
    y, expected = ours(*operands, **arguments), torchs(*operands, **arguments)
    assert_close(y, expected)
    assert y.stride() == expected.stride()
    inputs = [t for t in operands if t is not None]
    grad_y = torch.randn_like(expected)
    assert_close(torch.autograd.grad(y, inputs, grad_y), torch.autograd.grad(expected, inputs, grad_y))


@pytest.mark.parametrize("batch", [(2,), (), (0,)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"stride": 2, "padding": 1},
        {"stride": (2, 3), "padding": (2, 1), "dilation": (1, 2)},
        {"stride": [3], "padding": [2], "dilation": [2]},
        {"padding": "same", "dilation": 2},
        {"padding": "valid", "stride": 2},
        {"groups": 2, "padding": 1},
    ],
)
def test_conv2d(batch, bias, arguments):
    channels = 4 // arguments.get("groups", 1)
    operands = tensors((*batch, 4, 9, 8), (6, channels, 3, 2), (6,) if bias else None)
    check(*CONV[2], operands, **arguments)


@pytest.mark.parametrize("batch", [(2,), (), (0,)])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"stride": 2, "padding": 1},
        {"stride": (2,), "padding": (2,), "dilation": (2,)},
        {"padding": "same", "dilation": 3},
        {"padding": "valid"},
        {"groups": 2, "padding": 1},
    ],
)
def test_conv1d(batch, arguments):
    channels = 4 // arguments.get("groups", 1)
    check(*CONV[1], tensors((*batch, 4, 13), (6, channels, 4), (6,)), **arguments)


@pytest.mark.parametrize("batch", [(2,), (), (0,)])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"stride": 2, "padding": 1},
        {"stride": (2, 1, 3), "padding": (0, 2, 1), "dilation": (1, 2, 1)},
        {"stride": [3], "padding": [2], "dilation": [2]},
        {"padding": "same", "dilation": (2, 1, 3)},
        {"padding": "valid", "stride": 2},
        {"groups": 2, "padding": 1},
    ],
)
def test_conv3d(batch, arguments):
    channels = 4 // arguments.get("groups", 1)
    operands = tensors((*batch, 4, 5, 7, 6), (6, channels, 3, 2, 3), (6,))
    if batch == (0,):  # torch itself has no gradient of an empty batch in 3-D
        y = torchconv.conv3d(*operands, **arguments)
        assert y.shape == F.conv3d(*operands, **arguments).shape
        assert all(not g.any() for g in torch.autograd.grad(y.sum(), operands))
    else:
        check(*CONV[3], operands, **arguments)


@pytest.mark.parametrize("batch", [(2,), (), (0,)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"stride": 2, "padding": 1, "output_padding": 1},
        {"stride": (3, 2), "padding": (1, 0), "output_padding": (2, 1), "dilation": (2, 1)},
        {"stride": 2, "output_padding": 4, "dilation": 5},
        {"stride": 1, "output_padding": (1, 2), "dilation": 3, "padding": 1},
        {"groups": 2, "stride": 2},
    ],
)
def test_conv_transpose2d(batch, bias, arguments):
    groups = arguments.get("groups", 1)
    operands = tensors((*batch, 4, 5, 4), (4, 6 // groups, 3, 2), (6,) if bias else None)
    check(*TRANSPOSE[2], operands, **arguments)


@pytest.mark.parametrize("batch", [(2,), (), (0,)])
@pytest.mark.parametrize(
    "arguments",
    [{}, {"stride": 3, "padding": 1, "output_padding": 2}, {"stride": 2, "output_padding": (3,), "dilation": (4,)}],
)
def test_conv_transpose1d(batch, arguments):
    check(*TRANSPOSE[1], tensors((*batch, 4, 7), (4, 6, 3), (6,)), **arguments)


@pytest.mark.parametrize("batch", [(2,), ()])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"stride": 2, "padding": 1, "output_padding": 1},
        {"stride": (3, 2, 1), "padding": (1, 0, 2), "output_padding": (2, 1, 0), "dilation": (2, 1, 1)},
        {"stride": 2, "output_padding": (4, 0, 3), "dilation": 5},
        {"groups": 2, "stride": 2},
    ],
)
def test_conv_transpose3d(batch, arguments):
    groups = arguments.get("groups", 1)
    check(*TRANSPOSE[3], tensors((*batch, 4, 3, 4, 5), (4, 6 // groups, 3, 2, 2), (6,)), **arguments)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_dtypes(dtype):
    x, w, bias = tensors((2, 3, 8, 8), (5, 3, 3, 3), (5,), dtype=dtype)
    y = torchconv.conv2d(x, w, bias, padding=1)
    assert y.dtype == dtype
    assert_close(y, F.conv2d(x, w, bias, padding=1))
    x, w, bias = tensors((2, 3, 4, 5, 6), (5, 3, 3, 3, 3), (5,), dtype=dtype)
    y = torchconv.conv3d(x, w, bias, padding=1)
    assert y.dtype == dtype
    assert_close(y, F.conv3d(x.double(), w.double(), bias.double(), padding=1).to(dtype))


def test_channels_last_stays_channels_last():
    x, w = tensors((2, 8, 6, 6), (8, 8, 3, 3))
    x = x.detach().contiguous(memory_format=torch.channels_last)
    for function in (torchconv.conv2d, torchconv.conv_transpose2d):
        assert function(x, w).is_contiguous(memory_format=torch.channels_last)
    x, w = tensors((2, 8, 3, 4, 5), (8, 8, 2, 3, 3))
    x = x.detach().contiguous(memory_format=torch.channels_last_3d)
    for function in (torchconv.conv3d, torchconv.conv_transpose3d):
        assert function(x, w).is_contiguous(memory_format=torch.channels_last_3d)


def test_six_sided_padding_of_a_transposed_convolution_crops():
    x, w = tensors((2, 3, 3, 4, 5), (3, 4, 3, 4, 4))
    whole = F.conv_transpose3d(x, w, stride=2)
    cropped = torchconv.conv_transpose3d(x, w, stride=2, padding=((2, 1), (1, 2), (0, 3)))
    assert_close(cropped, whole[:, :, 2:-1, 1:-2, : whole.shape[4] - 3])


def test_strided_same_in_three_dimensions():
    x, w = tensors((1, 2, 5, 6, 7), (3, 2, 3, 2, 4))
    y = torchconv.conv3d(x, w, stride=(2, 3, 1), padding="same")
    assert_close(y, F.conv3d(F.pad(x, (1, 2, 0, 0, 1, 1)), w, stride=(2, 3, 1)))


def test_no_input_channels():
    x, w, bias = tensors((2, 0, 4, 4), (3, 0, 3, 3), (3,))
    y = torchconv.conv2d(x, w, bias, padding=1)
    assert_close(y, bias.view(1, 3, 1, 1).expand(2, 3, 4, 4))
    y.sum().backward()
    assert x.grad.shape == x.shape and w.grad.shape == w.shape
    assert_close(bias.grad, torch.full_like(bias, 2 * 4 * 4))


def test_no_output_channels():
    x, w = tensors((2, 3, 4, 4), (0, 3, 3, 3))
    assert torchconv.conv2d(x, w, padding=1).shape == (2, 0, 4, 4)


def test_arguments_by_the_names_of_torch():
    x, w, bias = tensors((2, 3, 8, 8), (3, 3, 3, 3), (3,))
    assert_close(torchconv.conv2d(input=x, weight=w, bias=bias, stride=2), F.conv2d(x, w, bias, stride=2))
    assert_close(torchconv.conv2d(x, weight=w), F.conv2d(x, w))
    assert_close(torchconv.conv_transpose2d(weight=w, input=x), F.conv_transpose2d(x, w))


def test_anything_with_an_index_is_an_int():
    x, w = tensors((1, 4, 9, 9), (4, 2, 3, 3))
    two, one = np.int64(2), torch.tensor(1)
    y = torchconv.conv2d(x, w, None, two, (one, np.int32(1)), [one, one], np.int64(2))
    assert_close(y, F.conv2d(x, w, None, 2, 1, 1, 2))


def test_flip_is_true_convolution():
    a, b = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, -1.0, 0.5])
    x, w = torch.from_numpy(a).view(1, 1, -1), torch.from_numpy(b).view(1, 1, -1)
    assert_close(torchconv.conv1d(x, w, padding=2, flip=True).flatten(), torch.from_numpy(np.convolve(a, b)))


@pytest.mark.parametrize("transposed", [False, True])
def test_flip_2d(transposed):
    x, w = tensors((1, 2, 6, 6), (2, 2, 3, 2))
    ours, torchs = TRANSPOSE[2] if transposed else CONV[2]
    assert_close(ours(x, w, flip=True), torchs(x, w.flip(2, 3)))


@pytest.mark.parametrize("transposed", [False, True])
def test_flip_3d(transposed):
    x, w = tensors((1, 2, 4, 5, 6), (2, 2, 2, 3, 2))
    ours, torchs = TRANSPOSE[3] if transposed else CONV[3]
    assert_close(ours(x, w, flip=True), torchs(x, w.flip(2, 3, 4)))


@pytest.mark.parametrize(
    "padding, sides",
    [
        (((1, 2), (3, 0)), (1, 2, 3, 0)),
        ((1, (0, 2)), (1, 1, 0, 2)),
        (((2, 1),), (2, 1, 2, 1)),
        ([[0, 1], 2], (0, 1, 2, 2)),
    ],
)
def test_four_sided_padding(padding, sides):
    top, bottom, left, right = sides
    x, w, bias = tensors((2, 3, 7, 6), (4, 3, 3, 3), (4,))

    def padded(x, w, bias, padding, stride):
        return F.conv2d(F.pad(x, (left, right, top, bottom)), w, bias, stride)

    check(torchconv.conv2d, padded, (x, w, bias), padding=padding, stride=2)


@pytest.mark.parametrize(
    "padding, sides",
    [
        (((1, 2), (3, 0), (0, 1)), (1, 2, 3, 0, 0, 1)),
        ((1, (0, 2), 3), (1, 1, 0, 2, 3, 3)),
        ((0, 1, 2), (0, 0, 1, 1, 2, 2)),
        (((2, 1),), (2, 1, 2, 1, 2, 1)),
    ],
)
def test_six_sided_padding(padding, sides):
    x, w, bias = tensors((2, 3, 4, 5, 6), (4, 3, 2, 3, 3), (4,))

    def padded(x, w, bias, padding, stride):
        return F.conv3d(F.pad(x, (*sides[4:], *sides[2:4], *sides[:2])), w, bias, stride)

    check(torchconv.conv3d, padded, (x, w, bias), padding=padding, stride=2)


def test_two_sided_padding():
    x, w = tensors((2, 3, 9), (4, 3, 3))
    assert_close(torchconv.conv1d(x, w, padding=((3, 1),)), F.conv1d(F.pad(x, (3, 1)), w))


def test_four_sided_padding_of_a_transposed_convolution_crops():
    x, w = tensors((2, 3, 5, 5), (3, 4, 4, 4))
    whole = F.conv_transpose2d(x, w, stride=2)
    cropped = torchconv.conv_transpose2d(x, w, stride=2, padding=((1, 2), (0, 3)))
    assert_close(cropped, whole[:, :, 1:-2, : whole.shape[3] - 3])


@pytest.mark.parametrize("kernel, stride, dilation", [(3, 2, 1), (2, 3, 1), (5, 2, 2), (1, 4, 1), (4, 3, 1)])
@pytest.mark.parametrize("size", [5, 6, 7, 12])
def test_same_with_stride(kernel, stride, dilation, size):
    """TensorFlow's rule: ceil(size / stride) outputs, the odd zero after the end."""
    x, w = tensors((1, 2, size), (3, 2, kernel))
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    y = torchconv.conv1d(x, w, stride=stride, padding="same", dilation=dilation)
    assert y.shape[2] == outputs
    assert_close(y, F.conv1d(F.pad(x, (total // 2, total - total // 2)), w, stride=stride, dilation=dilation))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_inf_reach_what_direct_summation_says(value):
    """With algo="auto:direct" they stay where float64 torch has them, in the outputs and in both gradients."""
    x, w = (t.detach().float() for t in tensors((1, 2, 8, 8), (3, 2, 3, 3)))
    x[0, 1, 2, 5] = value
    y = torchconv.conv2d(x.requires_grad_(), w.requires_grad_(), padding=1, algo="auto:direct")
    x64, w64 = (t.detach().double().requires_grad_() for t in (x, w))
    expected = F.conv2d(x64, w64, padding=1)
    assert_close(y.double(), expected, equal_nan=True, rtol=1e-5, atol=1e-5)
    y.sum().backward()
    expected.sum().backward()
    for ours, torchs in ((x, x64), (w, w64)):
        assert_close(ours.grad.double(), torchs.grad, equal_nan=True, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch", [(2,), ()])
@pytest.mark.parametrize(
    "arguments",
    [{"kernel_size": 2}, {"kernel_size": (3, 2), "dilation": (1, 2), "padding": (2, 1), "stride": (2, 3)}],
)
def test_unfold_and_fold(batch, arguments):
    (x,) = tensors((*batch, 3, 7, 6))
    check(torchconv.unfold, F.unfold, (x,), **arguments)
    columns = F.unfold(x, **arguments).detach().requires_grad_()
    check(torchconv.fold, F.fold, (columns,), output_size=(7, 6), **arguments)
    assert_close(
        torchconv.fold(input=columns, output_size=(7, 6), **arguments), torchconv.fold(columns, (7, 6), **arguments)
    )


def test_unfold_with_four_sided_padding():
    (x,) = tensors((2, 3, 7, 6))
    expected = F.unfold(F.pad(x, (0, 3, 1, 2)), 3)
    assert_close(torchconv.unfold(input=x, kernel_size=3, padding=((1, 2), (0, 3))), expected)


@pytest.mark.parametrize("sizes", [((5, 7), (7, 3)), ((1, 1), (1, 1)), ((0, 4), (4, 2)), ((3, 0), (0, 2))])
def test_gemm(sizes):
    check(torchconv.gemm, torch.mm, tensors(*sizes))


def test_compiles_in_one_graph_for_every_size():
    def f(x, w):
        y = torchconv.conv2d(x, w, stride=2, padding="same")
        return torchconv.conv_transpose2d(y, w, stride=2, padding=((1, 0), (0, 1)), output_padding=1)

    compiled = torch.compile(f, backend="aot_eager", fullgraph=True, dynamic=True)
    for size in (8, 9, 13):
        x, w = tensors((2, 3, size, size + 2), (3, 3, 3, 3))
        assert_close(compiled(x, w), f(x, w))


@pytest.mark.parametrize("kernel", [1, 3, 4])
def test_same_with_stride_exports_for_every_size(kernel):
    m = torchconv.nn.Conv2d(2, 3, kernel, stride=2, padding="same")
    height, width = torch.export.Dim("height", min=4, max=100), torch.export.Dim("width", min=4, max=100)
    exported = torch.export.export(m, (torch.randn(1, 2, 8, 9),), dynamic_shapes=({2: height, 3: width},))
    for size in ((8, 9), (5, 6), (13, 100)):
        x = torch.randn(1, 2, *size)
        assert_close(exported.module()(x), m(x))


def test_fx_keeps_one_node_per_convolution():
    class Model(torch.nn.Module):
        def forward(self, x, w):
            return torchconv.conv2d(x, w, padding=1).relu()

    x, w = tensors((1, 3, 5, 5), (3, 3, 3, 3))
    traced = torch.fx.symbolic_trace(Model())
    assert [node.target for node in traced.graph.nodes if node.op == "call_function"] == [torchconv.conv2d]
    assert_close(traced(x, w), Model()(x, w))


def test_tensor_subclasses_are_asked():
    class Tagged(torch.Tensor):
        pass

    x, w = torch.ones(1, 1, 3, 3).as_subclass(Tagged), torch.ones(1, 1, 3, 3)
    assert isinstance(torchconv.conv2d(x, w), Tagged)
    assert torchconv.conv2d(x, w).item() == 9
