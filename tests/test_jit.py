"""TorchScript: tracing works, scripting takes the operators alone. docs/transforms.md says so."""

import io
import warnings

import pytest
import torch
from torch import nn

import torchconv

X = torch.randn(2, 3, 8, 8)
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")


def same(module: nn.Module, other, x: torch.Tensor) -> None:
    """Values and all gradients."""
    results = []
    for call in (module, other):
        module.zero_grad()
        leaf = x.clone().requires_grad_()
        y = call(leaf)
        y.square().sum().backward()
        results.append([y.detach(), leaf.grad, *(p.grad.clone() for p in module.parameters())])
    torch.testing.assert_close(*results)


def kinds(traced: torch.jit.ScriptModule) -> list[str]:
    return [node.kind() for node in traced.inlined_graph.nodes() if node.kind().startswith("torchconv::")]


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_trace_saves_and_loads(dim):
    conv, pool = (getattr(torchconv.nn, f"{name}{dim}d") for name in ("Conv", "MaxPool"))
    net = nn.Sequential(conv(3, 4, 3, padding=1), nn.ReLU(), pool(2), conv(4, 2, 1))
    traced = torch.jit.trace(net, torch.randn(1, 3, *[6] * dim))
    assert kinds(traced) == ["torchconv::conv_fwd", "torchconv::max_pool", "torchconv::conv_fwd"]
    file = io.BytesIO()
    torch.jit.save(traced, file)
    file.seek(0)
    loaded = torch.jit.load(file)
    x = torch.randn(3, 3, *[9] * dim)  # another size than the traced one
    same(net, traced, x)
    torch.testing.assert_close(loaded(x), net(x))


def test_trace_of_a_converted_model():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
    expected = net(X)
    traced = torch.jit.freeze(torch.jit.trace(torchconv.convert(net), X))
    assert "torchconv::conv_fwd" in kinds(traced)
    torch.testing.assert_close(traced(X), expected, rtol=1e-4, atol=1e-5)


def test_trace_fixes_sizes():
    net = torchconv.nn.ConvTranspose2d(3, 4, 3, stride=2)
    with pytest.warns(torch.jit.TracerWarning):
        traced = torch.jit.trace(net, X, check_trace=False)
    same(net, traced, X)
    same(net, traced, torch.randn_like(X))
    with pytest.raises(RuntimeError, match="grad_y: expected size"):
        traced(torch.randn(2, 3, 9, 9))


def test_trace_of_same_padding():
    def conv(x, w):
        return torchconv.conv2d(x, w, padding="same", stride=2)

    w = torch.randn(4, 3, 3, 3)
    with warnings.catch_warnings(action="ignore"):
        traced = torch.jit.trace(conv, (X, w))
    torch.testing.assert_close(traced(2 * X, w), conv(2 * X, w))


def test_script_takes_operators_and_not_modules():
    for what in (torchconv.conv2d, torchconv.nn.Conv2d(3, 4, 3), torchconv.convert(nn.Sequential(nn.Conv2d(3, 4, 3)))):
        with pytest.raises(torch.jit.frontend.FrontendError):
            torch.jit.script(what)

    @torch.jit.script
    def conv(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return torch.ops.torchconv.conv_fwd(x, w, None, [1, 1], [0, 0, 0, 0], [1, 1], 1, "auto")

    grads = []
    for call in (conv, torchconv.conv2d):
        w = torch.ones(4, 3, 3, 3, requires_grad=True)
        call(X, w).square().sum().backward()
        grads.append(w.grad)
    torch.testing.assert_close(*grads)
