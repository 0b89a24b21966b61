"""Plans above the registry: strides and dilations cut into phases. tests/test_matrix.py runs them as it runs rows."""

import pytest
import torch
from reference import PASSES
from torch.nn.functional import conv2d, conv_transpose2d

import torchconv
from torchconv import _C, ops

TREES = sorted({algo for algo, *_ in _C.rows() if algo.endswith(")")})


def row_of(algo, name, x, w, **arguments):
    rows = torchconv.explain(x, w, **arguments).rows
    [row] = [row for row in rows if row["algo"] == algo and row["pass"] == name]
    return row


def relative_error(result, exact):
    return ((result.double() - exact).abs().max() / exact.abs().max()).item()


def test_every_tree_has_a_row_as_its_leaf():
    leaves = {(algo, name, device) for algo, name, device in _C.rows() if algo not in TREES}
    trees = [(algo, name, device) for algo, name, device in _C.rows() if algo in TREES]
    assert {"phases(winograd4)", "phases(fft)"} <= set(TREES)
    assert all((algo.removeprefix("phases(").removesuffix(")"), *rest) in leaves for algo, *rest in trees)
    assert 2 * len(trees) <= len(leaves)  # the test matrix grows by half, at most


@pytest.mark.parametrize("name", PASSES)
def test_a_dilation_is_phases_side_by_side(name):
    arguments = {"x": (1, 256, 65, 65), "w": (256, 256, 3, 3), "padding": 2, "dilation": 2}
    rows = [row_of(f"phases(winograd{m})", name, **arguments) for m in (4, 5)]  # as fast as each other
    assert any(row["chosen"] for row in rows)
    row = rows[1]
    assert row["plan"] == "2x2 phases side by side; winograd5 on x [1, 256, 67, 67] and w [256, 256, 3, 3]"
    assert "side by side" in str(torchconv.explain(**arguments))


@pytest.mark.parametrize("name", ["fwd", "grad_weight"])
def test_a_stride_is_phases_as_channels(name, one_thread):
    row = row_of("phases(winograd4)", name, (8, 128, 16, 16), (256, 128, 4, 4), stride=2, padding=1)
    assert row["plan"] == "2x2 phases as channels; winograd4 on x [8, 512, 9, 9] and w [256, 512, 2, 2]"


