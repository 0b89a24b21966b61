"""freeze: what is folded and fused, what is left alone and why, and that the copy computes what the model does."""

import copy
import operator
import pickle
import types

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.nn.utils import prune
from torch.testing import assert_close

import torchconv
from torchconv import _C
from torchconv.nn import FusedConv, FusedLinear


def with_statistics(model):
    """Normalisations as after training: none of them passes its input on."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.2, 0.2)
    return model.eval()


def check(model, *x, fused=None, left=None):
    """Freezes, compares the results in both layouts, and the report where one is given."""
    with_statistics(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    frozen = torchconv.freeze(model)
    with torch.no_grad():
        for t in [x, [v.contiguous(memory_format=torch.channels_last) for v in x]] if x[0].dim() == 4 else [x]:
            expected = model(*t)
            assert_close(frozen(*t), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    report = frozen.torchconv_report
    assert fused is None or report.fused == fused, report.fused
    assert left is None or report.left_alone == left, report.left_alone
    assert {name: type(m) for name, m in model.named_modules()}  # the model itself is as it was
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    return frozen


def image(channels=3, size=12):
    return torch.randn(2, channels, size, size)


MODELS = [
    ("resnet18", "conv + BatchNorm2d + residual + relu", 8),
    ("mobilenet_v2", "conv + BatchNorm2d + relu6", 35),
    ("mobilenet_v3_small", "conv + BatchNorm2d + hardswish", 18),
    ("efficientnet_b0", "conv + BatchNorm2d + silu", 33),
    ("densenet121", "conv + BatchNorm2d + relu", 59),
    ("googlenet", "conv + BatchNorm2d + relu", 57),
    ("shufflenet_v2_x1_0", "conv + BatchNorm2d + relu", 37),
    ("regnet_x_400mf", "conv + BatchNorm2d + residual + relu", 22),
    ("convnext_tiny", "conv", 22),
    ("squeezenet1_1", "conv + relu", 26),
    ("vgg11_bn", "conv + BatchNorm2d + relu", 8),
]


@pytest.mark.parametrize(("name", "steps", "count"), MODELS)
def test_torchvision(name, steps, count):
    extra = {"init_weights": False} if name == "googlenet" else {}
    model = getattr(torchvision.models, name)(weights=None, **extra)
    x = torch.randn(1, 3, 64, 64)
    frozen = check(model, x)
    assert list(frozen.torchconv_report.fused.values()).count(steps) == count
    assert sum(isinstance(m, FusedConv) for m in frozen.modules()) == len(frozen.torchconv_report.fused)
    assert not any(isinstance(m, nn.modules.conv._ConvNd) for m in frozen.modules())


@pytest.mark.parametrize(
    ("layer", "step"),
    [
        (nn.ReLU(), "relu"), (nn.ReLU(inplace=True), "relu"), (nn.ReLU6(), "relu6"), (nn.SiLU(), "silu"),
        (nn.LeakyReLU(0.2), "leaky_relu:0.2"), (nn.GELU(), "gelu"), (nn.GELU("tanh"), "gelu_tanh"),
        (nn.Hardswish(), "hardswish"), (nn.Hardsigmoid(), "hardsigmoid"), (nn.Sigmoid(), "sigmoid"),
        (nn.Tanh(), "tanh"), (nn.Hardtanh(0, 6), "relu6"),
    ],
    ids=str,
)  # fmt: skip
def test_activations(layer, step):
    check(nn.Sequential(nn.Conv2d(3, 5, 3), layer), image(), fused={"0": f"conv + {step}"}, left={})


FUNCTIONS = {
    "F.relu": F.relu, "inplace": lambda y: F.relu(y, inplace=True), "method": lambda y: y.relu(),
    "relu_": lambda y: y.relu_(),
    "positional": lambda y: F.relu(y, True), "leaky": lambda y: F.leaky_relu(y, 0.3), "leaky default": F.leaky_relu,
    "gelu": lambda y: F.gelu(y, approximate="tanh"), "relu6": F.relu6, "hardtanh": lambda y: F.hardtanh(y, 0.0, 6.0),
    "silu": F.silu, "sigmoid": torch.sigmoid,
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 5, 3)

        def forward(self, x):
            return FUNCTIONS[name](self.conv(x))

    frozen = check(Model(), image())
    assert frozen.torchconv_report.fused["conv"].startswith("conv + ") and not frozen.torchconv_report.left_alone
    assert sum(node.op == "call_module" for node in frozen.model.graph.nodes) == 1


@pytest.mark.parametrize("kind", [nn.Hardtanh(), nn.Softplus(), nn.ELU()], ids=str)
def test_other_activations_stay(kind):
    check(nn.Sequential(nn.Conv2d(3, 5, 3), kind), image(), fused={"0": "conv"})


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_normalisation(dim, affine, bias):
    conv, norm = getattr(nn, f"Conv{dim}d"), getattr(nn, f"BatchNorm{dim}d")
    model = nn.Sequential(
        conv(4, 6, 3, groups=2, bias=bias), nn.Identity(), norm(6, affine=affine), nn.Dropout(), nn.ReLU()
    )
    check(model, torch.randn(2, 4, *[7] * dim), fused={"0": f"conv + BatchNorm{dim}d + relu"}, left={})


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("layer", "step"), [(nn.GELU(), "linear + gelu"), (nn.ELU(), "linear")], ids=str)
@pytest.mark.parametrize("size", [(5,), (3, 5), (2, 3, 5), (0, 5), (2, 1, 3, 5)], ids=str)
def test_linear_layers_and_their_activation(size, layer, step, bias):
    model, x = nn.Sequential(nn.Linear(5, 7, bias=bias), layer, nn.Linear(7, 4)), torch.randn(size)
    frozen = torchconv.freeze(model)
    assert_close(frozen(x), model(x), rtol=1e-4, atol=1e-5)
    assert frozen.torchconv_report.fused == {"0": step, "2": "linear"}
    assert type(frozen.model.get_submodule("0")) is FusedLinear
    turned = x.transpose(0, -1).contiguous().transpose(0, -1)
    assert_close(frozen(turned), model(turned), rtol=1e-4, atol=1e-5)


def test_a_normalisation_after_a_linear_layer_stays():
    """Of [N, L, K] it would be over L."""
    model = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(3), nn.ReLU())
    check(model, torch.randn(2, 3, 5), fused={"0": "linear"})


def test_linear_layers_that_stay():
    model = nn.Sequential(nn.Linear(5, 5), nn.ReLU())
    model[0].register_forward_hook(lambda m, args, y: y + 1)
    check(model, torch.randn(2, 5), fused={})
    empty = torchconv.freeze(nn.Sequential(nn.Linear(0, 3), nn.ReLU()))
    assert empty(torch.ones(2, 0)).shape == (2, 3) and empty.torchconv_report.fused == {}


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_transposed_convolutions_fold_their_normalisation(dim):
    conv, norm = getattr(nn, f"ConvTranspose{dim}d"), getattr(nn, f"BatchNorm{dim}d")
    model = nn.Sequential(conv(4, 6, 3, stride=2, groups=2), norm(6), nn.ReLU())
    frozen = check(model, torch.randn(2, 4, *[5] * dim), fused={"0": f"ConvTranspose{dim}d + BatchNorm{dim}d"})
    assert isinstance(
        frozen.model[0] if dim == 0 else frozen.model.get_submodule("0"), getattr(torchconv.nn, f"ConvTranspose{dim}d")
    )


class Tied(nn.Module):
    """Reads the weight of a convolution that it calls too."""

    def __init__(self, conv):
        super().__init__()
        self.conv, self.norm = conv, nn.BatchNorm2d(4)

    def forward(self, x):
        return self.norm(self.conv(x)) * self.conv.weight.abs().sum() + self.conv.bias.view(-1, 1, 1)


@pytest.mark.parametrize("conv", [nn.Conv2d, nn.ConvTranspose2d])
def test_weights_that_are_read_stay(conv):
    name = "conv" if conv is nn.Conv2d else "ConvTranspose2d"
    check(Tied(conv(4, 4, 3)), image(4), fused={"conv": f"{name} + BatchNorm2d"})


@pytest.mark.parametrize("conv", [nn.Conv2d, nn.ConvTranspose2d])
def test_shared_blocks_are_folded_once(conv):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = self.second = nn.Sequential(conv(4, 4, 3, padding=1), nn.BatchNorm2d(4))

        def forward(self, x):
            return self.second(self.first(x)) if x.shape[0] else x  # the condition: torch.fx cannot trace it

    check(Twice(), image(4))
    check(nn.Sequential(*[conv(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU()] * 2), image(4))


def test_parametrized_transposed_convolutions_stay():
    conv = nn.utils.parametrizations.spectral_norm(nn.ConvTranspose2d(4, 4, 3))
    check(nn.Sequential(conv, nn.BatchNorm2d(4)), image(4), fused={})


def test_statistics_of_the_batch_are_not_folded():
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5, track_running_stats=False))
    frozen = torchconv.freeze(model.eval())
    assert frozen.torchconv_report.left_alone == {"1": "BatchNorm2d: the convolution before it cannot take it up"}
    x = image()
    assert_close(frozen(x), model(x))


PADDINGS = {
    "ZeroPad2d": nn.ZeroPad2d((1, 2, 0, 3)),
    "ConstantPad2d": nn.ConstantPad2d(2, 0.0),
}


@pytest.mark.parametrize("name", PADDINGS)
def test_zero_padding_becomes_the_convolutions(name):
    model = nn.Sequential(PADDINGS[name], nn.Conv2d(3, 5, 3, padding=(1, 0), stride=2), nn.ReLU())
    frozen = check(model, image(), fused={"1": "padding + conv + relu"}, left={})
    assert [node.op for node in frozen.model.graph.nodes] == ["placeholder", "call_module", "output"]


@pytest.mark.parametrize("pad", [nn.ConstantPad2d(1, 2.0), nn.ReflectionPad2d(1), nn.ZeroPad2d(-1)], ids=str)
def test_other_padding_stays(pad):
    check(nn.Sequential(pad, nn.Conv2d(3, 5, 3)), image(), fused={"1": "conv"})


def test_padding_before_its_source_changes_stays():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3)

        def forward(self, x):
            y = x * 1
            padded = F.pad(y, (1, 1, 1, 1))
            y.relu_()
            return self.conv(padded) + y

    check(Model(), image(), fused={"conv": "conv + residual"})


class Residual(nn.Module):
    """add: how the sum is written. late: what is done to the inputs between convolution and sum."""

    def __init__(self, add, late=None):
        super().__init__()
        self.conv, self.side, self.relu = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True)
        self.add, self.late = add, late

    def forward(self, x):
        x = self.side(x)
        y = self.conv(x)
        if self.late:
            self.late(x)
        return self.relu(self.add(y, x))


def iadd_left(y, x):
    y += x
    return y


def iadd_right(y, x):
    x += y
    return x


SUMS = {
    "y + x": (lambda y, x: y + x, True), "x + y": (lambda y, x: x + y, True), "y += x": (iadd_left, True),
    "torch.add": (torch.add, True), "method": (lambda y, x: y.add_(x), True),
    "x += y": (iadd_right, True), "alpha": (lambda y, x: torch.add(y, x, alpha=2), False),
    "a number": (lambda y, x: y + 1, False), "itself": (lambda y, x: y + y, False),
}  # fmt: skip


@pytest.mark.parametrize("name", SUMS)
def test_residuals(name):
    add, fuses = SUMS[name]
    frozen = check(Residual(add), image())
    assert frozen.torchconv_report.fused["conv"] == ("conv + residual + relu" if fuses else "conv")


def test_what_changes_in_between_is_respected():
    check(Residual(torch.add, lambda x: x.mul_(2)), image(), fused={"side": "conv", "conv": "conv"})
    check(Residual(torch.add, lambda x: F.relu(x, True)), image(), fused={"side": "conv", "conv": "conv"})


@pytest.mark.parametrize("part", [lambda x: x.chunk(2, 1)[0], lambda x: x[:, :2], lambda x: x.view(x.shape)[:, 1:3]])
def test_sums_written_over_a_view_change_the_whole(part):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 2, 1)

        def forward(self, x):
            x = x * 1
            view = part(x)
            view += self.conv(x)
            return x

    check(Model(), image(4), fused={"conv": "conv"})


@pytest.mark.parametrize("change", [operator.iadd, operator.imul, operator.isub, operator.itruediv])
def test_what_is_written_over_changes_under_all_names(change):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            before = y = self.conv(x)
            y = change(y, x + 9)
            return before + x

    check(Model(), image(), fused={"conv": "conv"})


def test_residuals_are_broadcast():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.pool = nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1)

        def forward(self, x):
            return self.conv(self.pool(x)) + x, self.conv(x) + self.pool(x)

    model = with_statistics(Model())
    x = image()
    for ours, theirs in zip(torchconv.freeze(model)(x), model(x), strict=True):
        assert_close(ours, theirs)


def test_a_convolution_called_twice():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

        def forward(self, x):
            return self.second(self.conv(self.first(self.conv(x)).relu()))

    check(Model(), image())


def test_hooks_are_kept():
    seen = []
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU())
    model[0].register_forward_hook(lambda *_: seen.append("conv"))
    frozen = check(model, image(), fused={}, left={"0": "it has hooks", "1": "ReLU: follows no convolution"})
    del seen[:]
    frozen(image())
    assert seen == ["conv"]
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU())
    model[1].register_forward_hook(lambda *_: seen.append("relu"))
    check(model, image(), fused={"0": "conv"}, left={"1": "ReLU: the convolution before it cannot take it up"})


@pytest.mark.parametrize("where", ["", "0", "0.0"])
def test_hooks_of_whole_models_and_blocks_are_kept(where):
    seen = []
    model = nn.Sequential(nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.ReLU())), nn.Sigmoid())
    model.get_submodule(where).register_forward_pre_hook(lambda _, inputs: (3 * inputs[0],))
    model.get_submodule(where).register_forward_hook(lambda _, __, y: seen.append(y.sum().item()) or 2 * y)
    check(model, image(), fused={"0.0.0": "conv + BatchNorm2d + relu"})
    assert len(seen) == 4  # two calls of each


def test_a_forward_on_the_instance_is_kept():
    model = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU())
    model.forward = types.MethodType(lambda self, x: 2 * self[0](x), model)
    left = {"": "Sequential: its forward was replaced on the instance"}
    check(model, image(), fused={}, left=left)


@pytest.mark.parametrize("place, name", [(0, "forward"), (0, "_conv_forward"), (1, "forward"), (2, "forward")])
def test_a_method_on_the_instance_of_a_layer_is_kept(place, name):
    model = nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.ReLU()).eval()
    of_class = getattr(model[place], name)
    setattr(model[place], name, lambda *args: 2 * of_class(*args))
    x = image()
    torch.testing.assert_close(torchconv.freeze(model, x)(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("example", [3, torch.zeros(1, 5, 8, 8)], ids=["type", "size"])
def test_an_example_that_the_model_does_not_take(example):
    with pytest.raises(torchconv.TorchconvError, match=r"^example: expected inputs that the model takes, got "):
        torchconv.freeze(nn.Conv2d(3, 4, 3).eval(), example)


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
@pytest.mark.parametrize("compute", [nn.utils.weight_norm, lambda m: prune.random_unstructured(m, "weight", 0.5)])
def test_computed_weights_are_copied(compute):
    model = nn.Sequential(compute(nn.Conv2d(3, 3, 3)), nn.ReLU())
    check(model, image(), fused={})


def test_parametrized_and_converted_models():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 5, 3)), nn.BatchNorm2d(5), nn.ReLU())
    check(model, image(), fused={"0": "conv + BatchNorm2d + relu"})
    check(torchconv.convert(model), image(), fused={"0": "conv + BatchNorm2d + relu"})
    own = nn.Sequential(torchconv.nn.Conv2d(3, 5, 3, padding="same", stride=2, algo="im2col"), nn.ReLU())
    assert check(own, image()).get_submodule("model.0").algo == "im2col"


def test_subclasses_and_lone_convolutions():
    class Padded(nn.Conv2d):
        def forward(self, x):
            return F.conv2d(F.pad(x, (0, 1, 0, 1)), self.weight, self.bias, self.stride)

    check(nn.Sequential(Padded(3, 5, 3), nn.ReLU()), image(), fused={"0": "padding + conv + relu"}, left={})
    check(nn.Conv2d(3, 5, 3), image())
    reflected = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1, padding_mode="reflect"))
    check(reflected, image(), fused={}, left={"0": "padding_mode reflect"})


class Branching(nn.Module):
    """torch.fx cannot trace what depends on values."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        y = self.body(x)
        return self.head(y) if y.sum() > 0 else y


