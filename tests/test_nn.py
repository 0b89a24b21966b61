"""torchconv.nn against torch.nn: constructors, state, forward, and what only torchconv's take."""

import copy
import io
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

import torchconv

NAMES = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


def pair(name, *args, **kwargs):
    """The same module of torchconv and of torch, with the same weights."""
    torch.manual_seed(0)
    ours = getattr(torchconv.nn, name)(*args, **kwargs)
    torch.manual_seed(0)
    return ours, getattr(torch.nn, name)(*args, **kwargs)


def example(name, channels=4, batch=(2,)):
    return torch.randn(*batch, channels, *(9, 8, 7)[: int(name[-2])])


@pytest.mark.parametrize("batch", [(2,), ()])
@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"stride": 2, "padding": 1, "dilation": 2, "groups": 2, "bias": False},
        {"dtype": torch.float64, "stride": 3},
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_as_torch(name, kwargs, batch):
    ours, torchs = pair(name, 4, 6, 3, **kwargs)
    assert isinstance(ours, type(torchs))
    assert repr(ours) == repr(torchs)
    assert_close(ours.state_dict(), torchs.state_dict(), rtol=0, atol=0)
    x = example(name, batch=batch).to(ours.weight.dtype)
    assert_close(ours(x), torchs(x))


@pytest.mark.parametrize("padding", [1, (2, 1), "same", "valid"])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_padding_modes(mode, padding):
    ours, torchs = pair("Conv2d", 4, 6, (3, 2), padding=padding, padding_mode=mode)
    for x in (example("Conv2d"), example("Conv2d", batch=())):
        assert_close(ours(x), torchs(x))


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_four_sided_padding(mode):
    m = torchconv.nn.Conv2d(4, 6, 3, padding=((1, 2), 0), padding_mode=mode)
    assert "padding=((1, 2), (0, 0))" in repr(m)
    x = example("Conv2d")
    padded = F.pad(x, (0, 0, 1, 2), mode="constant" if mode == "zeros" else mode)
    assert_close(m(x), F.conv2d(padded, m.weight, m.bias))


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_six_sided_padding(mode):
    m = torchconv.nn.Conv3d(4, 6, 3, padding=((1, 2), 0, (2, 1)), padding_mode=mode)
    assert "padding=((1, 2), (0, 0), (2, 1))" in repr(m)
    x = example("Conv3d")
    padded = F.pad(x, (2, 1, 0, 0, 1, 2), mode="constant" if mode == "zeros" else mode)
    assert_close(m(x), F.conv3d(padded, m.weight, m.bias))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize(("d", "memory_format"), [(2, torch.channels_last), (3, torch.channels_last_3d)])
def test_padding_modes_keep_the_memory_format(mode, d, memory_format):
    ours, torchs = pair(f"Conv{d}d", 4, 6, 3, padding=(2, *[1] * (d - 1)), padding_mode=mode)
    x, torchs_x = (torch.randn(2, 4, *range(5, 5 + d)).to(memory_format=memory_format) for _ in range(2))
    torchs_x.copy_(x)
    y, expected = ours(x.requires_grad_()), torchs(torchs_x.requires_grad_())
    assert y.is_contiguous(memory_format=memory_format)
    assert_close(y, expected)
    y.sum().backward()
    expected.sum().backward()
    assert_close(x.grad, torchs_x.grad)


@pytest.mark.parametrize("mode", ["zeros", "circular"])
def test_strided_same(mode):
    m = torchconv.nn.Conv2d(4, 6, 3, stride=(2, 1), padding="same", padding_mode=mode)
    assert "padding=same" in repr(m)
    x = torch.randn(1, 4, 9, 8)
    padded = F.pad(x, (1, 1, 1, 1), mode="constant" if mode == "zeros" else mode)
    assert_close(m(x), F.conv2d(padded, m.weight, m.bias, stride=(2, 1)))


