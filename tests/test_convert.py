"""convert and revert: what they swap, what they leave alone, and what must survive them."""

import copy
import io
import os
import pathlib
import pickle
import subprocess
import sys
import textwrap
import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.testing import assert_close

import torchconv
from torchconv.demo.counting import CountConvolutions
from torchconv.nn.conv import _Conv


class PaddedConv(nn.Conv2d):
    """Pads as its input needs, then calls the function, as networks ported from TensorFlow do."""

    def forward(self, x):
        rest = -x.shape[-1] % 4
        return F.conv2d(F.pad(x, (0, rest)), self.weight, self.bias, self.stride, self.padding, groups=self.groups)


class StandardizedConv(nn.Conv1d):
    def forward(self, x):
        w = self.weight - self.weight.mean((1, 2), keepdim=True)
        return torch.conv1d(input=x, weight=w, bias=self.bias, padding=1)


class ScaledConv(nn.ConvTranspose2d):
    def forward(self, x, output_size=None):
        return 2 * super().forward(x, output_size)


class OperatorConv(nn.Conv2d):
    def forward(self, x):
        y = torch.ops.aten.conv2d(x, self.weight, self.bias, padding=[1, 1])
        return y + torch.ops.aten.conv2d.default(x, self.weight, None, [1, 1], [1, 1])


class WholeConv(nn.Conv2d):
    """Calls the function that all convolutions go through."""

    def forward(self, x):
        y = torch.convolution(x, self.weight, self.bias, (2, 1), (1, 0), (1, 2), False, (0, 0), 1)
        return torch.convolution(y, self.weight, None, (2, 1), (1, 0), (1, 2), True, (1, 0), 1)


class WholeConv3d(nn.Conv3d):
    def forward(self, x):
        y = torch.convolution(x, self.weight, self.bias, (1, 2, 1), (1, 1, 0), (1, 1, 2), False, (0, 0, 0), 1)
        y = torch.conv_transpose3d(y, self.weight, None, (1, 2, 1), (1, 1, 0), (0, 1, 0), 1, (1, 1, 2))
        return F.conv3d(y, self.weight, padding="same")


SUBCLASSES = [
    (PaddedConv, (2, 3, 8, 7)),
    (StandardizedConv, (2, 3, 9)),
    (ScaledConv, (2, 3, 5, 5)),
    (OperatorConv, (2, 3, 5, 5)),
    (WholeConv, (2, 3, 9, 9)),
    (WholeConv3d, (2, 3, 4, 5, 6)),
]


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        PaddedConv(8, 8, 3, groups=2),
        nn.ConvTranspose2d(8, 4, 2, stride=2),
        nn.Flatten(2),
        nn.Conv1d(4, 4, 3),
        nn.ConvTranspose1d(4, 2, 3),
    ).eval()


def both(model, x):
    """The output and the gradients of all parameters."""
    y = model(x)
    return [y, *torch.autograd.grad(y.square().sum(), list(model.parameters()))]


def assert_runs_on_torchconv(model, *args):
    with CountConvolutions() as calls, torch.no_grad():
        model(*args)
    assert calls.torchconv > 0
    assert calls.aten == 0


def test_network():
    model, x = network(), torch.randn(2, 3, 8, 9)
    expected, classes = both(model, x), [type(m) for m in model]
    parameters = dict(model.named_parameters())
    assert torchconv.convert(model) is model
    assert_close(both(model, x), expected, rtol=1e-4, atol=1e-4)
    assert_runs_on_torchconv(model, x)
    assert all(p is parameters[name] for name, p in model.named_parameters())
    assert torchconv.revert(model) is model
    assert [type(m) for m in model] == classes
    assert not hasattr(model, "torchconv_report")
    with CountConvolutions() as calls:
        model(x)
    assert calls.torchconv == 0


def test_report():
    report = torchconv.convert(network()).torchconv_report
    assert report.converted == {
        "0": "Conv2d",
        "3": "PaddedConv",
        "4": "ConvTranspose2d",
        "6": "Conv1d",
        "7": "ConvTranspose1d",
    }
    assert report.left_alone["1"] == "BatchNorm2d: not a convolution"
    assert set(report.left_alone) == {"", "1", "2", "5"}
    assert "5 modules run on torchconv" in str(report)
    assert "left alone: not a convolution" in str(report)