def test_untraceable_modules_are_frozen_part_by_part():
    frozen = check(Branching(), image(), fused={"body.0": "conv + BatchNorm2d + relu"})
    assert frozen.torchconv_report.left_alone[""].startswith("Branching: torch.fx cannot trace it")
    assert isinstance(frozen.model.head, torchconv.nn.Conv2d)


class Arguments(nn.Module):
    """What may be tensors, numbers or keywords where torch.fx sees only that something comes."""

    def __init__(self):
        super().__init__()
        self.pad, self.conv, self.drop = nn.ZeroPad2d(1), nn.Conv2d(3, 3, 3), nn.Dropout()

    def forward(self, x, number, pad, slope):
        y = self.conv(self.pad(input=self.drop(input=x))) + number
        return F.leaky_relu(self.conv(F.pad(y, pad)), slope) + y.shape[0]


def test_arguments_that_are_no_tensors():
    x, model = image(), Arguments().eval()
    frozen = torchconv.freeze(model)
    assert_close(frozen(x, 2.5, (1, 1, 1, 1), 0.3), model(x, 2.5, (1, 1, 1, 1), 0.3))


def test_defaults_of_forward():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x, mask=None, *, double=False):
            y = self.conv(x)
            y = y if mask is None else y * mask
            return 2 * y if double else y

    check(Model(), image())


