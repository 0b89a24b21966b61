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
from torchconv import TorchconvError, ops

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
    assert (y - expected).abs().max() < 1e-5 * expected.max()
