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


def runs(algo: str, *problem: Any) -> bool:
    rows = torchconv.explain(*problem).rows
    return algo == "auto" or any(row["algo"] == algo and row["pass"] == "fwd" and row["supported"] for row in rows)


for algo in sorted({"auto"} | {row["algo"] for row in facts["rows"]}):
    found = [problem for problem in problems if runs(algo, *problem)]
    right = [torch.allclose(torchconv.conv2d(*p, algo=algo), F.conv2d(*p), atol=1e-5) for p in found]
    step(f"forward: {algo}, {len(found)} problems", bool(found) and all(right))

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
