"""Import, forward, gradcheck, compile and export with the torchconv that is installed; called by check_wheel.sh."""

from typing import Any

import torch
import torch.nn.functional as F

import torchconv
from torchconv.info import info


def step(name: str, ok: bool) -> None:
    print(f"{'ok' if ok else 'FAILED':8}{name}", flush=True)
    if not ok:
        raise SystemExit(1)


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = torchconv.nn.Conv2d(3, 8, 3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).relu()


torch.manual_seed(0)
facts = info()
step(f"import: torch {facts['torch']['running']}, built with {facts['torch']['built_with']}", True)
cuda = facts["cuda"]
step(f"CUDA library: {cuda['reason'] or 'loaded'}", cuda["loaded"] == (torch.version.cuda is not None))

x, w, bias = torch.randn(2, 4, 9, 7), torch.randn(6, 2, 3, 3), torch.randn(6)
depthwise = torch.randn(4, 1, 3, 3), torch.randn(4)
problems = [(x, w, bias, 2, 1, 1, 2), (x, w, bias, 1, 1, 1, 2), (x, *depthwise, 1, 1, 1, 4)]


def predicted_error(algo: str, problem: tuple[Any, ...]) -> float | None:
    """Of the row that runs the forward pass; None if the algorithm cannot."""
    rows = torchconv.explain(*problem).rows
    chosen = [r for r in rows if r["pass"] == "fwd" and (r["chosen"] if algo == "auto" else r["algo"] == algo)]
    return chosen[0]["error"] if chosen[0]["supported"] else None


def relative_error(algo: str, problem: tuple[Any, ...]) -> float:
    exact = F.conv2d(*(t.double() for t in problem[:3]), *problem[3:])
    difference = torchconv.conv2d(*problem, algo=algo).double() - exact
    return (difference.abs().max() / exact.abs().max()).item()


for algo in sorted({"auto"} | {row["algo"] for row in facts["rows"]}):
    errors = [(relative_error(algo, p), error) for p in problems if (error := predicted_error(algo, p)) is not None]
    # Twice what is predicted is a mistake, as in tests/test_matrix.py.
    step(f"forward: {algo}, {len(errors)} problems", bool(errors) and all(e <= 2 * limit for e, limit in errors))

inputs = [t.double().requires_grad_() for t in (x[:1, :, :5, :5], w, bias)]
step("gradcheck", torch.autograd.gradcheck(lambda *a: torchconv.conv2d(*a, padding=1, groups=2), inputs))
step("gradgradcheck", torch.autograd.gradgradcheck(lambda *a: torchconv.conv2d(*a, padding=1, groups=2), inputs))

net, image = Net(), torch.randn(2, 3, 16, 16)
compiled = torch.compile(net, fullgraph=True, dynamic=True)
step("compile: forward", torch.allclose(compiled(image), net(image), atol=1e-6))
expected = torch.autograd.grad(net(image).square().sum(), net.conv.weight)[0]
found = torch.autograd.grad(compiled(image).square().sum(), net.conv.weight)[0]
step("compile: backward", torch.allclose(found, expected, rtol=1e-4, atol=1e-4))

dynamic = {"x": {0: torch.export.Dim("n", min=1), 2: torch.export.Dim("h", min=4)}}
exported = torch.export.export(net, (image,), dynamic_shapes=dynamic)
nodes = [str(node.target) for node in exported.graph.nodes if "torchconv" in str(node.target)]
step(f"export: {nodes}", nodes == ["torchconv.conv_fwd.default"])
another = torch.randn(5, 3, 20, 16)
step("export: other sizes", torch.allclose(exported.module()(another), net(another), atol=1e-6))
