"""Strassen's product: exact on integers in every pass, the error it predicts, and when auto takes it.

tests/test_matrix.py runs its rows on every case too, with the tolerance that they predict; here no bit may be off.
"""

import cases
import pytest
import torch
from layouts import lay_out
from reference import PASSES, add_bias, operands, result

import torchconv
from torchconv import _C, TorchconvError

OPERATORS = {name: getattr(torch.ops.torchconv, f"conv_{name}") for name in PASSES}
case = cases.case
CASES = [
    case("1x1", 2, 34, (7, 6), 18, 1),
    case("1x1 one image", 1, 18, (6, 7), 34, 1),
    case("1x1 one image of an odd number of pixels", 1, 20, (5, 7), 40, 1),
    case("1x1 everything odd", 3, 19, (5, 3), 35, 1),
    case("1x1 two blocks of outputs", 1, 6, (7, 4), 1100, 1),
    case("1x1 two blocks of the depth", 2, 1100, (3, 4), 6, 1),
    case("1x1 many pixels", 3, 4, (23, 29), 6, 1),
    case("1x1 rows of 4 KiB", 2, 2048, (3, 2), 4, 1),
    case("1x1 groups", 2, 12, (5, 4), 20, 1, groups=4),
    case("1x1 stride 2", 2, 8, (7, 8), 10, 1, stride=2),
    case("3x3", 2, 16, (9, 8), 34, 3, padding=1),
    case("3x3 odd batch", 3, 6, (8, 7), 10, 3, padding=1),
    case("3x3 everything odd", 5, 7, (6, 5), 9, 3, padding=(0, 1, 2, 0)),
    case("3x3 two blocks of the depth", 2, 130, (5, 4), 12, 3, padding=1),
    case("3x3 groups of 3 and 5", 2, 9, (8, 8), 15, 3, padding=1, groups=3),
    case("3x3 stride 2, dilated", 2, 6, (11, 12), 10, 3, stride=2, padding=2, dilation=2),
    case("strides beyond the kernel", 2, 4, (11, 9), 6, 2, stride=(4, 3)),
    case("1-D", 4, 6, (23,), 8, 5, padding=2),
    case("3-D", 2, 6, (4, 5, 6), 8, 3, stride=(2, 1, 1), padding=1),
]


def run(pass_, c, a, b, bias=None, algo="strassen"):
    geometry = (c.stride, c.padding, c.dilation, c.groups, algo)
    if pass_ == "fwd":
        return OPERATORS["fwd"](a, b, bias, *geometry)
    if pass_ == "grad_input":
        return OPERATORS["grad_input"](a, b, bias, c.x_size, *geometry)
    return OPERATORS["grad_weight"](a, b, c.w_size, *geometry)


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
@pytest.mark.parametrize(
    "dtype, layout", [(torch.float32, "nchw"), (torch.float32, "nhwc"), (torch.float64, "nhwc")], ids=str
)
@pytest.mark.parametrize("pass_", PASSES)
@pytest.mark.parametrize("c", CASES, ids=str)
def test_exact_on_integers(c, pass_, dtype, layout, isa):
    """Sums of four operands and of four products are integers too: whatever is computed twice or left out shows."""
    _C.set_max_isa(isa)
    if _C.current_isa() != isa:
        pytest.skip(f"this CPU has no {isa}")
    o = operands(c, dtype, "integers")
    a, b = (lay_out(t.to(dtype), layout) for t in o.of(pass_))
    bias = {"fwd": o.y_bias, "grad_input": o.x_bias, "grad_weight": None}[pass_]
    expected = add_bias(result(pass_, c, dtype, "integers"), bias).to(dtype)
    for threads in (1, 3):
        torch.set_num_threads(threads)
        assert torch.equal(run(pass_, c, a, b, None if bias is None else bias.to(dtype)), expected)


@pytest.mark.parametrize(
    "sizes, dtype, reason",
    [
        (([2, 4, 5, 5], [4, 1, 3, 3], 4), "float32", "halves the channels"),
        (([2, 1, 5, 5], [4, 1, 3, 3], 1), "float32", "halves the channels"),
        (([1, 4, 5, 5], [4, 4, 3, 3], 1), "float32", "halves the batch"),
        (([1, 4, 1, 1], [4, 4, 1, 1], 1), "float32", "halves the batch"),
        (([2, 4, 5, 5], [4, 4, 3, 3], 1), "bfloat16", "float32 and float64"),
    ],
)
def test_what_it_refuses(sizes, dtype, reason):
    x, w, groups = sizes
    x, w = torch.ones(x, dtype=getattr(torch, dtype)), torch.ones(w, dtype=getattr(torch, dtype))
    with pytest.raises(TorchconvError, match=f"strassen: .*{reason}"):
        torchconv.conv2d(x, w, groups=groups, algo="strassen")