def test_an_example_is_compared():
    class Lying(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            y = self.conv(x)
            return y + 1 if isinstance(x, torch.Tensor) else y  # a proxy is no tensor

    model = Lying().train()
    with pytest.raises(torchconv.TorchconvError, match="model: expected a model whose frozen copy gives the same"):
        torchconv.freeze(model, image())
    assert model.training
    torchconv.freeze(with_statistics(Branching()), (image(),))


def test_errors():
    with pytest.raises(torchconv.TorchconvError, match=r"model: expected a torch.nn.Module, got int"):
        torchconv.freeze(3)
    with pytest.raises(
        torchconv.TorchconvError, match=r"model: expected initialised parameters .* got 0.weight, 0.bias"
    ):
        torchconv.freeze(nn.Sequential(nn.LazyConv2d(3, 3)))
    frozen = torchconv.freeze(nn.Conv2d(3, 3, 1))
    assert frozen.eval() is frozen
    with pytest.raises(torchconv.TorchconvError, match="mode: expected False"):
        frozen.train()


def test_copies_move_and_save(tmp_path):
    model = with_statistics(nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU()))
    frozen, x = torchconv.freeze(model), image()
    y = frozen(x)
    assert list(frozen.state_dict()) == ["model.0.weight", "model.0.bias"]
    for other in (copy.deepcopy(frozen), pickle.loads(pickle.dumps(frozen))):
        assert torch.equal(other(x), y)
        assert other.torchconv_report == frozen.torchconv_report
    torch.save(frozen, tmp_path / "frozen.pt")
    assert torch.equal(torch.load(tmp_path / "frozen.pt", weights_only=False)(x), y)
    assert_close(frozen.double()(x.double()).float(), y)
    half = frozen.to(torch.bfloat16)(x.bfloat16())
    assert_close(half.float(), y, rtol=3e-2, atol=3e-2)
    _C.set_max_isa("baseline")
    assert_close(frozen.float()(x), y, rtol=3e-2, atol=3e-2)


def test_export_has_one_node_for_each_fused_layer():
    frozen = torchconv.freeze(with_statistics(Residual(torch.add)))
    exported = torch.export.export(frozen.model, (image(),), dynamic_shapes=({0: torch.export.Dim("N", min=1)},))
    targets = [node.target for node in exported.graph.nodes if node.op == "call_function"]
    assert targets == [torch.ops.torchconv.conv_fused.default] * 2
    x = torch.randn(5, 3, 12, 12)
    assert_close(exported.module()(x), frozen(x))
    assert_close(torch.compile(frozen, backend="aot_eager", fullgraph=True)(x), frozen(x))


def test_report():
    report = torchconv.freeze(nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.BatchNorm2d(5))).torchconv_report
    assert "conv + relu" in str(report) and "BatchNorm2d" in str(report)
