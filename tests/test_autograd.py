"""Derivatives of the operators in plain eager mode and through the dispatcher: values, orders, modes and autocast."""

import cases
import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.library import opcheck
from torch.utils._python_dispatch import TorchDispatchMode

from torchconv import ops

SMALL = [
    cases.case("1-D", 2, 3, (7,), 4, 3, stride=2, padding=(1, 2), dilation=2),
    cases.case("1-D groups", 2, 4, (5,), 6, 2, groups=2),
    cases.case("2-D", 2, 2, (5, 4), 3, 3, padding=1),
    cases.case("2-D groups", 1, 4, (5, 6), 6, (3, 2), (2, 1), (1, 0, 2, 1), (1, 2), groups=2),
    cases.case("depthwise", 2, 3, (4, 4), 3, 2, groups=3),
    cases.case("3-D", 2, 4, (3, 4, 5), 6, (2, 3, 2), (2, 1, 1), (1, 0, 1, 1, 0, 2), (1, 1, 2), groups=2),
]
OPERATORS = ("conv_fwd", "conv_grad_input", "conv_grad_weight", "unfold", "fold", "gemm")
ROUTES = {"routed": ops, "dispatched": torch.ops.torchconv}
each_case = pytest.mark.parametrize("case", SMALL, ids=str)
each_operator = pytest.mark.parametrize("name", OPERATORS)
each_route = pytest.mark.parametrize("route", ROUTES)


def arguments(name: str, case: cases.Case, dtype: torch.dtype = torch.float64, requires_grad: bool = True):
    """(tensors, the rest) of a call; operators with a bias get one.

    1-D cases give unfold and fold a height of 1, and 3-D ones have no depth there.
    """
    geometry = (list(case.stride), list(case.padding), list(case.dilation), case.groups, "reference")
    flat = len(case.size) == 1
    size, kernel = ([1] * flat + list(sizes)[-2:] for sizes in (case.size, case.kernel))
    window = [[1] * flat + list(v)[-2:] for v in (case.stride, case.dilation)]
    window.insert(1, [0, 0] * flat + list(case.padding)[-4:])
    columns = [case.N, case.C * torch.Size(kernel).numel(), torch.Size(case.y_size[2:][-2:]).numel()]
    sizes, rest = {
        "conv_fwd": ([case.x_size, case.w_size, [case.K]], geometry),
        "conv_grad_input": ([case.y_size, case.w_size, [case.C]], (case.x_size, *geometry)),
        "conv_grad_weight": ([case.x_size, case.y_size], (case.w_size, *geometry)),
        "unfold": ([[case.N, case.C, *size]], (kernel, *window)),
        "fold": ([columns], (size, kernel, *window)),
        "gemm": ([[case.C, case.K], [case.K, case.N]], ()),
    }[name]
    return tuple(torch.randn(s, dtype=dtype, requires_grad=requires_grad) for s in sizes), rest


def torch_conv(x: Tensor, w: Tensor, bias: Tensor | None, stride, padding, dilation, groups, algo) -> Tensor:
    """conv_fwd with torch's own kernels."""
    pads = [p for i in range(len(padding) - 2, -1, -2) for p in padding[i : i + 2]]
    F = torch.nn.functional
    convolution = (F.conv1d, F.conv2d, F.conv3d)[x.dim() - 3]
    return convolution(F.pad(x, pads), w, bias, stride, 0, dilation, groups)


@each_case
@each_route
def test_gradients_are_torchs(case, route):
    """First and second order, against torch.nn.functional."""
    tensors, rest = arguments("conv_fwd", case)

    def derivatives(conv):
        y = conv(*tensors, *rest)
        first = torch.autograd.grad(y.pow(3).sum(), tensors, create_graph=True)
        return y, *first, *torch.autograd.grad(sum(g.pow(2).sum() for g in first), tensors)

    for ours, theirs in zip(derivatives(ROUTES[route].conv_fwd), derivatives(torch_conv), strict=True):
        torch.testing.assert_close(ours, theirs)


@each_case
@each_operator
@each_route
def test_gradcheck(case, name, route):
    tensors, rest = arguments(name, case)
    call = getattr(ROUTES[route], name)
    # The dispatcher's way has no forward-mode rule; the routed one has.
    transforms = {"check_batched_grad": True, "check_forward_ad": True} if route == "routed" else {}
    assert gradcheck(lambda *t: call(*t, *rest), tensors, fast_mode=True, **transforms)