@pytest.fixture
def one_thread():
    """Predicted times, by which a plan is chosen, depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_a_stride_leaves_no_weights_to_prepare():
    problem = ("fwd", [1, 256, 28, 28], [256, 256, 3, 3], [2, 2], [1] * 4, [1, 1], 1, "auto", "float32", "nhwc", "cpu")
    plain, packed = (
        next(row for row in _C.explain(*problem, False, False, 1, packed) if row["algo"] == "phases(winograd4)")
        for packed in (False, True)
    )
    assert plain["seconds"] == packed["seconds"]


@pytest.mark.parametrize("name", PASSES)
def test_phases_of_few_taps_lie_apart(name, one_thread):
    """Of 3x3 taps with stride 2 one phase has a single one: nothing for Winograd to save."""
    row = row_of("phases(winograd4)", name, (4, 128, 28, 28), (128, 128, 3, 3), stride=2, padding=1)
    x = "x [4, 128, 14, 14]"
    assert row["plan"].split("; ") == [
        "2x2 phases apart",
        f"im2col on {x} and w [128, 128, 1, 1]",
        f"winograd4 on {x} and w [128, 128, 1, 2]",
        f"winograd4 on {x} and w [128, 128, 2, 1]",
        f"winograd4 on {x} and w [128, 128, 2, 2]",
    ]


def test_half_precision_adds_no_rounded_sums(one_thread):
    """Of a layer whose phases lie apart in every pass in float32, as above: no near tie on any machine."""
    x, w = torch.zeros(4, 128, 28, 28).half(), torch.zeros(128, 128, 3, 3).half()
    plan = {
        name: row_of("phases(winograd4)", name, x, w, stride=2, padding=1)["plan"] for name in ("fwd", "grad_input")
    }
    assert plan["fwd"].startswith("2x2 phases as channels; ") and plan["grad_input"].startswith("2x2 phases apart; ")


def test_a_leaf_without_kernels_of_the_size_gets_a_tap_more():
    row = row_of("phases(winograd4)", "fwd", (8, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3)
    assert row["plan"].endswith("and w [64, 12, 5, 5]")


def test_a_stride_along_one_axis_and_a_dilation_along_the_other():
    row = row_of("phases(fft)", "fwd", (1, 4, 9, 12), (4, 4, 3, 3), stride=(2, 1), dilation=(1, 3), padding=(1, 3))
    assert row["plan"].startswith("1x3 phases side by side, 2x1 phases as channels; fft on x [1, 8, 5, ")


def test_the_error_is_that_of_the_leaf():
    w = (64, 64, 3, 3)
    plan = row_of("phases(winograd4)", "fwd", (1, 64, 65, 65), w, padding=2, dilation=2)
    assert plan["error"] == row_of("winograd4", "fwd", (1, 64, 67, 67), w, padding=1)["error"]


@pytest.mark.parametrize(
    "arguments, reason",
    [
        ({}, "there is no stride and no dilation to cut by"),
        ({"w": (4, 4, 1, 1), "dilation": 2}, "there is no stride and no dilation to cut by"),
        ({"stride": 2, "dilation": 2}, "it cuts by a stride or by a dilation, and along H there are both"),
        ({"stride": (1, 4)}, "the stride along W is 4, and phases beyond the 3 taps are empty"),
        ({"dilation": 5}, "the dilation along H is 5, and phases beyond the 2 outputs are empty"),
        ({"stride": 3}, "of what is left, winograd4 says: a 1x1 kernel leaves it nothing to save"),
    ],
    ids=str,
)
def test_reasons(arguments, reason):
    arguments = {"x": (2, 4, 12, 12), "w": (4, 4, 3, 3), **arguments}
    for name in PASSES:
        assert row_of("phases(winograd4)", name, **arguments)["reason"] == reason
    x, w = (torch.ones(arguments.pop(name)) for name in ("x", "w"))
    with pytest.raises(torchconv.TorchconvError, match=reason):
        torchconv.conv2d(x, w, algo="phases(winograd4)", **arguments)


def test_a_dilation_keeps_the_leafs_packs():
    """They are w's alone, so one serves every dilation; weights that are cut by a stride have none."""
    x, w = torch.randn(1, 8, 14, 14), torch.randn(8, 8, 3, 3)
    algo = "phases(winograd4)"
    pack = ops.conv_pack(x, w, [1, 1], [2] * 4, [2, 2], 1, "none", False, algo)
    assert pack.numel() == ops.conv_pack(x, w, [1, 1], [1] * 4, [1, 1], 1, "none", False, "winograd4").numel() > 0
    for d in (2, 3):
        y = ops.conv_fused(x, w, None, None, pack, [1, 1], [d] * 4, [d, d], 1, "relu", algo)
        assert torch.equal(y, ops.conv_fused(x, w, None, None, None, [1, 1], [d] * 4, [d, d], 1, "relu", algo))
    assert ops.conv_pack(x, w, [2, 2], [1] * 4, [1, 1], 1, "none", False, algo).numel() == 0
    with pytest.raises(RuntimeError, match=r"pack: expected none, since phases.winograd4. prepares no weights"):
        ops.conv_fused(x, w, None, None, pack, [2, 2], [1] * 4, [1, 1], 1, "relu", algo)
    with pytest.raises(RuntimeError, match=r"pack: expected a problem that .*: there is no stride"):
        ops.conv_fused(x, w, None, None, pack, [1, 1], [1] * 4, [1, 1], 1, "relu", algo)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("stride, dilation", [(1, 2), (2, 1), ((2, 1), (1, 3))], ids=str)
@pytest.mark.parametrize("algo", TREES)
def test_biases_residuals_and_activations_are_the_leafs(algo, stride, dilation, layout, dtype):
    x, w = torch.randn(2, 5, 15, 14).to(dtype, memory_format=layout), torch.randn(7, 5, 5, 5).to(dtype)
    bias = torch.randn(7).to(dtype)
    pair = lambda value: list(value) if isinstance(value, tuple) else [value] * 2  # noqa: E731
    y = conv2d(x.double(), w.double(), bias.double(), stride, 4, dilation)
    residual = torch.randn(y.shape).to(dtype, memory_format=layout)
    row = row_of(algo, "fwd", x, w, bias=bias, stride=stride, padding=4, dilation=dilation)
    if not row["supported"]:
        pytest.skip(row["reason"])
    found = ops.conv_fused(x, w, bias, residual, None, pair(stride), [4] * 4, pair(dilation), 1, "relu", algo)
    assert found.stride() == residual.stride()
    assert relative_error(found, (y + residual.double()).relu()) <= 2 * row["error"]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("kernel, padding", [(4, 1), (3, 1), (5, 2)])
def test_transposed_convolution_is_sub_pixel_convolution(kernel, padding, layout):
    x = torch.randn(2, 9, 7, 6).to(memory_format=layout)
    w, bias = torch.randn(9, 5, kernel, kernel), torch.randn(5)
    y = torchconv.conv_transpose2d(x, w, bias, 2, padding, 1, algo="phases(winograd4)")
    exact = conv_transpose2d(x.double(), w.double(), bias.double(), 2, padding, 1)
    assert y.shape == exact.shape and relative_error(y, exact) < 1e-5


def test_gradients():
    x, w = torch.randn(2, 3, 9, 8, dtype=torch.float64), torch.randn(4, 3, 3, 3, dtype=torch.float64)
    for arguments in ({"stride": 2, "padding": 1}, {"dilation": 2, "padding": 2}):
        call = lambda x, w: torchconv.conv2d(x, w, algo="phases(winograd4)", **arguments)  # noqa: B023, E731
        operands = (x.requires_grad_(), w.requires_grad_())
        assert torch.autograd.gradcheck(call, operands)
