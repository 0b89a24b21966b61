"""enabled(): torch's own functions and modules on torchconv, forward and backward, with torch's results and strides."""

import copy
import threading

import pytest
import torch
import torchvision
from torch.nn import functional as F

import torchconv

F32, F64 = torch.float32, torch.float64


@pytest.fixture(autouse=True)
def fresh_counts():
    torchconv.stats(reset=True)
    yield
    assert torchconv._enabled._library is None, "a test left it on"


def ran():
    return torchconv.stats()["torchconv"]


def gradients(f, *tensors):
    tensors = [t.clone(memory_format=torch.preserve_format).requires_grad_() for t in tensors]
    y = f(*tensors)
    return y, torch.autograd.grad(y, tensors, torch.ones_like(y))


CALLS = {
    "conv1d": lambda x, w: F.conv1d(x[:, :, 0], w[:, :, 0].contiguous(), None, 2, 1),
    "conv2d": lambda x, w: F.conv2d(x, w),
    "strided": lambda x, w: F.conv2d(x, w, None, (2, 1), (1, 0), (1, 2)),
    "same": lambda x, w: F.conv2d(x, w, padding="same"),
    "grouped": lambda x, w: F.conv2d(x, w[:, :3], None, 1, 1, 1, 2),
    "transposed": lambda x, w: F.conv_transpose2d(x, w, None, 2, 1, 1, 1),
    "transposed grouped": lambda x, w: F.conv_transpose2d(x, w, None, (3, 2), 1, (2, 0), 2, (1, 2)),
    "unbatched": lambda x, w: F.conv2d(x[0], w, padding=1),
}