@pytest.mark.parametrize("case", [SMALL[0], SMALL[3], SMALL[5]], ids=str)
@each_operator
@each_route
def test_gradgradcheck(case, name, route):
    tensors, rest = arguments(name, case)
    call = getattr(ROUTES[route], name)
    transforms = {"check_fwd_over_rev": True, "check_rev_over_rev": True} if route == "routed" else {}
    assert gradgradcheck(lambda *t: call(*t, *rest), tensors, fast_mode=True, **transforms)


@each_operator
def test_third_order(name):
    tensors, rest = arguments(name, SMALL[3])
    call = getattr(ops, name)

    def second(*t):
        (first,) = torch.autograd.grad(call(*t, *rest).pow(4).sum(), t[:1], create_graph=True)
        return torch.autograd.grad(first.pow(2).sum(), t, create_graph=True, materialize_grads=True)

    assert gradcheck(second, tensors, fast_mode=True)


@each_operator
def test_forward_mode(name):
    tensors, rest = arguments(name, SMALL[3], requires_grad=False)
    call = getattr(ops, name)
    tangents = [torch.randn_like(t) for t in tensors]
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(t, d) for t, d in zip(tensors, tangents, strict=True)]
        jvp = forward_ad.unpack_dual(call(*duals, *rest)).tangent
    h = 1e-6
    ahead, behind = (call(*[t + s * d for t, d in zip(tensors, tangents, strict=True)], *rest) for s in (h, -h))
    torch.testing.assert_close(jvp, (ahead - behind) / (2 * h), rtol=1e-6, atol=1e-6)


@each_operator
@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("case", [SMALL[1], SMALL[3], SMALL[5]], ids=str)
def test_opcheck(name, requires_grad, case):
    tensors, rest = arguments(name, case, requires_grad=requires_grad)
    opcheck(getattr(torch.ops.torchconv, name).default, (*tensors, *rest))


@each_operator
def test_only_the_needed_gradients_are_computed(name):
    tensors, rest = arguments(name, SMALL[3], requires_grad=False)
    for i, wanted in enumerate(tensors):
        wanted.requires_grad_()
        y = getattr(ops, name)(*tensors, *rest)
        seen = [node for node in y.grad_fn.next_functions if node[0] is not None]
        assert len(seen) == 1
        assert torch.autograd.grad(y.sum(), wanted)[0].shape == tensors[i].shape
        wanted.requires_grad_(False)