def test_twice_is_once():
    model = torchconv.convert(network())
    classes, report = [type(m) for m in model], model.torchconv_report
    torchconv.convert(model)
    assert [type(m) for m in model] == classes
    assert model.torchconv_report == report
    assert [type(m) for m in torchconv.revert(model)] == [type(m) for m in network()]


@pytest.mark.parametrize("cls, size", SUBCLASSES)
def test_subclasses_keep_their_forward(cls, size):
    model, x = cls(3, 6, 3), torch.randn(size)
    expected, text = both(model, x), repr(model)
    torchconv.convert(model)
    assert isinstance(model, cls)
    assert repr(model) == text
    assert_close(both(model, x), expected, rtol=1e-4, atol=1e-4)
    assert_runs_on_torchconv(model, x)
    assert type(torchconv.revert(model)) is cls


@pytest.mark.parametrize("cls, size", SUBCLASSES)
def test_subclasses_compile_in_one_graph(cls, size):
    model, x = torchconv.convert(cls(3, 6, 3)), torch.randn(size)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    assert_close(compiled(x), model(x))


@pytest.mark.parametrize(
    "name, call",
    [
        ("conv_tbc", lambda m, x: torch.conv_tbc(x[0], m.weight[0], m.bias)),
        (
            "convolution",
            lambda m, x: torch.ops.aten.convolution.default(
                x[None, None], m.weight[None, None], None, [1] * 4, [0] * 4, [1] * 4, False, [0] * 4, 1
            ),
        ),
        ("mkldnn_convolution", lambda m, x: torch.mkldnn_convolution(x, m.weight, None, [0, 0], [1, 1], [1, 1], 1)),
    ],
)
def test_other_convolutions_in_a_forward_raise(name, call):
    class Other(nn.Conv2d):
        def forward(self, x):
            return call(self, x)

    with pytest.raises(torchconv.TorchconvError, match=f"^torch.{name}: expected a 1-D, 2-D or 3-D convolution"):
        torchconv.convert(Other(3, 3, 3))(torch.ones(3, 3, 8, 8))


def test_a_forward_that_calls_torchconv_itself():
    class Ours(nn.Conv2d):
        def forward(self, x):
            return torchconv.conv2d(x, self.weight, self.bias) + torchconv.ops.conv_fwd(
                x, self.weight, None, (1, 1), (0,) * 4, (1, 1), 1, "auto"
            )

    model, x = Ours(3, 4, 3), torch.randn(1, 3, 5, 5)
    expected = model(x)
    assert_close(torchconv.convert(model)(x), expected)


@pytest.mark.parametrize("function", [torchconv.convert, torchconv.revert])
def test_only_modules(function):
    with pytest.raises(torchconv.TorchconvError, match=r"^model: expected a torch.nn.Module, got function"):
        function(lambda x: x)


def test_the_redirection_stays_in_its_thread_and_its_call():
    inside, release = threading.Event(), threading.Event()

    class Waiting(nn.Conv2d):
        def forward(self, x):
            inside.set()
            assert release.wait(10)
            return super().forward(x)

    model, x, w = torchconv.convert(Waiting(1, 1, 1)), torch.ones(1, 1, 2, 2), torch.ones(1, 1, 1, 1)
    thread = threading.Thread(target=model, args=(x,))
    thread.start()
    assert inside.wait(10)
    with CountConvolutions() as calls:
        F.conv2d(x, w)
    release.set()
    thread.join()
    assert (calls.torchconv, calls.aten) == (0, 1)
    model(x)
    with CountConvolutions() as calls:
        F.conv2d(x, w)
    assert (calls.torchconv, calls.aten) == (0, 1)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_are_converted_and_can_be_reverted(copied):
    model, x = torchconv.convert(network()), torch.randn(2, 3, 8, 9)
    other = copied(model)
    assert [type(m) for m in other] == [type(m) for m in model]
    assert other.torchconv_report == model.torchconv_report
    assert_close(other(x), model(x))
    assert [type(m) for m in torchconv.revert(other)] == [type(m) for m in network()]
    assert_runs_on_torchconv(model, x)


