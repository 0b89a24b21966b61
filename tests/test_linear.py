"""Linear layers: 1x1 convolutions of single pixels."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

import torchconv

SIZES = [((5,), 3), ((1, 5), 3), ((7, 5), 1), ((2, 3, 16), 48), ((2, 1, 3, 33), 17), ((300, 40), 70)]
EMPTY = [((0, 5), 3), ((2, 0, 5), 3), ((4, 5), 0), ((4, 0), 3)]


def operands(size, K, dtype=torch.float64):
    torch.manual_seed(0)
    tensors = torch.randn(size), torch.randn(K, size[-1]), torch.randn(K)
    return tuple(t.to(dtype).requires_grad_() for t in tensors)


def with_gradients(function, *tensors):
    y = function(*tensors)
    grad_y = (torch.arange(y.numel()) % 7 - 3).to(y.dtype).view_as(y)  # the same in every dtype
    return [y, *torch.autograd.grad(y, tensors, grad_y)]


@pytest.mark.parametrize("size, K", SIZES + EMPTY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_is_torchs(size, K, dtype):
    tensors = operands(size, K, dtype)
    # torch's own halves are rounded more often: both are held to float64.
    exact = with_gradients(F.linear, *(t.detach().double().requires_grad_() for t in tensors))
    for ours, expected in zip(with_gradients(torchconv.linear, *tensors), exact, strict=True):
        most = float(expected.detach().abs().max()) if expected.numel() else 1
        tolerance = {torch.float64: 1e-14, torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}[dtype] * most
        assert_close(ours.double(), expected, rtol=0, atol=tolerance)
        assert ours.stride() == torch.empty(ours.shape).stride()


def test_without_bias_by_torchs_names_and_not_contiguous():
    x, w, _ = operands((6, 8), 4)
    assert_close(torchconv.linear(input=x, weight=w), F.linear(x, w))
    x, w = x.t().reshape(2, 4, 6).transpose(0, 2), torch.randn(2, 5, dtype=torch.float64).t()
    assert_close(torchconv.linear(x, w), F.linear(x, w))
    assert_close(torchconv.linear(x[::2, :, ::2], w[1:, ::2]), F.linear(x[::2, :, ::2], w[1:, ::2]))
    assert_close(torchconv.linear(x[:, :1].expand(-1, 3, -1), w), F.linear(x[:, :1].expand(-1, 3, -1), w))


def test_derivatives_of_any_order():
    tensors = operands((2, 3, 4), 5)
    torch.autograd.gradcheck(torchconv.linear, tensors, check_forward_ad=True, check_batched_grad=True)
    torch.autograd.gradgradcheck(torchconv.linear, tensors)


def test_transforms():
    x, w, b = operands((4, 3, 8), 5)
    assert_close(torch.vmap(torchconv.linear, (0, None, None))(x, w, b), F.linear(x, w, b))
    several = torch.stack([w, 2 * w, -w, w + 1])
    assert_close(torch.vmap(torchconv.linear)(x, several), torch.vmap(F.linear)(x, several))
    compiled = torch.compile(torchconv.linear, backend="aot_eager", fullgraph=True, dynamic=True)
    for rows in (4, 1, 9):
        some = torch.randn(rows, 8, dtype=torch.float64)
        assert_close(compiled(some, w, b), F.linear(some, w, b))
    exported = torch.export.export(torchconv.nn.Linear(8, 5), (torch.ones(4, 8),)).module()
    assert exported(torch.ones(4, 8)).shape == (4, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torchconv.linear(x.float(), w.float()).dtype == torch.bfloat16


@pytest.mark.parametrize("algo", ["im2col", "reference", "auto:exact", "strassen"])
def test_algo_is_passed_on(algo):
    x, w, b = operands((64, 48), 32)
    m = torchconv.nn.Linear(48, 32, dtype=torch.float64, algo=algo)
    m.load_state_dict({"weight": w, "bias": b})
    assert_close(m(x), F.linear(x, w, b))
    assert repr(m) == f"Linear(in_features=48, out_features=32, bias=True, algo={algo!r})"


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x, w: torchconv.linear(x, w[0]), r"w \[K, C\], got sizes \[2, 5\] and \[5\]"),
        (lambda x, w: torchconv.linear(x, w[:, :3]), r"got sizes \[2, 5\] and \[3, 3\]"),
        (lambda x, w: torchconv.linear(x[0, 0], w), r"x \[\.\.\., C\] and w"),
        (lambda x, w: torchconv.linear(x, w, torch.ones(4)), r"bias: expected size \[3\]"),
        (lambda x, w: torchconv.linear(x.double(), w), "w: expected dtype Double as x has"),
        (lambda x, w: torchconv.linear([1.0], w), "x: expected a torch.Tensor, got list"),
        (lambda x, w: torchconv.linear(x, None), "w: expected a torch.Tensor, got NoneType"),
        (lambda x, w: torchconv.linear(x, w, algo=3), "algo: expected a string, got 3"),
        (lambda x, w: torchconv.linear(x, w, algo="winograd"), "winograd"),
        (lambda x, w: torchconv.linear(x, w, input=x), "expected x or input"),
        (lambda x, w: torchconv.nn.Linear(2.5, 3), "in_features: expected an int, got 2.5"),
        (lambda x, w: torchconv.nn.Linear(2, -3), "out_features: expected a number of at least 0, got -3"),
        (lambda x, w: torchconv.nn.LazyLinear("3"), "out_features: expected an int, got '3'"),
        (lambda x, w: torchconv.nn.LazyLinear(3)("x"), "x: expected a torch.Tensor, got str"),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(torchconv.TorchconvError, match=message):
        call(torch.ones(2, 5), torch.ones(3, 5))


def test_convert_and_revert():
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.LazyLinear(3))
    before = [type(m) for m in model]
    torchconv.convert(model)
    assert model.torchconv_report.converted == {"0": "Linear", "2": "LazyLinear"}
    x = torch.randn(5, 6)
    y = model(x)
    assert [type(m) for m in model] == [torchconv.nn.Linear, nn.ReLU, torchconv.nn.Linear]
    assert_close(torchconv.revert(copy.deepcopy(model))(x), y)
    assert [type(m) for m in torchconv.revert(model)] == [*before[:2], nn.Linear]
    again = pickle.loads(pickle.dumps(torchconv.convert(model)))
    assert_close(again(x), y)


def test_what_reads_the_weights_of_a_linear_layer_still_can():
    """torch's attention and its fused encoder take the weights and never call the layer."""
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    x = torch.randn(2, 5, 16)
    expected = model(x)
    report = torchconv.convert(model).torchconv_report
    assert report.converted == {"linear1": "Linear", "linear2": "Linear"}
    assert "takes over torch.nn's own class" in report.left_alone["self_attn.out_proj"]
    assert_close(model(x), expected)
    with torch.no_grad():
        assert_close(model(x), expected)
    model.train()(x).sum().backward()


def test_freeze_takes_it():
    torch.manual_seed(0)
    model = nn.Sequential(torchconv.nn.Linear(6, 8, algo="im2col"), nn.ReLU(), nn.Linear(8, 3)).eval()
    x = torch.randn(5, 6)
    frozen = torchconv.freeze(model, x)
    assert frozen.torchconv_report.fused == {"0": "linear + relu", "2": "linear"}
    assert_close(frozen(x), model(x))