@pytest.mark.parametrize("name", ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"])
def test_output_size(name):
    ours, torchs = pair(name, 4, 6, 3, stride=3, padding=1)
    x = example(name)
    size = [3 * n for n in x.shape[2:]]
    assert_close(ours(x, output_size=size), torchs(x, output_size=size))


@pytest.mark.parametrize("name", NAMES)
def test_lazy(name):
    lazy = getattr(torchconv.nn, f"Lazy{name}")(6, 3, stride=2, algo="reference")
    assert isinstance(lazy, getattr(torch.nn, f"Lazy{name}"))
    x = example(name)
    y = lazy(x)
    assert type(lazy) is getattr(torchconv.nn, name)
    assert lazy.algo == "reference"
    plain = getattr(torch.nn, name)(4, 6, 3, stride=2)
    plain.load_state_dict(lazy.state_dict())
    assert_close(y, plain(x))


def test_lazy_takes_strided_same():
    m = torchconv.nn.LazyConv2d(6, 3, stride=2, padding="same")
    assert m(torch.randn(1, 4, 9, 8)).shape == (1, 6, 5, 4)


@pytest.mark.parametrize("name", NAMES)
def test_checkpoints_go_both_ways(name):
    ours, torchs = getattr(torchconv.nn, name)(4, 6, 3), getattr(torch.nn, name)(4, 6, 3)
    x = example(name)
    for source, target in ((ours, torchs), (torchs, ours)):
        torch.nn.init.normal_(source.weight)
        file = io.BytesIO()
        torch.save(source.state_dict(), file)
        file.seek(0)
        target.load_state_dict(torch.load(file, weights_only=True))
        assert_close(ours(x), torchs(x))


@pytest.mark.parametrize("name", [*NAMES, "LazyConv2d"])
def test_pickle_and_deepcopy_keep_the_algorithm(name):
    m = getattr(torchconv.nn, name)(*(() if name.startswith("Lazy") else (4,)), 6, 3, algo="reference")
    for copied in (pickle.loads(pickle.dumps(m)), copy.deepcopy(m)):
        assert type(copied) is type(m)
        assert repr(copied) == repr(m)
        assert "algo='reference'" in repr(copied)


def test_the_algorithm_reaches_the_operator(monkeypatch):
    seen = []
    real = torchconv.ops.conv_fwd
    monkeypatch.setattr(torchconv.ops, "conv_fwd", lambda *args: seen.append(args[-1]) or real(*args))
    torchconv.nn.Conv2d(4, 6, 3, algo="reference")(example("Conv2d"))
    torchconv.nn.Conv2d(4, 6, 3)(example("Conv2d"))
    assert seen == ["reference", "auto"]


def test_gradients_and_hooks():
    ours, torchs = pair("Conv2d", 4, 6, 3, padding=1)
    seen = []
    ours.register_forward_hook(lambda module, args, y: seen.append(y.shape))
    x = example("Conv2d")
    for m in (ours, torchs):
        m(x).square().sum().backward()
    assert seen == [(2, 6, 9, 8)]
    assert_close(ours.weight.grad, torchs.weight.grad)
    assert_close(ours.bias.grad, torchs.bias.grad)


def test_training_step_under_compile():
    ours, torchs = pair("Conv2d", 4, 6, 3, stride=2, padding="valid")
    x = example("Conv2d")
    compiled = torch.compile(ours, backend="aot_eager", fullgraph=True)
    compiled(x).square().sum().backward()
    torchs(x).square().sum().backward()
    assert_close(ours.weight.grad, torchs.weight.grad)


@pytest.mark.parametrize(
    "make, argument",
    [
        (lambda: torchconv.nn.Conv2d(4, 6, 3, groups=4), "out_channels"),
        (lambda: torchconv.nn.Conv2d(4, 6, 3, padding="full"), "padding"),
        (lambda: torchconv.nn.Conv2d(4, 6, 3, padding=((1, 2), (3, 4), (5, 6))), "padding"),
        (lambda: torchconv.nn.Conv2d(4, 6, 3, padding_mode="mirror"), "padding_mode"),
        (lambda: torchconv.nn.Conv2d(4, 6, 3, algo=None), "algo"),
        (lambda: torchconv.nn.LazyConv2d(6, 3, algo=3), "algo"),
        (lambda: torchconv.nn.ConvTranspose2d(4, 6, 3, padding_mode="reflect"), "padding mode"),
        (lambda: torchconv.nn.Conv2d("3", 6, 3), "^in_channels: expected an int, got '3'"),
        (lambda: torchconv.nn.Conv2d(-4, 6, 3), "^in_channels: expected a number of at least 0"),
        (lambda: torchconv.nn.ConvTranspose1d(4, 6.0, 3), "^out_channels: expected an int, got 6.0"),
        (lambda: torchconv.nn.Conv1d(4, 6, 3, groups="2"), "^groups: expected an int, got '2'"),
        (lambda: torchconv.nn.Conv2d(4, 6, -3), r"^kernel_size: expected positive numbers, got \[-3, -3\]"),
        (lambda: torchconv.nn.Conv2d(4, 6, (3, 3, 3)), "^kernel_size: expected an int or a sequence of 2"),
        (lambda: torchconv.nn.ConvTranspose2d(4, 6, 3, stride=0), r"^stride: expected positive numbers, got \[0, 0\]"),
        (lambda: torchconv.nn.Conv1d(4, 6, 3, dilation=-1), r"^dilation: expected positive numbers, got \[-1\]"),
        (lambda: torchconv.nn.Conv2d(4, 6, 3, dtype="float"), "dtype"),
        (lambda: torchconv.nn.LazyConv2d("6", 3), "^out_channels: expected an int, got '6'"),
        (lambda: torchconv.nn.LazyConvTranspose1d(6, 3, stride=0), "^stride: expected positive numbers"),
    ],
)
def test_bad_constructor_arguments(make, argument):
    with pytest.raises(torchconv.TorchconvError, match=argument):
        make()


@pytest.mark.parametrize(
    "name, arguments, call, message",
    [
        (
            "Conv2d",
            {"padding": 9, "padding_mode": "reflect"},
            lambda m: m(torch.ones(1, 4, 8, 8)),
            r"^padding: expected what padding_mode='reflect' can take from the input of size .*, got \(9, 9\)",
        ),
        (
            "Conv1d",
            {"padding": 9, "padding_mode": "circular"},
            lambda m: m(torch.ones(4, 8)),
            r"^padding: expected what padding_mode='circular' can take from the input of size \[4, 8\], got \(9,\)",
        ),
        (
            "Conv2d",
            {"padding": 1, "padding_mode": "reflect"},
            lambda m: m(torch.ones(4, 4)),
            "^x: expected 4 dimensions",
        ),
        ("Conv2d", {"padding": 1, "padding_mode": "reflect"}, lambda m: m(None), "^x: expected a torch.Tensor"),
        (
            "ConvTranspose2d",
            {"stride": 2},
            lambda m: m(torch.ones(1, 4, 8, 8), [9, 9]),
            r"^output_size: expected a size that can come from an input of size \[1, 4, 8, 8\], got \[9, 9\]",
        ),
        ("ConvTranspose1d", {}, lambda m: m(torch.ones(1, 4, 8), 10), "^output_size: expected a size .* got 10"),
        ("ConvTranspose1d", {}, lambda m: m(None, [10]), "^x: expected a torch.Tensor"),
        ("ConvTranspose1d", {}, lambda m: m(torch.ones(4), [10]), "^x: expected 3 dimensions"),
    ],
)
def test_bad_calls(name, arguments, call, message):
    with pytest.raises(torchconv.TorchconvError, match=message):
        call(getattr(torchconv.nn, name)(4, 6, 3, **arguments))


@pytest.mark.parametrize(
    "x, groups, message",
    [
        (torch.ones(4, 4), 1, "^x: expected 4 dimensions"),
        (torch.ones(1, 3, 8, 8), 2, "^groups: expected a divisor of the 3 channels of x, got 2"),
        (None, 1, "^x: expected a torch.Tensor"),
    ],
)
@pytest.mark.parametrize("name", ["LazyConv2d", "LazyConvTranspose2d"])
def test_bad_first_inputs(name, x, groups, message):
    with pytest.raises(torchconv.TorchconvError, match=message):
        getattr(torchconv.nn, name)(6, 3, groups=groups)(x)


@pytest.mark.parametrize("size", [(17, 17), (18, 18), (18, 17)])
def test_output_size_with_two_sided_padding(size):
    module = torchconv.nn.ConvTranspose2d(3, 4, 3, stride=2, padding=((1, 0), (0, 1)))
    x = torch.randn(2, 3, 9, 9)
    y = module(x, output_size=(size[0] + 1, size[1] + 1))
    assert y.shape[2:] == (size[0] + 1, size[1] + 1)
    torch.testing.assert_close(y[:, :, :18, :18], module(x))
    with pytest.raises(torchconv.TorchconvError, match="output_size"):
        module(x, output_size=(30, 18))
    # With the same on both sides it is torch's.
    ours, torchs = torchconv.nn.ConvTranspose2d(3, 4, 3, 2, 1), torch.nn.ConvTranspose2d(3, 4, 3, 2, 1)
    torchs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x, output_size=size), torchs(x, output_size=size))


@pytest.mark.parametrize("arguments, name", [((-1, 4, 3), "in_channels"), ((3, -4, 3), "out_channels")])
def test_negative_channels_are_named(arguments, name):
    with pytest.raises(torchconv.TorchconvError, match=f"^{name}: expected a number of at least 0"):
        torchconv.nn.Conv2d(*arguments)