@pytest.mark.parametrize("protocol", [0, 1, 2, 5])
def test_pickle_protocols(protocol):
    model = torchconv.convert(PaddedConv(3, 4, 3))
    assert type(pickle.loads(pickle.dumps(model, protocol))) is type(model)


def test_saved_model_loads_in_a_fresh_process(tmp_path):
    (tmp_path / "padded.py").write_text(
        textwrap.dedent("""
        import torch, torch.nn.functional as F
        class PaddedConv(torch.nn.Conv2d):
            def forward(self, x):
                return F.conv2d(F.pad(x, (1, 1)), self.weight, self.bias)
        """)
    )
    save = """
        import torch, torchconv, padded
        torch.save(torchconv.convert(torch.nn.Sequential(padded.PaddedConv(1, 1, 1), torch.nn.Conv2d(1, 1, 1))), "m.pt")
        """
    load = """
        import torch
        model = torch.load("m.pt", weights_only=False)
        x = torch.ones(1, 1, 2, 2)
        y = model(x)
        import padded, torchconv
        assert isinstance(model[0], padded.PaddedConv) and type(model[0]) is not padded.PaddedConv
        assert type(torchconv.revert(model)[0]) is padded.PaddedConv and type(model[1]) is torch.nn.Conv2d
        torch.testing.assert_close(model(x), y)
        """
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(torchconv.__file__).parents[1])}
    for code in (save, load):
        command = [sys.executable, "-c", textwrap.dedent(code)]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=120)


@pytest.mark.parametrize("cls", [nn.Conv2d, PaddedConv])
@pytest.mark.parametrize("first", ["parametrize", "convert"])
def test_parametrized(cls, first):
    torch.manual_seed(0)
    model, x = cls(3, 6, 3), torch.randn(2, 3, 8, 8)
    steps = {"parametrize": lambda: parametrizations.weight_norm(model), "convert": lambda: torchconv.convert(model)}
    steps.pop(first)()
    steps.popitem()[1]()
    assert_runs_on_torchconv(model, x)
    y = model(x)
    assert_close(copy.deepcopy(model)(x), y)

    torchconv.revert(model)
    assert parametrize.is_parametrized(model, "weight")
    assert type(model).__bases__ == (cls,)
    assert_close(model(x), y)

    torchconv.convert(model)
    parametrize.remove_parametrizations(model, "weight")
    assert_runs_on_torchconv(model, x)
    assert_close(model(x), y)
    assert type(torchconv.revert(model)) is cls


def test_converting_a_parametrized_module_leaves_its_deepcopy_alone():
    model = parametrizations.spectral_norm(nn.Conv2d(3, 6, 3))
    other = copy.deepcopy(model)
    torchconv.convert(model)
    assert not isinstance(other, _Conv)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize(
    "prepare",
    [
        nn.utils.weight_norm,
        nn.utils.spectral_norm,
        lambda m: prune.l1_unstructured(m, "weight", 0.5),
    ],
    ids=["weight_norm", "spectral_norm", "prune"],
)
@pytest.mark.parametrize("cls", [nn.Conv2d, PaddedConv])
def test_hooked_modules(cls, prepare):
    torch.manual_seed(0)
    model, x = prepare(cls(3, 6, 3)).eval(), torch.randn(2, 3, 8, 8)
    expected, state = model(x), model.state_dict()
    torchconv.convert(model)
    assert_close(model(x), expected)
    assert_runs_on_torchconv(model, x)
    assert_close(model.state_dict(), state, rtol=0, atol=0)