@pytest.mark.parametrize("x_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("w_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("name", CALLS)
def test_values_gradients_and_strides_are_torchs(name, dtype, x_format, w_format):
    x = torch.randn(2, 6, 9, 8, dtype=dtype).contiguous(memory_format=x_format)
    w = torch.randn(6, 6, 3, 3, dtype=dtype).contiguous(memory_format=w_format)
    expected = gradients(CALLS[name], x, w)
    with torchconv.enabled():
        found = gradients(CALLS[name], x, w)
    assert ran() == 2 and not torchconv.stats()["delegated"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert found[0].stride() == expected[0].stride()
    assert [g.stride() for g in found[1]] == [g.stride() for g in expected[1]]


@pytest.mark.parametrize("x_format", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("w_format", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("dtype", [F32, F64])  # torch's two kernels for them differ in what they make of strides
def test_three_dimensions(dtype, x_format, w_format):
    x = torch.randn(2, 4, 5, 6, 7, dtype=dtype).contiguous(memory_format=x_format)
    w = torch.randn(6, 4, 2, 3, 3, dtype=dtype).contiguous(memory_format=w_format)
    for f in (
        lambda x, w: F.conv3d(x, w, None, (1, 2, 1), 1),
        lambda x, w: F.conv_transpose3d(x, w.transpose(0, 1), None, 2, 1, 1),
    ):
        expected = gradients(f, x, w)
        with torchconv.enabled():
            found = gradients(f, x, w)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        assert found[0].stride() == expected[0].stride()
    assert ran() == 4


def test_bias_and_double_backward():
    x, w, b = torch.randn(2, 3, 6, 5, dtype=F64), torch.randn(4, 3, 3, 2, dtype=F64), torch.randn(4, dtype=F64)
    operands = [t.requires_grad_() for t in (x, w, b)]
    with torchconv.enabled():
        assert torch.autograd.gradcheck(lambda *t: F.conv2d(*t, stride=2, padding=1), operands)
        assert torch.autograd.gradgradcheck(lambda *t: F.conv2d(*t, stride=2, padding=1), operands)
        assert torch.autograd.gradcheck(lambda x, w: F.conv_transpose2d(x, w, stride=2), (x, w.transpose(0, 1)))
    assert ran() > 0 and not torchconv.stats()["delegated"]


INT = torch.ones(3, 3, dtype=torch.int64)
DELEGATED = {
    "int64": (
        lambda: F.conv2d(torch.ones(1, 1, 3, 3).long(), torch.ones(1, 1, 2, 2).long()),
        "convolution: dtype int64",
    ),
}


@pytest.mark.parametrize("name", DELEGATED)
def test_what_torchconv_has_not_runs_on_torch_and_is_counted(name):
    call, why = DELEGATED[name]
    expected = call()
    with torchconv.enabled():
        assert torch.equal(call(), expected)
    assert torchconv.stats() == {"torchconv": 0, "delegated": {why: 1}}


def test_complex_runs_as_torch_splits_it():
    x, w = torch.randn(1, 2, 5, 5, dtype=torch.complex64), torch.randn(3, 2, 3, 3, dtype=torch.complex64)
    expected = F.conv2d(x, w)
    with torchconv.enabled():
        torch.testing.assert_close(F.conv2d(x, w), expected)


def test_wrong_arguments_raise_as_runtime_errors():
    with torchconv.enabled(), pytest.raises(RuntimeError):
        F.conv2d(torch.ones(1, 3, 5, 5), torch.ones(4, 2, 3, 3))


@pytest.mark.filterwarnings("ignore:.torch.jit.trace:FutureWarning")
def test_a_trace_raises_instead_of_keeping_results_as_constants():
    conv = torch.nn.Conv2d(3, 3, 3, padding=1).requires_grad_(False)
    with torchconv.enabled(), pytest.raises(torchconv.TorchconvError, match="no convolution under torch"):
        torch.jit.trace(lambda x: x + conv(x), torch.randn(1, 3, 8, 8))


def test_it_nests_and_holds_for_all_threads():
    x, w = torch.ones(1, 1, 4, 4), torch.ones(1, 1, 2, 2)
    with torchconv.enabled():
        with torchconv.enabled():
            F.conv2d(x, w)
        threads = [threading.Thread(target=F.conv2d, args=(x, w)) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert ran() == 5
    F.conv2d(x, w)
    assert ran() == 5


def test_threads_that_enter_and_leave():
    x, w = torch.randn(2, 3, 8, 8), torch.randn(4, 3, 3, 3)
    expected, failures = F.conv2d(x, w), []

    def work():
        try:
            for _ in range(50):
                with torchconv.enabled():
                    torch.testing.assert_close(F.conv2d(x, w), expected)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures and ran() == 200


def test_a_backward_after_it_ended_is_torchs():
    x, w = torch.randn(2, 3, 6, 6, dtype=F64), torch.randn(4, 3, 3, 3, dtype=F64, requires_grad=True)
    [expected] = torch.autograd.grad(F.conv2d(x, w).sum(), w)
    with torchconv.enabled():
        y = F.conv2d(x, w)
    torch.testing.assert_close(torch.autograd.grad(y.sum(), w)[0], expected)
    assert ran() == 1


def test_an_error_inside_ends_it():
    with pytest.raises(KeyError), torchconv.enabled():
        raise KeyError
    F.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2))
    assert ran() == 0


def test_stats_takes_a_bool():
    with pytest.raises(torchconv.TorchconvError, match=r"^reset: expected True or False, got 'no'"):
        torchconv.stats("no")


def test_as_a_decorator():
    @torchconv.enabled()
    def f(x, w):
        return F.conv2d(x, w)

    f(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2))
    f(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2))
    assert ran() == 2


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_compiled_code_reaches_it(memory_format):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 1))
    model = model.to(memory_format=memory_format)
    x = torch.randn(2, 3, 8, 8)
    expected = model(x)
    with torchconv.enabled():
        torch.testing.assert_close(torch.compile(model)(x), expected, rtol=1e-4, atol=1e-5)


def test_autocast_and_vmap_above_it():
    x, w = torch.randn(5, 2, 3, 6, 6), torch.randn(4, 3, 3, 3)
    expected = torch.vmap(F.conv2d, (0, None))(x, w)
    with torchconv.enabled():
        torch.testing.assert_close(torch.vmap(F.conv2d, (0, None))(x, w), expected, rtol=1e-4, atol=1e-4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert F.conv2d(x[0], w).dtype == torch.bfloat16
    assert ran() == 2


MODELS = [
    "resnet50", "mobilenet_v3_small", "efficientnet_b0", "convnext_tiny", "densenet121", "googlenet",
    "shufflenet_v2_x1_0", "regnet_x_400mf",
]  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_whole_models(name):
    """Every convolution is hit, forward and backward; outputs and gradients are torch's."""
    extra = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    model = torchvision.models.get_model(name, weights=None, **extra).double().eval()
    convolutions = sum(isinstance(m, torch.nn.Conv2d) for m in model.modules())
    x = torch.randn(1, 3, 64, 64, dtype=F64)
    reference = copy.deepcopy(model)
    expected = reference(x)
    expected.square().sum().backward()
    with torchconv.enabled():
        found = model(x)
        assert ran() == convolutions
        found.square().sum().backward()
    assert ran() == 2 * convolutions and not torchconv.stats()["delegated"]
    torch.testing.assert_close(found, expected)
    for ours, torchs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, torchs.grad, rtol=1e-6, atol=1e-6 * torchs.grad.abs().max().item())
