"""The derivatives of the operators, written once and served three ways.

Every operator is linear in each of its operands, and its derivatives are other operators of the family: so a rule is
one call per operand, and it holds for any order of derivative. A bias is added to the result and is no operand.

Three front ends share the rules, because no single one does everything well:
  eager        an autograd.Function with ctx in forward: the fastest, but unknown to torch.func
  dispatched   torch.library.register_autograd: one node per operator in compiled and exported graphs, slower, and
               silently zero under forward-mode AD
  transformed  an autograd.Function with setup_context, jvp and vmap, for torch.func and forward-mode AD
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from torchconv import _autocast, _fake_pool, _vmap, ops  # noqa: F401  _fake_pool registers
from torchconv._direct import kernels_for
from torchconv._fake import check_bias
from torchconv.errors import TorchconvError, operator_message

# Per operand: the gradient, from g (the gradient of the result), the arguments after the tensors, and the operands.
# f has the operators: the module ops, or kernels alone where no further derivative is wanted.
# None stands for an operand that has no gradient.
DERIVATIVES: dict[str, tuple[Callable[..., Tensor] | None, ...]] = {
    "conv_fwd": (
        lambda f, g, rest, x, w: f.conv_grad_input(g, w, None, x.shape, *rest),
        lambda f, g, rest, x, w: f.conv_grad_weight(x, g, w.shape, *rest),
    ),
    "conv_grad_input": (
        lambda f, g, rest, grad_y, w: f.conv_fwd(g, w, None, *rest[1:]),
        lambda f, g, rest, grad_y, w: f.conv_grad_weight(g, grad_y, w.shape, *rest[1:]),
    ),
    "conv_grad_weight": (
        lambda f, g, rest, x, grad_y: f.conv_grad_input(grad_y, g, None, x.shape, *rest[1:]),
        lambda f, g, rest, x, grad_y: f.conv_fwd(x, g, None, *rest[1:]),
    ),
    "unfold": (lambda f, g, rest, x: f.fold(g, x.shape[2:], *rest),),
    "fold": (lambda f, g, rest, columns: f.unfold(g, *rest[1:]),),
    "gemm": (lambda f, g, rest, a, b: f.gemm(g, b.t()), lambda f, g, rest, a, b: f.gemm(a.t(), g)),
    # The indices of a maximum are fixed: what follows it is linear.
    "max_pool_grad": (lambda f, g, rest, grad_y, indices: f.max_pool_gather(g, indices, *rest[1:]), None),
    "max_pool_gather": (lambda f, g, rest, x, indices: f.max_pool_grad(g, indices, x.shape[2:], *rest), None),
    "avg_pool": (lambda f, g, rest, x: f.avg_pool_grad(g, x.shape[2:], *rest),),
    "avg_pool_grad": (lambda f, g, rest, grad_y: f.avg_pool(g, *rest[1:]),),
    "adaptive_avg_pool": (lambda f, g, rest, x: f.adaptive_avg_pool_grad(g, x.shape[2:]),),
    "adaptive_avg_pool_grad": (lambda f, g, rest, grad_y: f.adaptive_avg_pool(g, grad_y.shape[2:]),),
    "channel_shuffle": (lambda f, g, rest, x: f.channel_shuffle(g, x.shape[1] // rest[0] if x.shape[1] else 1),),
}
# The operators that return a maximum and its indices; and from their other arguments the kernel_size, stride, padding,
# dilation and ceil_mode that max_pool_grad takes: empty where the windows are adaptive.
MAXIMA: dict[str, Callable[..., tuple[Any, ...]]] = {
    "max_pool": lambda rest: rest[:5],
    "adaptive_max_pool": lambda rest: ((), (), (), (), False),
}
WITH_BIAS = {"conv_fwd": "x", "conv_grad_input": "grad_y"}  # and the operand whose dtype and device it has to share
# unfold and fold keep the dtype, as torch's do; gemm has no lower one.
AUTOCAST = ("conv_fwd", "conv_grad_input", "conv_grad_weight")


class Operator(NamedTuple):
    """The ways to call one operator. Each takes the arguments as the schema lists them."""

    name: str
    autocasts: bool
    dispatched: Callable[..., Tensor]  # torch.ops.torchconv.<name>
    eager: Callable[..., Tensor]  # the tensors but None, then one tuple: the kernels to use, the other arguments
    transformed: Callable[..., Tensor]


def build(name: str) -> Operator:
    """Registers the derivatives and the autocast rule of torch.ops.torchconv.<name> and returns the ways to call it."""
    op = getattr(torch.ops.torchconv, name).default
    derivatives = DERIVATIVES[name]
    arity = len(derivatives)
    tensors = arity + (name in WITH_BIAS)

    def save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:arity])
        ctx.save_for_forward(*inputs[:arity])
        ctx.rest = inputs[tensors:]

    def gradients(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        operands, needed = ctx.saved_tensors, ctx.needs_input_grad
        f = None if torch.is_grad_enabled() else kernels_for((g, *operands))
        try:
            grads = [
                d(f or ops, g, ctx.rest, *operands) if d is not None and needed[i] else None
                for i, d in enumerate(derivatives)
            ]
        except RuntimeError as error:  # no function of functional.py is around a backward to say it
            message = operator_message(error)
            if message is None:
                raise
            raise TorchconvError(message) from None
        if tensors > arity:
            grads.append(g.sum((0, 2, 3, 4)[: g.dim() - 1]) if needed[arity] else None)
        return *grads, *[None] * (len(needed) - len(grads))

    class Eager(torch.autograd.Function):
        backward = staticmethod(gradients)

        @staticmethod
        def forward(ctx: Any, *args: Any) -> Tensor:
            # Each argument of apply costs twice, there and in backward: one for all but tensors, and none for a bias
            # that is None, saves 4 us of 85.
            *operands, (kernels, ctx.rest) = args
            ctx.save_for_backward(*operands[:arity])
            no_bias = (None,) * (tensors - len(operands))
            return getattr(kernels, name)(*operands, *no_bias, *ctx.rest)

    class Transformed(torch.autograd.Function):
        setup_context = staticmethod(save)
        backward = staticmethod(gradients)

        @staticmethod
        def forward(*args: Any) -> Tensor:
            return op(*args)

        @staticmethod
        def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
            operands, no_bias = ctx.saved_tensors, (None,) * (tensors - arity)
            call = getattr(ops, name)
            terms = [
                call(*operands[:i], tangent, *operands[i + 1 :], *no_bias, *ctx.rest)
                for i, tangent in enumerate(tangents[:arity])
                if tangent is not None and derivatives[i] is not None
            ]
            return sum(terms[1:], start=terms[0])

        @staticmethod
        def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Tensor, int]:
            return _vmap.run(name, info.batch_size, in_dims, args)

    torch.library.register_autograd(op, gradients, setup_context=save)
    if name in AUTOCAST:
        _autocast.register(op, tensors)

    def transformed(*args: Any) -> Tensor:
        bias = args[arity] if tensors > arity else None
        if bias is None:
            return Transformed.apply(*args)
        y = Transformed.apply(*args[:arity], None, *args[tensors:])
        check_bias(bias, y.shape[1], WITH_BIAS[name], args[0])
        return y + bias.reshape(bias.shape[0], *[1] * (y.dim() - 2))

    return Operator(name, name in AUTOCAST, op, Eager.apply, transformed)


def build_maximum(name: str) -> Operator:
    """What build does, for an operator that returns a maximum and its indices, of which only the first has a gradient.

    With these kept, its gradient is max_pool_grad and its tangent max_pool_gather, which differentiate further.
    """
    op = getattr(torch.ops.torchconv, name).default
    windows = MAXIMA[name]

    def save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, *rest = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])
        ctx.save_for_forward(output[1])
        ctx.plane, ctx.windows, ctx.others = x.shape[2:], windows(rest), len(rest)

    def save_dispatched(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, *rest = inputs
        ctx.save_for_backward(output[1])
        ctx.plane, ctx.windows, ctx.others = x.shape[2:], windows(rest), len(rest)

    def gradients(ctx: Any, g: Tensor, _: Any) -> tuple[Tensor | None, ...]:
        (indices,) = ctx.saved_tensors
        f: Any = None if torch.is_grad_enabled() else kernels_for((g, indices))
        return (f or ops).max_pool_grad(g, indices, ctx.plane, *ctx.windows), *[None] * ctx.others

    class Eager(torch.autograd.Function):
        backward = staticmethod(gradients)

        @staticmethod
        def forward(ctx: Any, x: Tensor, others: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
            kernels, rest = others
            y, indices = getattr(kernels, name)(x, *rest)
            ctx.mark_non_differentiable(indices)
            ctx.save_for_backward(indices)
            ctx.plane, ctx.windows, ctx.others = x.shape[2:], windows(rest), 1
            return y, indices

    class Transformed(torch.autograd.Function):
        setup_context = staticmethod(save)
        backward = staticmethod(gradients)

        @staticmethod
        def forward(*args: Any) -> tuple[Tensor, Tensor]:
            return op(*args)

        @staticmethod
        def jvp(ctx: Any, tangent: Tensor, *_: Any) -> tuple[Tensor, None]:
            (indices,) = ctx.saved_tensors
            return ops.max_pool_gather(tangent, indices, *ctx.windows), None

        @staticmethod
        def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
            return _vmap.run(name, info.batch_size, in_dims, args)

    torch.library.register_autograd(op, gradients, setup_context=save_dispatched)
    return Operator(name, False, op, Eager.apply, Transformed.apply)