def test_hooks_shared_modules_and_optimizers_stay():
    conv = nn.Conv2d(4, 4, 3, padding=1)
    model, seen = nn.Sequential(conv, nn.ReLU(), conv), []
    conv.register_forward_hook(lambda *args: seen.append(1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = conv.weight.detach().clone()
    torchconv.convert(model)
    model(torch.randn(1, 4, 5, 5)).sum().backward()
    optimizer.step()
    assert model[0] is model[2] is conv
    assert len(seen) == 2
    assert not torch.equal(conv.weight, before)


@pytest.mark.parametrize("when", ["before", "after"])
def test_lazy_modules(when):
    model, x = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyConvTranspose2d(2, 3)), torch.randn(1, 3, 6, 6)
    if when == "after":
        model(x)
    torchconv.convert(model)
    assert_runs_on_torchconv(model, x)
    assert [type(m) for m in model] == [torchconv.nn.Conv2d, torchconv.nn.ConvTranspose2d]
    assert [type(m) for m in torchconv.revert(model)] == [nn.Conv2d, nn.ConvTranspose2d]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
def test_three_dimensions(memory_format):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv3d(3, 8, 3, padding=1), nn.ReLU(), nn.ConvTranspose3d(8, 4, 2, stride=2))
    classes, x = [type(m) for m in model], torch.randn(2, 3, 3, 6, 5).to(memory_format=memory_format)
    expected = both(model, x)
    torchconv.convert(model)
    assert model.torchconv_report.converted == {"0": "Conv3d", "2": "ConvTranspose3d"}
    assert_close(both(model, x), expected, rtol=1e-4, atol=1e-4)
    assert_runs_on_torchconv(model, x)
    assert [type(m) for m in torchconv.revert(model)] == classes


def test_uninitialised_lazy_modules_can_be_reverted():
    assert type(torchconv.revert(torchconv.convert(nn.LazyConv1d(4, 3)))) is nn.LazyConv1d


class LazyPadded(nn.LazyConv2d):
    pass


class FourDimensions(nn.modules.conv._ConvNd):
    def __init__(self):
        super().__init__(3, 4, *[(3,) * 4, (1,) * 4, (0,) * 4, (1,) * 4], False, (0,) * 4, 1, True, "zeros")


def replaced_forward():
    m = nn.Conv2d(3, 4, 3)
    m.forward = lambda x: x
    return m


@pytest.mark.parametrize(
    "make, reason",
    [
        (FourDimensions, "torchconv has modules for torch.nn's Conv1d to Conv3d and"),
        (lambda: nn.Conv2d(3, 4, 3, dtype=torch.complex64), "does not support torch.complex64"),
        (lambda: torchconv.nn.Conv2d(3, 4, 3), "computed by torchconv already"),
        (lambda: torch.jit.trace(nn.Conv2d(1, 1, 1), torch.ones(1, 1, 2, 2)), "compiled by TorchScript"),
        (replaced_forward, "its forward was replaced on the instance"),
        (lambda: LazyPadded(3, 4), "uninitialised subclass"),
        (lambda: nn.Bilinear(3, 4, 5), "not a convolution"),
    ],
)
def test_left_alone(make, reason):
    module = make()
    cls = type(module)
    report = torchconv.convert(module).torchconv_report
    assert report.converted == {}
    assert reason in report.left_alone[""]
    assert type(module) is cls
    assert type(torchconv.revert(module)) is cls


def test_functional_transforms_and_fx():
    model, x = torchconv.convert(network()), torch.randn(2, 3, 8, 9)
    y = model(x)
    assert_close(torch.func.functional_call(model, dict(model.named_parameters()), (x,)), y)
    conv = torchconv.convert(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    traced = torch.fx.symbolic_trace(conv)
    assert torchconv.conv2d in [node.target for node in traced.graph.nodes]
    assert_close(traced(x), conv(x))


def test_state_dict_of_a_converted_model_is_that_of_torch():
    model = network()
    file = io.BytesIO()
    torch.save(torchconv.convert(model).state_dict(), file)
    file.seek(0)
    assert str(network().load_state_dict(torch.load(file, weights_only=True))) == "<All keys matched successfully>"


def test_data_parallel_wrappers():
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        plain, x = nn.Sequential(nn.Conv2d(3, 4, 3), PaddedConv(4, 4, 3)), torch.randn(2, 3, 8, 8)
        expected = both(plain, x)
        model = torchconv.convert(nn.parallel.DistributedDataParallel(plain))
        assert_runs_on_torchconv(model, x)
        assert_close(both(model, x), expected, rtol=1e-4, atol=1e-4)
        assert model.torchconv_report.converted == {"module.0": "Conv2d", "module.1": "PaddedConv"}
    finally:
        torch.distributed.destroy_process_group()
