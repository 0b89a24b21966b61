"""torch.func over the operators: vmap in every combination of batched operands, grad, jvp, Jacobians, Hessians."""

import itertools

import pytest
import torch
from test_autograd import OPERATORS, SMALL, arguments, torch_conv
from torch.utils._python_dispatch import TorchDispatchMode

import torchconv
from torchconv import ops

BATCH = 3


def combinations():
    """(operator, case, which tensors are batched): every choice of at least one."""
    for name, case in itertools.product(OPERATORS, SMALL):
        count = {"unfold": 1, "fold": 1, "conv_grad_weight": 2, "gemm": 2}.get(name, 3)
        for batched in itertools.product((False, True), repeat=count):
            if any(batched):
                yield pytest.param(name, case, batched, id=f"{name} {case} {''.join('-b'[b] for b in batched)}")


@pytest.mark.parametrize(("name", "case", "batched"), list(combinations()))
def test_vmap(name, case, batched):
    tensors, rest = arguments(name, case, requires_grad=False)
    call = getattr(ops, name)
    for shift in range(2):  # the batch first, then at other places, the last of them counted from the end
        in_dims = tuple(
            (i * shift + shift) % 3 % (t.dim() + 1) if b else None for i, (t, b) in enumerate(zip(tensors, batched))
        )
        operands = [
            t if d is None else torch.randn(*t.shape[:d], BATCH, *t.shape[d:]).double()
            for t, d in zip(tensors, in_dims)
        ]
        y = torch.vmap(lambda *t: call(*t, *rest), in_dims, out_dims=1)(*operands)
        expected = [
            call(*[t if d is None else t.select(d, i) for t, d in zip(operands, in_dims)], *rest) for i in range(BATCH)
        ]
        torch.testing.assert_close(y, torch.stack(expected, 1))


@pytest.mark.parametrize(("name", "case", "batched"), [c for c in combinations() if SMALL[3] in c.values])
def test_vmap_over_an_empty_batch(name, case, batched):
    """It gives an empty result of the right size, which gradients still pass through."""
    tensors, rest = arguments(name, case, requires_grad=False)
    call = getattr(ops, name)
    operands = [t.new_empty(0, *t.shape).requires_grad_() if b else t for t, b in zip(tensors, batched)]
    y = torch.vmap(lambda *t: call(*t, *rest), tuple(0 if b else None for b in batched))(*operands)
    assert (y.shape, y.dtype) == ((0, *call(*tensors, *rest).shape), torch.float64)
    leaves = [t for t, b in zip(operands, batched) if b]
    for g, t in zip(torch.autograd.grad(y.sum(), leaves), leaves, strict=True):
        assert g.shape == t.shape


@pytest.mark.parametrize("size", [0, BATCH])
@pytest.mark.parametrize("in_dims", [(0, None), (None, 0), (0, 0)])
@pytest.mark.parametrize("groups", [0, -1, 3])
def test_vmap_refuses_what_the_operators_do(groups, in_dims, size):
    """With the very message, which speaks of the sizes without the batch."""
    x, w = torch.ones(1, 4, 5, 5), torch.ones(4, 4, 3, 3)
    with pytest.raises(torchconv.TorchconvError, match=r"^groups: expected a") as plain:
        torchconv.conv2d(x, w, groups=groups)
    batches = [t if d is None else t.expand(size, *t.shape) for t, d in zip((x, w), in_dims, strict=True)]
    with pytest.raises(torchconv.TorchconvError) as mapped:
        torch.vmap(lambda x, w: torchconv.conv2d(x, w, groups=groups), in_dims)(*batches)
    assert str(mapped.value) == str(plain.value)


@pytest.mark.parametrize("name", OPERATORS[:3])
def test_nested_vmap(name):
    (a, b, *bias), rest = arguments(name, SMALL[3], requires_grad=False)
    call = getattr(ops, name)
    a, b = torch.randn(2, *a.shape).double(), torch.randn(3, *b.shape).double()
    y = torch.vmap(lambda a: torch.vmap(lambda b: call(a, b, *bias, *rest))(b))(a)
    expected = [torch.stack([call(p, q, *bias, *rest) for q in b]) for p in a]
    torch.testing.assert_close(y, torch.stack(expected))


def test_vmap_copies_no_weights():
    """Per-sample work over a shared w is one convolution of a larger batch, and it reads w itself."""
    (x, w, bias), rest = arguments("conv_fwd", SMALL[3], requires_grad=False)
    seen = []

    class Convolutions(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func.namespace == "torchconv":
                seen.append((args[0].shape[0], args[1].data_ptr()))
            return func(*args, **(kwargs or {}))

    with Convolutions():
        torch.vmap(lambda x: ops.conv_fwd(x, w, bias, *rest))(torch.randn(5, *x.shape).double())
    assert seen == [(5 * x.shape[0], w.data_ptr())]


@pytest.mark.parametrize(
    ("case", "memory_format"),
    [
        (SMALL[2], torch.contiguous_format),
        (SMALL[2], torch.channels_last),
        (SMALL[5], torch.contiguous_format),
        (SMALL[5], torch.channels_last_3d),
    ],
    ids=str,
)
def test_vmap_over_channels_last(case, memory_format):
    (x, w, bias), rest = arguments("conv_fwd", case, requires_grad=False)
    x = torch.randn(BATCH * x.shape[0], *x.shape[1:]).double().to(memory_format=memory_format)
    y = torch.vmap(lambda x: ops.conv_fwd(x, w, bias, *rest))(x.unflatten(0, (BATCH, -1)))
    torch.testing.assert_close(y.flatten(0, 1), ops.conv_fwd(x, w, bias, *rest))
    assert y.flatten(0, 1).is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_per_sample_gradients(case):
    """vmap(grad) with batched x, against a loop over the samples with torch's own convolution."""
    params, rest = arguments("conv_fwd", case, requires_grad=False)
    x, params = torch.randn(4, *case.x_size).double(), params[1:]

    def loss(conv):
        return lambda w, bias, x: conv(x, w, bias, *rest).pow(2).sum()

    ours = torch.vmap(torch.func.grad(loss(ops.conv_fwd), (0, 1)), (None, None, 0))(*params, x)
    for i, sample in enumerate(x):
        theirs = torch.func.grad(loss(torch_conv), (0, 1))(*params, sample)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a[i], b)


