"""What is particular to Winograd's convolution: its matrices, its packs, and which problems it takes."""

import importlib.util
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
import torch

import torchconv
from torchconv import _C, TorchconvError, ops

TOOL = Path(__file__).parent.parent / "tools" / "generate_winograd.py"
spec = importlib.util.spec_from_file_location("generate_winograd", TOOL)
generate = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = generate  # dataclasses look their module up
spec.loader.exec_module(generate)

TILES = pytest.mark.parametrize("m, r", generate.TILES)


def test_the_checked_in_file_is_what_the_tool_writes():
    assert subprocess.run([sys.executable, TOOL, "--check"]).returncode == 0


@TILES
def test_the_matrices_are_a_convolution_exactly(m, r):
    t = generate.transforms(m, r, generate.POINTS[m + r - 1])
    assert generate.is_convolution(t)
    t.data[0][0] += Fraction(1, 2**60)
    assert not generate.is_convolution(t)


@TILES
def test_the_code_computes_the_matrices_exactly(m, r):
    t = generate.transforms(m, r, generate.POINTS[m + r - 1])
    draw = random.Random(m * r)
    for matrix in (t.data, t.weights, t.result, generate.transpose(t.weights), generate.transpose(t.result)):
        values = [Fraction(draw.randint(-99, 99), draw.randint(1, 99)) for _ in matrix[0]]
        expected = [sum(a * v for a, v in zip(row, values)) for row in matrix]
        assert generate.program(matrix).run(values) == expected


def test_the_points_beat_the_usual_ones():
    usual = [Fraction(p) for p in (0, 1, -1, 2, -2)]
    error = {str(points): generate.measured_error(generate.transforms(4, 3, points), channels=16, tiles=40)
             for points in (usual, generate.POINTS[6])}  # fmt: skip
    assert 2 * error[str(generate.POINTS[6])] < error[str(usual)]


@pytest.mark.parametrize(
    "x, w, arguments, reason",
    [
        ((1, 4, 9, 9), (4, 4, 3, 3), {"stride": 2}, "stride 1, and this one is 2x2"),
        ((1, 4, 9, 9), (4, 4, 3, 3), {"dilation": (1, 2)}, "dilation 1, and this one is 1x2"),
        ((1, 4, 9, 9), (4, 4, 1, 1), {}, "1x1 kernel"),
        ((1, 4, 9, 9), (4, 4, 3, 4), {}, "1, 2, 3 or 5 taps along each axis, and this one is 3x4"),
        ((1, 4, 9, 9, 9), (4, 4, 3, 3, 3), {}, "depth"),
    ],
)
def test_reasons(x, w, arguments, reason):
    conv = torchconv.conv3d if len(x) == 5 else torchconv.conv2d
    with pytest.raises(TorchconvError, match=f"winograd4: .*{reason}"):
        conv(torch.randn(x), torch.randn(w), algo="winograd4", **arguments)


def relative_error(y, reference):
    return ((y - reference).abs().max() / reference.abs().max()).item()


@pytest.mark.parametrize("isa", ["avx2", "avx512"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("x, w", [((3, 40, 61, 50), (35, 40, 3, 3)), ((1, 260, 55, 63), (200, 260, 3, 3))])
def test_large_layers_in_every_pass(x, w, layout, isa):
    """Many blocks of tiles, many panels, and tiles in several parts: more than the cases of test_matrix.py have."""
    _C.set_max_isa(isa)
    x, w = torch.randn(x).to(memory_format=layout), torch.randn(w).to(memory_format=layout)
    grad_y = torch.randn(x.shape[0], w.shape[0], *x.shape[2:]).to(memory_format=layout)
    rest = ([1, 1], [1] * 4, [1, 1], 1, "winograd4")
    a, b, g = x.double(), w.double(), grad_y.double()
    expected_x, expected_w, _ = torch.ops.aten.convolution_backward(
        g, a, b, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, True, False]
    )
    assert relative_error(ops.conv_fwd(x, w, None, *rest), torch.conv2d(a, b, padding=1)) < 1e-5
    assert relative_error(ops.conv_grad_input(grad_y, w, None, x.shape, *rest), expected_x) < 1e-5
    assert relative_error(ops.conv_grad_weight(x, grad_y, w.shape, *rest), expected_w) < 1e-5


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("size", [(1, 70, 20, 20), (3, 300, 9, 10), (9, 40, 30, 31)])
def test_the_weights_may_be_packed(size, channels_last):
    """Small and large, so that every driver reads packed weights."""
    x = torch.randn(size)
    x = x.to(memory_format=torch.channels_last) if channels_last else x
    w, rest = torch.randn(45, size[1], 3, 3), ([1, 1], [1] * 4, [1, 1], 1)
    pack = ops.conv_pack(x, w, *rest, "relu", False, "winograd4")
    y = ops.conv_fused(x, w, None, None, pack, *rest, "relu", "winograd4")
    expected = torch.conv2d(x.double(), w.double(), padding=1).relu()
    assert relative_error(y, expected) < 1e-5


@pytest.mark.parametrize("algo", ["winograd2", "winograd4", "winograd5", "winograd6"])
@pytest.mark.parametrize(
    "x, w",
    [
        ((1, 2048, 14, 14), (64, 2048, 3, 3)),
        ((1, 1024, 14, 14), (32, 1024, 3, 3)),
        ((1, 3000, 9, 14), (32, 3000, 1, 3)),
    ],
)
def test_many_channels_err_as_predicted(x, w, algo):
    """Prepared weights and small ones are multiplied by all channels at once: no sum may be one long chain."""
    geometry = ([1, 1], [w[2] // 2, w[2] // 2, 1, 1], [1, 1], 1)
    rows = _C.explain("fwd", x, w, *geometry, algo, "float32", "nchw")
    predicted = next(row["error"] for row in rows if row["algo"] == algo)
    x, w = torch.randn(x), torch.randn(w)
    pack = ops.conv_pack(x, w, *geometry, "none", False, algo)
    exact = torch.conv2d(x.double(), w.double(), padding=geometry[1][::2])
    assert relative_error(ops.conv_fwd(x, w, None, *geometry, algo), exact) < predicted
    assert relative_error(ops.conv_fused(x, w, None, None, pack, *geometry, "none", algo), exact) < predicted


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
@pytest.mark.parametrize(
    "dtype, most", [(torch.float32, 1e-5), (torch.float64, 1e-13), (torch.float16, 2e-3), (torch.bfloat16, 1e-2)]
)
@pytest.mark.parametrize("kernel", [(2, 2), (1, 2), (2, 1), (3, 3), (1, 3)])
def test_few_taps_of_outputs_that_follow_each_other(kernel, dtype, most, isa):
    """As a stride of 2 leaves them of 4x4 and 3x3 weights: whole chunks of outputs, and 3 beyond them."""
    x, w = torch.randn(2, 35, 9, 10).to(dtype), torch.randn(20, 35, *kernel).to(dtype)
    grad_y = torch.randn(2, 20, 10 - kernel[0], 11 - kernel[1]).to(dtype)
    _C.set_max_isa(isa)
    found = ops.conv_grad_input(grad_y, w, None, x.shape, [1, 1], [0] * 4, [1, 1], 1, "winograd4")
    exact = torch.nn.grad.conv2d_input(x.shape, w.double(), grad_y.double())
    assert relative_error(found.double(), exact) < most