def rows_of(x, w, algo="auto", **arguments):
    rows = torchconv.explain(x, w, algo=algo, **arguments).rows
    return {(row["algo"], row["pass"]): row for row in rows}


def chosen_of_both(rows):
    """What auto would choose if there were no rows but these two."""
    return {name: min(("im2col", "strassen"), key=lambda algo: seconds(rows.get((algo, name)))) for name in PASSES}


def seconds(row):
    return row["seconds"] if row and row["supported"] else float("inf")


@pytest.mark.parametrize(
    "x, w, stride", [((8, 1024, 28, 28), (1024, 1024, 1, 1), 1), ((8, 512, 56, 56), (512, 512, 3, 3), 2)]
)
def test_auto_takes_it_where_it_is_faster(x, w, stride):
    window = {"padding": w[-1] // 2, "stride": stride}
    rows = rows_of(x, w, **window)
    assert chosen_of_both(rows) == {"fwd": "strassen", "grad_input": "strassen", "grad_weight": "im2col"}
    for level in ("direct", "exact"):
        with torchconv.precision(level):
            assert rows_of(x, w, **window)["im2col", "fwd"]["chosen"]


@pytest.mark.parametrize(
    "x, w, stride",
    [
        ((8, 256, 28, 28), (256, 256, 1, 1), 1),
        ((8, 64, 56, 56), (64, 64, 3, 3), 2),
        ((2, 2048, 7, 7), (64, 2048, 1, 1), 1),
        ((3, 1024, 56, 56), (1024, 1024, 3, 3), 2),  # two of four images would be the same one
    ],
)
def test_auto_leaves_the_rest_to_im2col(x, w, stride):
    rows = rows_of(x, w, padding=w[-1] // 2, stride=stride)
    assert set(chosen_of_both(rows).values()) == {"im2col"}


@pytest.mark.parametrize("pass_", PASSES)
@pytest.mark.parametrize("products", [64, 1024])
def test_error_is_what_it_predicts_and_larger_than_im2cols(pass_, products):
    c = case("1x1", 2, 24, (5, 4), 26, 1)
    sizes = {"fwd": {"C": products}, "grad_input": {"K": products}, "grad_weight": {"size": (products // 2, 1)}}
    c = cases.Case(**{**vars(c), **sizes[pass_]})
    errors = {"strassen": [], "im2col": []}
    for seed in range(12):
        a, b = (t.float() for t in operands(c, torch.float32, "normal", False, seed).of(pass_))
        exact = result(pass_, c, torch.float32, "normal", False, seed)
        for algo, found in errors.items():
            found.append(((run(pass_, c, a, b, algo=algo) - exact).abs().max() / exact.abs().max()).item())
    predicted = rows_of(c.x_size, c.w_size, algo="strassen")["strassen", pass_]["error"]
    assert predicted / 3 < max(errors["strassen"]) < 1.3 * predicted
    assert sum(errors["strassen"]) > 1.2 * sum(errors["im2col"])


def test_a_nan_spreads_and_direct_never_takes_it():
    """Sums of blocks carry it to pixels that it is no part of: the row says that it does not sum directly."""
    x, w = torch.ones(2, 8, 4, 4), torch.ones(8, 8, 1, 1)
    x[1, 7, 3, 3] = torch.nan
    y = torchconv.conv2d(x, w, algo="strassen")
    assert y.isnan().sum() > 8  # outputs of one pixel
    assert torchconv.conv2d(x, w, algo="auto:direct").isnan().sum() == 8
    assert not any(row["algo"] == "strassen" and row["direct"] for row in explained_natively(x, w))


def explained_natively(x, w):
    geometry = ([1, 1], [0] * 4, [1, 1], 1)
    return _C.explain("fwd", x.shape, w.shape, *geometry, "strassen", "float32", "nchw")


def test_trains_by_name():
    x, w, b = torch.randn(3, 6, 5, 4).double(), torch.randn(7, 6, 3, 3).double(), torch.randn(7).double()
    operands_ = [t.requires_grad_() for t in (x, w, b)]
    assert torch.autograd.gradcheck(lambda *t: torchconv.conv2d(*t, padding=1, algo="strassen"), operands_)
