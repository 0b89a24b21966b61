"""TORCHCONV_LOG=1 tells the first pick of each problem, and why no other row was taken."""

import os
import subprocess
import sys

import pytest

CODE = """
import torch, torchconv
x, w = torch.ones(2, 16, 20, 20, requires_grad=True), torch.ones(32, 16, 3, 3, requires_grad=True)
for _ in range(2):
    torchconv.conv2d(x, w, padding=1).sum().backward()
torchconv.conv3d(torch.ones(1, 2, 3, 4, 5), torch.ones(3, 2, 1, 2, 2), padding=((1, 0), 0, (0, 2)), algo="reference")
"""


def lines(value):
    environment = {k: v for k, v in os.environ.items() if k != "TORCHCONV_LOG"} | value
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    return [line for line in done.stderr.splitlines() if line.startswith("torchconv: ")]


def test_one_line_for_each_problem():
    found = lines({"TORCHCONV_LOG": "1"})
    assert [line.split()[1] for line in found] == ["fwd", "grad_input", "grad_weight", "fwd"]
    start = (
        "torchconv: fwd of x 2x16x20x20, w 32x16x3x3, stride 1x1, padding 1,1,1,1, dilation 1x1, groups 1, float32 nchw"
    )
    assert found[0].startswith(start)
    assert "algo auto: winograd4, predicted " in found[0] and "; reference: slower: predicted " in found[0]
    assert "x 1x2x3x4x5, w 3x2x1x2x2, stride 1x1x1, padding 1,0,0,0,0,2, dilation 1x1x1" in found[3]
    assert "algo reference: reference, predicted " in found[3] and "asks for another" in found[3]


@pytest.mark.parametrize("value", [{}, {"TORCHCONV_LOG": "0"}])
def test_silent_unless_asked(value):
    assert lines(value) == []
