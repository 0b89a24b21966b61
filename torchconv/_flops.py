"""What torch.utils.flop_counter.FlopCounterMode counts for the operators: two for each product of a direct sum."""

import math
from typing import Any

import torch
from torch.utils.flop_counter import register_flop_formula

_ops = torch.ops.torchconv
Shape = tuple[int, ...]


def _products(y: Shape, w: Shape) -> int:
    """Every entry of y is a sum over one filter."""
    return 2 * math.prod(y) * math.prod(w[1:])


@register_flop_formula([_ops.conv_fwd, _ops.conv_fused])
def _conv_fwd(x: Shape, w: Shape, *rest: Any, out_shape: Shape, **kwargs: Any) -> int:
    return _products(out_shape, w)


@register_flop_formula(_ops.conv_grad_input)
def _conv_grad_input(grad_y: Shape, w: Shape, *rest: Any, out_shape: Shape, **kwargs: Any) -> int:
    return _products(grad_y, w)


@register_flop_formula(_ops.conv_grad_weight)
def _conv_grad_weight(x: Shape, grad_y: Shape, *rest: Any, out_shape: Shape, **kwargs: Any) -> int:
    return _products(grad_y, out_shape)


@register_flop_formula(_ops.gemm)
def _gemm(a: Shape, b: Shape, *rest: Any, out_shape: Shape, **kwargs: Any) -> int:
    return 2 * math.prod(a) * b[1]