def test_ensemble():
    """Stacked models over one input, forward and backward: w and bias batched, x shared."""
    (x, _, _), rest = arguments("conv_fwd", SMALL[3], requires_grad=False)
    w = torch.randn(4, *SMALL[3].w_size).double()
    bias = torch.randn(4, SMALL[3].K).double()

    def gradients(conv):
        return torch.vmap(torch.func.grad(lambda w, b: conv(x, w, b, *rest).pow(2).sum(), (0, 1)))(w, bias)

    for ours, theirs in zip(gradients(ops.conv_fwd), gradients(torch_conv), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("case", [SMALL[0], SMALL[3], SMALL[5]], ids=str)
@pytest.mark.parametrize("argnum", [0, 1, 2])
def test_derivatives_of_conv_fwd_are_torchs(case, argnum):
    """grad, jvp, both Jacobians, the Hessian and mixed compositions."""
    tensors, rest = arguments("conv_fwd", case, requires_grad=False)
    tangents = tuple(torch.randn_like(t) for t in tensors)

    def derivatives(conv):
        def f(*t):
            return conv(*t, *rest)

        def loss(*t):
            return f(*t).pow(3).sum()

        yield torch.func.grad(loss, argnum)(*tensors)
        yield from torch.func.jvp(f, tensors, tangents)
        yield torch.func.jacrev(f, argnum)(*tensors)
        yield torch.func.jacfwd(f, argnum)(*tensors)
        yield torch.func.hessian(loss, argnum)(*tensors)
        yield torch.func.jvp(torch.func.grad(loss, argnum), tensors, tangents)[1]
        yield torch.func.vjp(torch.func.grad(loss, argnum), *tensors)[1](tangents[argnum])[0]

    for ours, theirs in zip(derivatives(ops.conv_fwd), derivatives(torch_conv), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("name", OPERATORS)
def test_jacobians_agree(name):
    """Reverse and forward mode of the other operators, whose rules are not those of conv_fwd."""
    tensors, rest = arguments(name, SMALL[3], requires_grad=False)
    argnums = tuple(range(len(tensors)))
    call = getattr(ops, name)
    reverse = torch.func.jacrev(lambda *t: call(*t, *rest), argnums)(*tensors)
    forward = torch.func.jacfwd(lambda *t: call(*t, *rest), argnums)(*tensors)
    for a, b in zip(reverse, forward, strict=True):
        assert a.abs().sum() > 0
        torch.testing.assert_close(a, b)


def test_gradients_flow_out_of_a_transform():
    """backward() through vmap, to tensors outside of it."""
    (x, w, bias), rest = arguments("conv_fwd", SMALL[3])
    xs = torch.randn(BATCH, *x.shape).double()
    y = torch.vmap(lambda x: ops.conv_fwd(x, w, bias, *rest))(xs)
    theirs = torch.vmap(lambda x: torch_conv(x, w, bias, *rest))(xs)
    for a, b in zip(*(torch.autograd.grad(out.pow(2).sum(), (w, bias)) for out in (y, theirs)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("transform", ["none", "vmap", "grad"])
@pytest.mark.parametrize("length", [1, 5])
def test_a_bias_of_another_size_is_refused(transform, length):
    (x, w, _), rest = arguments("conv_fwd", SMALL[3], requires_grad=False)
    bias = torch.ones(length).double()
    calls = {
        "none": lambda: ops.conv_fwd(x, w, bias, *rest),
        "vmap": lambda: torch.vmap(lambda x: ops.conv_fwd(x, w, bias, *rest))(x[None]),
        "grad": lambda: torch.func.grad(lambda x: ops.conv_fwd(x, w, bias, *rest).sum())(x),
    }
    with pytest.raises(RuntimeError, match=rf"^torchconv: bias: expected size \[6\].*got \[{length}\]"):
        calls[transform]()


TRANSFORMS = {
    "vmap": lambda f, t: torch.vmap(f)(t[None]),
    "grad": lambda f, t: torch.func.grad(lambda t: f(t).sum())(t),
    "jvp": lambda f, t: torch.func.jvp(f, (t,), (t,)),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize(("dtype", "came"), [(torch.int64, "Long"), (torch.float32, "Float")])
@pytest.mark.parametrize(("name", "first"), [("conv_fwd", "x"), ("conv_grad_input", "grad_y")])
def test_a_bias_of_another_dtype_is_refused(transform, dtype, came, name, first):
    (a, w, bias), rest = arguments(name, SMALL[3], requires_grad=False)
    call = getattr(ops, name)
    with pytest.raises(RuntimeError, match=rf"^torchconv: bias: expected dtype Double as {first} has, got {came}"):
        TRANSFORMS[transform](lambda a: call(a, w, bias.to(dtype), *rest), a)