def test_the_algorithm_travels_to_the_backward():
    tensors, rest = arguments("conv_fwd", SMALL[2])
    y = ops.conv_fwd(*tensors, *rest)
    with pytest.raises(RuntimeError, match="no_such_algo"):
        ops.conv_fwd(*tensors, *rest[:-1], "no_such_algo")
    seen = []

    class Algorithms(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func.namespace == "torchconv":
                seen.append((func._schema.name, args[-1]))
            return func(*args, **(kwargs or {}))

    with Algorithms():
        y.sum().backward()
    assert seen == [("torchconv::conv_grad_input", "reference"), ("torchconv::conv_grad_weight", "reference")]


def test_same_bits_run_after_run():
    case = cases.case("many channels", 2, 33, (14, 15), 34, 3, padding=1)
    tensors, rest = arguments("conv_fwd", case, torch.float32)
    for algo in ("reference", "auto"):
        runs = []
        for _ in range(3):
            y = ops.conv_fwd(*tensors, *rest[:-1], algo)
            runs.append((y, *torch.autograd.grad(y.square().sum(), tensors)))
        for run in runs[1:]:
            assert all(torch.equal(a, b) for a, b in zip(run, runs[0], strict=True))


# Tensors and modes that going straight to a kernel would get wrong.


def test_lazily_negated_input():
    (x, w, bias), rest = arguments("conv_fwd", SMALL[2], requires_grad=False)
    lazy = torch.complex(torch.zeros_like(x), -x).conj().imag
    assert lazy.is_neg()
    torch.testing.assert_close(ops.conv_fwd(lazy, w, bias, *rest), ops.conv_fwd(x, w, bias, *rest))


def test_zero_tensor():
    (x, w, _), rest = arguments("conv_fwd", SMALL[2], requires_grad=False)
    y = ops.conv_fwd(torch._efficientzerotensor(x.shape, dtype=x.dtype), w, None, *rest)
    assert torch.equal(y, torch.zeros_like(y))


@pytest.mark.parametrize("layout", ["sparse", "csr", "mkldnn"])
def test_layouts_without_strides_raise(layout):
    (x, w, bias), rest = arguments("conv_fwd", SMALL[0], torch.float32, requires_grad=False)
    odd = {"sparse": w.to_sparse, "csr": w[0].to_sparse_csr, "mkldnn": w.to_mkldnn}[layout]()
    with pytest.raises((RuntimeError, NotImplementedError)):
        ops.conv_fwd(x, odd, bias, *rest)


def test_subclass_sees_the_operator():
    class Logged(Tensor):
        calls: list[str] = []  # noqa: RUF012

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            cls.calls.append(str(func))
            return super().__torch_function__(func, types, args, kwargs or {})

    (x, w, bias), rest = arguments("conv_fwd", SMALL[2])
    y = ops.conv_fwd(x.detach().as_subclass(Logged), w, bias, *rest)
    assert isinstance(y, Logged)
    assert any("torchconv.conv_fwd" in call for call in Logged.calls)
    y.sum().backward()
    assert w.grad.shape == w.shape


def test_inference_mode():
    (x, w, bias), rest = arguments("conv_fwd", SMALL[2])
    expected = ops.conv_fwd(x, w, bias, *rest)
    with torch.inference_mode():
        y = ops.conv_fwd(x, w, bias, *rest)
        assert y.is_inference()
        again = ops.conv_fwd(torch.ones_like(x), w, bias, *rest)
    assert torch.equal(y, expected)
    assert not y.requires_grad
    # An inference tensor outside the mode is an input like any other, as long as nothing needs it saved.
    assert ops.conv_fwd(torch.ones_like(x), w.detach(), None, *rest).shape == again.shape


def test_no_grad():
    tensors, rest = arguments("conv_fwd", SMALL[2])
    with torch.no_grad():
        assert not ops.conv_fwd(*tensors, *rest).requires_grad
    assert ops.conv_fwd(*tensors, *rest).requires_grad


def test_profiler_sees_the_operator():
    tensors, rest = arguments("conv_fwd", SMALL[2])
    with torch.profiler.profile() as profile:
        ops.conv_fwd(*tensors, *rest).sum().backward()
    names = {event.key for event in profile.key_averages()}
    assert {"torchconv::conv_fwd", "torchconv::conv_grad_input", "torchconv::conv_grad_weight"} <= names


def test_checkpoint():
    tensors, rest = arguments("conv_fwd", SMALL[2])
    expected = torch.autograd.grad(ops.conv_fwd(*tensors, *rest).pow(2).sum(), tensors)
    y = torch.utils.checkpoint.checkpoint(ops.conv_fwd, *tensors, *rest, use_reentrant=False)
    for ours, theirs in zip(torch.autograd.grad(y.pow(2).sum(), tensors), expected, strict=True):
        assert torch.equal(ours, theirs)


def test_saved_tensors_are_version_checked():
    (x, w, bias), rest = arguments("conv_fwd", SMALL[2])
    x = x * 1
    y = ops.conv_fwd(x, w, bias, *rest)
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


# Autocast.


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@each_route
@pytest.mark.parametrize("case", [SMALL[2], SMALL[5]], ids=str)
@pytest.mark.parametrize("name", OPERATORS[:3])
def test_autocast_dtype(dtype, route, case, name):
    tensors, rest = arguments(name, case, torch.float32)
    call = getattr(ROUTES[route], name)
    with torch.autocast("cpu", dtype=dtype):
        y = call(*tensors, *rest)
        with torch.autocast("cpu", enabled=False):
            assert call(*tensors, *rest).dtype == torch.float32
    assert y.dtype == dtype
    grads = torch.autograd.grad(y.float().square().sum(), tensors)
    assert all(g.dtype == torch.float32 for g in grads)
    lower = [t.detach().to(dtype).requires_grad_() for t in tensors]
    y = call(*lower, *rest)
    expected = torch.autograd.grad(y.float().square().sum(), lower)
    for ours, theirs in zip(grads, expected, strict=True):
        assert torch.equal(ours, theirs.float())


@each_route
def test_autocast_leaves_float64_and_other_devices_alone(route):
    tensors, rest = arguments("conv_fwd", SMALL[2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert ROUTES[route].conv_fwd(*tensors, *rest).dtype == torch.float64
    tensors = [t.detach().float().to("meta") for t in tensors]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert ROUTES[route].conv_fwd(*tensors, *rest).dtype == torch.float32


@each_route
def test_autocast_leaves_unfold_alone(route):
    tensors, rest = arguments("unfold", SMALL[2], torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert ROUTES[route].unfold(*tensors, *rest).dtype == torch.float32


def test_autocast_under_transforms():
    (x, w, bias), rest = arguments("conv_fwd", SMALL[2], torch.float32, requires_grad=False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.vmap(lambda x: ops.conv_fwd(x, w, bias, *rest))(x[None]).dtype == torch.bfloat16
        grad = torch.func.grad(lambda w: ops.conv_fwd(x, w, bias, *rest).float().sum())(w)
    assert grad.dtype == torch.float32
