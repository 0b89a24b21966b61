"""The derivatives of the operators, written once and served three ways.

Every operator is linear in each of its operands, and its derivatives are other operators of the family: so a rule is
one call per operand, and it holds for any order of derivative. A bias is added to the result and is no operand.

Three front ends share the rules, because no single one does everything well:
  eager        an autograd.Function with ctx in forward: the fastest, but unknown to torch.func
  dispatched   torch.library.register_autograd: one node per operator in compiled and exported graphs, slower, and
               silently zero under forward-mode AD
  transformed  an autograd.Function with setup_context, jvp and vmap, for torch.func and forward-mode AD
Forward and backward of a 1x1x1x1 conv2d take 33 us, 59 us and 49 us in this order.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from torchconv import _autocast, _vmap, ops
from torchconv._fake import check_bias

# Per operand: the gradient, from g (the gradient of the result), the arguments after the tensors, and the operands.
DERIVATIVES: dict[str, tuple[Callable[..., Tensor], ...]] = {
    "conv_fwd": (
        lambda g, rest, x, w: ops.conv_grad_input(g, w, None, x.shape, *rest),
        lambda g, rest, x, w: ops.conv_grad_weight(x, g, w.shape, *rest),
    ),
    "conv_grad_input": (
        lambda g, rest, grad_y, w: ops.conv_fwd(g, w, None, *rest[1:]),
        lambda g, rest, grad_y, w: ops.conv_grad_weight(g, grad_y, w.shape, *rest[1:]),
    ),
    "conv_grad_weight": (
        lambda g, rest, x, grad_y: ops.conv_grad_input(grad_y, g, None, x.shape, *rest[1:]),
        lambda g, rest, x, grad_y: ops.conv_fwd(x, g, None, *rest[1:]),
    ),
    "unfold": (lambda g, rest, x: ops.fold(g, x.shape[2:], *rest),),
    "fold": (lambda g, rest, columns: ops.unfold(g, *rest[1:]),),
}
WITH_BIAS = ("conv_fwd", "conv_grad_input")
AUTOCAST = ("conv_fwd", "conv_grad_input", "conv_grad_weight")  # unfold and fold keep the dtype, as torch's do


class Operator(NamedTuple):
    """The ways to call one operator. Each takes the arguments as the schema lists them."""

    autocasts: bool
    dispatched: Callable[..., Tensor]  # torch.ops.torchconv.<name>
    kernel: Callable[..., Tensor]  # straight to a kernel; a DispatchKeySet comes before the arguments
    eager: Callable[..., Tensor]  # a DispatchKeySet comes after the arguments
    transformed: Callable[..., Tensor]


def build(name: str) -> Operator:
    """Registers the derivatives and the autocast rule of torch.ops.torchconv.<name> and returns the ways to call it."""
    op = getattr(torch.ops.torchconv, name).default
    kernel = op._handle.redispatch_boxed
    derivatives = DERIVATIVES[name]
    arity = len(derivatives)
    tensors = arity + (name in WITH_BIAS)

    def save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:arity])
        ctx.save_for_forward(*inputs[:arity])
        ctx.rest = inputs[tensors:]

    def gradients(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        operands, needed = ctx.saved_tensors, ctx.needs_input_grad
        grads = [d(g, ctx.rest, *operands) if needed[i] else None for i, d in enumerate(derivatives)]
        if tensors > arity:
            grads.append(g.sum((0, 2, 3)[: g.dim() - 1]) if needed[arity] else None)
        return *grads, *[None] * (len(needed) - len(grads))

    class Eager(torch.autograd.Function):
        backward = staticmethod(gradients)

        @staticmethod
        def forward(ctx: Any, *args: Any) -> Tensor:
            ctx.save_for_backward(*args[:arity])
            ctx.rest = args[tensors:-1]
            return kernel(args[-1], *args[:-1])

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
                if tangent is not None
            ]
            return sum(terms[1:], start=terms[0])

        @staticmethod
        def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Tensor, int]:
            return _vmap.RULES[name](info.batch_size, in_dims, *args)

    torch.library.register_autograd(op, gradients, setup_context=save)
    if name in AUTOCAST:
        _autocast.register(op, tensors)

    def transformed(*args: Any) -> Tensor:
        bias = args[arity] if tensors > arity else None
        if bias is None:
            return Transformed.apply(*args)
        y = Transformed.apply(*args[:arity], None, *args[tensors:])
        check_bias(bias, y.shape[1])
        return y + bias.reshape(-1, *[1] * (y.dim() - 2))

    return Operator(name in AUTOCAST, op, kernel, Eager.apply, transformed)
