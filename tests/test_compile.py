"""torch.compile, torch.export and AOTInductor: one node per convolution, any size, the results of eager."""

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend

import torchconv
from torchconv import ops


class Network(nn.Module):
    """Two convolutions, the second strided with groups and four paddings, and a transposed one."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(4, 3, 3, 3))
        self.second = nn.Parameter(torch.randn(6, 2, 2, 3))
        self.up = nn.Parameter(torch.randn(6, 2, 2, 2))
        self.bias = nn.Parameter(torch.randn(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = ops.conv_fwd(x, self.first, self.bias, [1, 1], [1, 1, 1, 1], [1, 1], 1, "auto").relu()
        x = ops.conv_fwd(x, self.second, None, [2, 1], [0, 1, 2, 0], [1, 1], 2, "reference").sigmoid()
        N, _, H, W = x.shape
        return ops.conv_grad_input(x, self.up, None, [N, 2, 2 * H, 2 * W], [2, 2], [0] * 4, [1, 1], 1, "auto")


INPUTS = [(2, 3, 8, 9), (5, 3, 11, 6), (1, 3, 8, 8)]


def run(model, x: torch.Tensor, parameters):
    x = x.clone().requires_grad_()
    y = model(x)
    # A gradient in y's memory format: torch's eager and compiled mean() give expanded ones that differ in format.
    return y, *torch.autograd.grad(y, (x, *parameters), y.detach().cos())


def assert_same(ours, theirs) -> None:
    """Up to the error that auto allows: a compiled graph may choose other strides, and so other algorithms."""
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=2e-5 * float(b.detach().abs().max()))
        assert a.stride() == b.stride()


@pytest.fixture(autouse=True)
def fresh():
    """Traces anew: the caches on disk do not know when a derivative or a fake kernel has changed."""
    torch._dynamo.reset()
    with (
        torch._functorch.config.patch(enable_autograd_cache=False),
        torch._inductor.config.patch(fx_graph_cache=False),
    ):
        yield
    torch._dynamo.reset()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_compile_with_dynamic_shapes(memory_format):
    """Forward and backward with inductor, in one graph, which serves every size."""
    model = Network()
    parameters = list(model.parameters())
    graphs = CompileCounterWithBackend("inductor")
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend=graphs)
    for size in INPUTS[:2]:
        x = torch.randn(size).to(memory_format=memory_format)
        assert_same(run(compiled, x, parameters), run(model, x, parameters))
    assert graphs.frame_count == 1
    targets = [str(node.target) for node in graphs.graphs[0].graph.nodes if "torchconv" in str(node.target)]
    assert targets == ["torchconv.conv_fwd.default", "torchconv.conv_fwd.default", "torchconv.conv_grad_input.default"]


def test_compile_of_the_other_operators():
    """Their backward too, whose rules call each other, and 1-D."""
    x, grad_y, w = torch.randn(2, 4, 9), torch.randn(2, 6, 5), torch.randn(6, 2, 3)
    rest = ([2], [1, 1], [1], 2, "auto")
    tensors = [t.requires_grad_() for t in (x, grad_y, w)]

    def f(x, grad_y, w):
        grad_w = ops.conv_grad_weight(x, grad_y, w.shape, *rest)
        y = ops.conv_fwd(x, grad_w * w, None, *rest)
        columns = ops.unfold(y[:, None], [3, 3], [1, 2], [1, 1, 1, 1], [1, 1])
        return ops.fold(columns.square(), [6, 5], [3, 3], [1, 2], [1, 1, 1, 1], [1, 1])

    results = []
    for function in (torch.compile(f, fullgraph=True, dynamic=True), f):
        y = function(*tensors)
        results.append((y, *torch.autograd.grad(y, tensors, y.detach().cos())))
    assert_same(*results)


def test_compile_of_the_public_functions():
    """Whatever the public functions do before they call an operator is traced through, padding="same" included."""
    x, w, bias = torch.randn(2, 3, 9, 8), torch.randn(5, 3, 3, 4), torch.randn(5)

    def f(x, w, bias):
        x = torchconv.conv2d(x, w, bias, stride=(2, 1), padding="same").relu()
        return torchconv.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1)

    compiled = torch.compile(f, fullgraph=True, dynamic=True)
    for size in (9, 8), (12, 7):
        x = torch.randn(2, 3, *size)
        torch.testing.assert_close(compiled(x, w, bias), f(x, w, bias))


class Network3d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torchconv.nn.Conv3d(3, 4, 3, stride=(1, 2, 2), padding="same")
        self.up = torchconv.nn.ConvTranspose3d(4, 2, (1, 2, 2), stride=(1, 2, 2), groups=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up(self.first(x).relu())


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
def test_compile_in_three_dimensions(memory_format):
    model = Network3d()
    graphs = CompileCounterWithBackend("inductor")
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend=graphs)
    for size in (2, 3, 5, 8, 10), (3, 3, 4, 6, 7):
        x = torch.randn(size).to(memory_format=memory_format)
        assert_same(run(compiled, x, model.parameters()), run(model, x, model.parameters()))
    assert graphs.frame_count == 1


def test_export_in_three_dimensions():
    sizes = {"x": {0: torch.export.Dim("N"), 2: torch.export.Dim("D", min=3), 3: torch.export.Dim("H", min=4)}}
    model = Network3d().eval()
    program = torch.export.export(model, (torch.randn(2, 3, 5, 8, 10),), dynamic_shapes=sizes)
    targets = [str(node.target) for node in program.graph.nodes if "conv" in str(node.target)]
    assert targets == ["torchconv.conv_fwd.default", "torchconv.conv_grad_input.default"]
    for size in (1, 3, 4, 6, 10), (3, 3, 7, 9, 10):
        x = torch.randn(size)
        torch.testing.assert_close(program.module()(x), model(x))


def test_compile_of_strided_same_before_reflection():
    """The padding depends on the size of x, and what follows divides by sizes that depend on it."""
    first = torchconv.nn.Conv2d(3, 4, 3, stride=2, padding="same")
    model = nn.Sequential(first, torchconv.nn.Conv2d(4, 2, 3, padding=1, padding_mode="reflect"))
    compiled = torch.compile(model, fullgraph=True, dynamic=True)
    for size in ((2, 3, 9, 9), (3, 3, 11, 14)):
        x = torch.randn(size)
        torch.testing.assert_close(compiled(x), model(x))


def test_compile_under_autocast():
    model = Network()
    parameters = list(model.parameters())
    compiled = torch.compile(model, fullgraph=True, dynamic=True)
    x = torch.randn(INPUTS[0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours, theirs = run(compiled, x, parameters), run(model, x, parameters)
    assert ours[0].dtype == torch.bfloat16
    assert all(grad.dtype == torch.float32 for grad in ours[1:])
    # Inductor keeps pointwise results in float32 where eager rounds them to bfloat16.
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0.05, atol=0.05 * b.abs().max().item())


def exported(*sizes: torch.export.Dim) -> torch.export.ExportedProgram:
    dims = dict(zip((0, 2, 3), sizes, strict=True))
    return torch.export.export(Network().eval(), (torch.randn(INPUTS[0]),), dynamic_shapes={"x": dims})


@pytest.fixture(scope="module")
def program() -> torch.export.ExportedProgram:
    return exported(torch.export.Dim("N"), torch.export.Dim("H", min=4), torch.export.Dim("W", min=4))


@pytest.mark.parametrize("decomposed", [False, True])
def test_export_has_one_node_per_convolution(program, decomposed):
    nodes = (program.run_decompositions() if decomposed else program).graph.nodes
    targets = [str(node.target) for node in nodes if node.op == "call_function"]
    convolutions = [t for t in targets if t.startswith("torchconv.") or "convolution" in t]
    assert convolutions == ["torchconv.conv_fwd.default"] * 2 + ["torchconv.conv_grad_input.default"]
    for size in INPUTS:
        x = torch.randn(size)
        torch.testing.assert_close(program.module()(x), eager(program)(x))


def eager(program: torch.export.ExportedProgram) -> nn.Module:
    model = Network()
    model.load_state_dict(program.state_dict)
    return model


def test_export_saves_and_loads(program, tmp_path):
    torch.export.save(program, tmp_path / "network.pt2")
    loaded = torch.export.load(tmp_path / "network.pt2").module()
    x = torch.randn(INPUTS[1])
    torch.testing.assert_close(loaded(x), eager(program)(x))


def test_aot_inductor(program, tmp_path):
    """A package that runs without Python's part of the operators, for several sizes."""
    package = torch._inductor.aoti_compile_and_package(program, package_path=str(tmp_path / "network.pt2"))
    loaded = torch._inductor.aoti_load_package(package)
    for size in INPUTS:
        x = torch.randn(size)
        torch.testing.assert_close(loaded(x), eager(program)(x))


def test_export_of_strided_same_padding_keeps_the_size_dynamic():
    """Strided "same" pads by an amount that depends on the input size: the padding in the graph is symbolic."""

    class Same(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.randn(4, 3, 3, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torchconv.conv2d(x, self.w, stride=2, padding="same")

    model = Same()
    sizes = {"x": {2: torch.export.Dim("H", min=5), 3: torch.export.Dim("W", min=5)}}
    program = torch.export.export(model, (torch.randn(2, 3, 8, 9),), dynamic_shapes=sizes)
    for size in (8, 8), (9, 7), (16, 5):
        x = torch.randn(2, 3, *size)
        torch.testing.assert_close(program.module()(x), model(x))


def test_unbacked_batch():
    """A batch whose size depends on data."""

    def f(x, w):
        chosen = x[x.sum((1, 2, 3)) > 0]
        return ops.conv_fwd(chosen, w, None, [1, 1], [1, 1, 1, 1], [1, 1], 1, "auto")

    x, w = torch.randn(6, 3, 5, 5), torch.randn(4, 3, 3, 3)
    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        torch.testing.assert_close(torch.compile(f, fullgraph=True)(x, w), f(x, w))


TRANSFORMS = {
    "jvp": lambda x, w: torch.func.jvp(lambda w: torchconv.conv2d(x, w), (w,), (w,))[1],
    "grad": lambda x, w: torch.func.grad(lambda w: torchconv.conv2d(x, w).square().sum())(w),
    "per-sample": lambda x, w: torch.vmap(torch.func.grad(lambda w, x: torchconv.conv2d(x, w).sum()), (None, 0))(w, x),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_transforms_inside_compiled_code_run_uncompiled(transform):
    """A graph through them would have no tangents and no batches, so it breaks; with fullgraph=True that raises."""
    x, w = torch.randn(2, 3, 6, 6), torch.randn(4, 3, 3, 3)
    function = TRANSFORMS[transform]
    with pytest.raises(torch._dynamo.exc.Unsupported, match=r"under torch\.func or forward-mode AD"):
        torch.compile(function, backend="aot_eager", fullgraph=True)(x, w)
    expected = function(x, w)
    assert expected.abs().sum() > 0
    torch.testing.assert_close(torch.compile(function, backend="aot_eager")(x, w), expected)
